"""The list of ways into a session, which other tests find closed, leaves none out."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
from streamspace_proxy.extension.bridge import ApiBridge, HttpBridge, SocketBridge, TurnServers
from streamspace_proxy.extension.handlers import ENTRY, AuthorisedHandler
from streamspace_proxy.extension.identity import OAuthCallback
from streamspace_proxy.extension.logs import SessionLog
from streamspace_proxy.extension.page import PublicHandler, Redirect, StaticFiles, ViewerPage
from streamspace_proxy.extension.routes import only_session_routes
from streamspace_proxy.extension.server import Place, Status, Stop, make_application
from streamspace_proxy.streamer.server import make_app

from tests.support.session_paths import PAGES, REQUESTS, SOCKETS

NONE = cast(Any, None)
"""Nothing is run here: the routes alone are looked at."""
OF_THE_SERVER = {("POST", "api/v1/stop"), ("GET", "api/v1/turn"), ("GET", "api/v1/logs")}
"""What a session's Jupyter server answers itself."""


def path(listed: str) -> str:
    return listed.partition("?")[0]


def test_every_route_of_the_streamer_is_listed() -> None:
    routes = make_app(NONE, NONE).router.routes()
    found = {
        (route.method, route.resource.canonical[1:].replace("{name}", "anything"))
        for route in routes
        if route.resource is not None
    }
    requests = {(method, path(request)) for method, request in REQUESTS}
    listed = {*requests, *(("GET", path(socket)) for socket in SOCKETS)} - OF_THE_SERVER
    assert {route for route in found if route[0] != "HEAD"} == listed


def test_every_route_of_a_sessions_server_is_listed_or_opens_nothing() -> None:
    routes = {handler: pattern for pattern, handler, _ in only_session_routes("/", NONE, NONE, NONE)}
    expected = {
        ViewerPage: {path(page) for _, page in PAGES},
        SocketBridge: {path(socket) for socket in SOCKETS},
        SessionLog: {"api/v1/logs"},
        ApiBridge: {request for _, request in REQUESTS if request.startswith("api/")},
        TurnServers: {"api/v1/turn"},
        HttpBridge: {path(request) for _, request in REQUESTS if request.startswith("http")},
    }
    assert set(routes) == {*expected, Redirect, StaticFiles}
    for handler, paths in expected.items():
        assert all(re.fullmatch(routes[handler], f"/streamspace/{listed}") for listed in paths), handler


def test_every_way_in_asks_what_the_policy_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "t")
    monkeypatch.setenv("JUPYTERHUB_CLIENT_ID", "c")
    place = Place("127.0.0.1", 1, "/user/ann/one/", "/hub/home", "/x", "/services/streamspace/step-up")
    entry = object()
    application = make_application(place, NONE, NONE, NONE, cast(Any, entry))
    assert application.settings[ENTRY] is entry
    # `AuthorisedHandler.prepare` asks; nobody answers without it but who gives nothing away.
    handlers = {rule.target for outer in application.default_router.rules for rule in cast(Any, outer).target.rules}
    asking = {handler for handler in handlers if issubclass(handler, AuthorisedHandler)}
    assert {ViewerPage, SocketBridge, ApiBridge, HttpBridge, SessionLog, TurnServers, Stop, Status} == asking
    assert all(handler.prepare is AuthorisedHandler.prepare and "prepare" not in vars(handler) for handler in asking)
    assert {handler for handler in handlers - asking if not issubclass(handler, PublicHandler)} == {OAuthCallback}
