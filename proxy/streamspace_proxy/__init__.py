"""What runs inside a session: the Jupyter extension, the streamer and the desktop's init."""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell a Jupyter server what to load. Nothing is imported before it asks: sessions need none of it."""
    from streamspace_proxy.extension.lab import StreamSpaceExtension

    return [{"module": "streamspace_proxy.extension.lab", "app": StreamSpaceExtension}]
