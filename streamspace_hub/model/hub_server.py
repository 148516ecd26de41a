"""The hub's model of a server (JupyterHub's REST API, `Server`), read in our words. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from streamspace_hub.model.session import SessionState

VIEWER: Final = "streamspace/"
"""The viewer page, relative to a server's URL."""


def app_of(name: str, server: Mapping[str, Any], apps: Collection[str]) -> str | None:
    """Return the app that a server runs, or None for an ordinary server. The rule is the spawner's own."""
    options = server.get("user_options") or {}
    inner = options.get("user_options")
    if isinstance(inner, Mapping) and set(options) <= {"display_name", "user_options"}:
        options = inner  # sent to JupyterHub 5 in the form of 6
    app = options.get("app")
    if isinstance(app, list) and len(app) == 1:
        app = app[0]  # from a form
    if isinstance(app, str) and 0 < len(app) <= 30:
        return app
    return name if not options and name in apps else None


def title_of(name: str, server: Mapping[str, Any], app_title: str) -> str:
    """Return what somebody has called it, else the app's title: the hub calls a server by its name until told."""
    given = server.get("display_name")
    return str(given) if given and given != name else app_title


def state_of(server: Mapping[str, Any], *, sleeps: bool = False) -> SessionState:
    """Return the state of a server in our words; `sleeps`: with its memory, or as soon as it has ended."""
    match server.get("pending"):
        case "spawn":
            return SessionState.RESUMING if sleeps else SessionState.STARTING
        case "stop":
            return SessionState.HIBERNATING if sleeps else SessionState.STOPPING
    if server.get("ready"):
        return SessionState.HIBERNATING if sleeps else SessionState.RUNNING
    return SessionState.SLEEPING if sleeps else SessionState.STOPPED
