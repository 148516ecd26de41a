"""The routes of a session: the same on a hub session's own server and beside a Jupyter server."""

from __future__ import annotations

from typing import Any

from streamspace_proxy.extension.bridge import ApiBridge, HttpBridge, SocketBridge, TurnServers
from streamspace_proxy.extension.logs import SessionLog
from streamspace_proxy.extension.page import STATIC, HubLinks, Redirect, StaticFiles, ViewerPage
from streamspace_proxy.extension.sessions import SessionFinder
from streamspace_proxy.extension.turn import TurnSource

Route = tuple[str, type, dict[str, Any]]

# Every pattern's first group is the session's name: empty where there is only one.
_ONLY_SESSION = r"/streamspace()"
_HERE = r"/streamspace/here/([a-z][a-z0-9-]{0,29})"


def only_session_routes(base_url: str, sessions: SessionFinder, hub: HubLinks, turn: TurnSource) -> list[Route]:
    """Return the routes of a hub session's server, relative to `base_url`, which ends in a slash."""
    return [
        *_page_routes(_ONLY_SESSION, f"{base_url}streamspace{{}}/", sessions, hub),
        *_bridge_routes(_ONLY_SESSION, sessions, turn),
    ]


def here_routes(base_url: str, sessions: SessionFinder, turn: TurnSource | None = None) -> list[Route]:
    """Return the routes of the apps that run beside a Jupyter server, relative to `base_url`."""
    return [
        *_page_routes(_HERE, f"{base_url}streamspace/here/{{}}/", sessions, None),
        *_bridge_routes(_HERE, sessions, turn),
    ]


def _page_routes(place: str, page: str, sessions: SessionFinder, hub: HubLinks | None) -> list[Route]:
    return [
        (place, Redirect, {"to": page}),
        (f"{place}/", ViewerPage, {"sessions": sessions, "hub": hub}),
        (f"{place.replace('(', '(?:')}/static/(.+)", StaticFiles, {"path": str(STATIC)}),
    ]


def _bridge_routes(place: str, sessions: SessionFinder, turn: TurnSource | None) -> list[Route]:
    return [
        (f"{place}/(ws|rfb)", SocketBridge, {"sessions": sessions, "turn": turn}),
        (f"{place}/(http(?:/[A-Za-z0-9_-]{{1,64}})?)", HttpBridge, {"sessions": sessions, "turn": turn}),
        (f"{place}/api/v1/turn", TurnServers, {"sessions": sessions, "turn": turn}),
        (f"{place}/api/v1/logs", SessionLog, {"sessions": sessions}),
        (f"{place}/(api/v1/[a-z]+(?:/[a-z]+)*)", ApiBridge, {"sessions": sessions}),
    ]
