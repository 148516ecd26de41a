"""The routes of a session: the same on a hub session's own server and beside a Jupyter server."""

from __future__ import annotations

from typing import Any

from streamspace_proxy.extension.bridge import ApiBridge, SocketBridge
from streamspace_proxy.extension.page import STATIC, HubLinks, Redirect, StaticFiles, ViewerPage
from streamspace_proxy.extension.sessions import SessionFinder

Route = tuple[str, type, dict[str, Any]]

# Every pattern's first group is the session's name: empty where there is only one.
_ONLY_SESSION = r"/streamspace()"
_HERE = r"/streamspace/here/([a-z][a-z0-9-]{0,29})"


def only_session_routes(base_url: str, sessions: SessionFinder, hub: HubLinks) -> list[Route]:
    """Return the routes of a hub session's server, relative to `base_url`, which ends in a slash."""
    return _routes(_ONLY_SESSION, f"{base_url}streamspace{{}}/", sessions, hub)


def here_routes(base_url: str, sessions: SessionFinder) -> list[Route]:
    """Return the routes of the apps that run beside a Jupyter server, relative to `base_url`."""
    return _routes(_HERE, f"{base_url}streamspace/here/{{}}/", sessions, None)


def _routes(place: str, page: str, sessions: SessionFinder, hub: HubLinks | None) -> list[Route]:
    return [
        (place, Redirect, {"to": page}),
        (f"{place}/", ViewerPage, {"sessions": sessions, "hub": hub}),
        (f"{place.replace('(', '(?:')}/static/(.+)", StaticFiles, {"path": str(STATIC)}),
        (f"{place}/(ws|rfb)", SocketBridge, {"sessions": sessions}),
        (f"{place}/(api/v1/[a-z]+(?:/[a-z]+)*)", ApiBridge, {"sessions": sessions}),
    ]
