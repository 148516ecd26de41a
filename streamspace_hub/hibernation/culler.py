"""For jupyterhub-idle-culler 2: a `cull_arbiter_hook` that leaves sessions to the ladder of sleep. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any


def spare_sessions(*, inactive: timedelta, inactive_limit: float, server: Mapping[str, Any], **_: Any) -> bool:
    """Return whether the culler is to end a server: by its usual rule, unless its user options name an app.

    Args:
        inactive: for how long the server was not used.
        inactive_limit: the culler's limit in seconds.
        server: the hub's model of the server.
    """
    options = server.get("user_options") or {}
    inner = options.get("user_options")  # sent to JupyterHub 5 in the form of 6
    if "app" in (inner if isinstance(inner, Mapping) else options):
        return False
    return inactive.total_seconds() >= inactive_limit
