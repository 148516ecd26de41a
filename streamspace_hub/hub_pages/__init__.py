"""What JupyterHub's own pages say of sessions that sleep: templates over the hub's, and what these ask for.

Knows the hub's database, and no spawner.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

TEMPLATES: Final = str(Path(__file__).parent / "templates")
VARIABLE: Final = "streamspace_asleep"
"""What `asleep` is called in templates."""


def asleep(user: Any) -> dict[str, dict[str, str]]:
    """Return those of a hub user's servers that sleep, by name: `title`, `since` (ISO 8601, UTC) and `size`."""
    from streamspace_hub.model.asleep import asleep_in

    found = {}
    for name, server in sorted(user.orm_user.orm_spawners.items()):
        facts = asleep_in(server.state)
        # One that is being woken sleeps no more, for those who look.
        if facts is not None and not (name in user.spawners and user.spawners[name].active):
            title = getattr(server, "display_name", None) or name or facts.app
            found[name] = {"title": title, "since": facts.since, "size": size(facts.bytes)}
    return found


def for_templates(_: Any) -> Callable[[Any], dict[str, dict[str, str]]]:
    """Return `asleep`: JupyterHub calls a variable of its templates with whoever looks, who need not be the owner."""
    return asleep


def size(count: int) -> str:
    """Return bytes as people say them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
