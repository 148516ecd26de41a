"""TURN servers on their way from the hub to a viewer's `hello`; the hub here is a small HTTP server of the test's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from streamspace_proxy.extension import turn
from streamspace_proxy.extension.hub_api import HubApi
from streamspace_proxy.extension.lab import StreamSpaceExtension
from streamspace_proxy.extension.turn import HubTurn, OwnTurn, ice_header
from traitlets import TraitError

from streamspace_hub.model.turn import TurnSettings, mint_turn
from tests.support.streamer import identity, running_streamer

SETTINGS = TurnSettings(turn_urls=("turn:turn.example.org",), turn_secret_file="/x", turn_ttl=3600)


@dataclass
class Hub:
    """What a hub says when it is asked for TURN servers, and how often it was."""

    url: str = ""
    status: int = 200
    body: Any = None
    delay: float = 0.0
    asked: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        import asyncio

        self.asked += 1
        assert request.headers["Authorization"] == "token of-the-session"
        await asyncio.sleep(self.delay)
        grant = mint_turn(SETTINGS, b"north", "ann", time.time()).model_dump(mode="json")
        return web.json_response(grant if self.body is None else self.body, status=self.status)


@contextlib.asynccontextmanager
async def hub_turn() -> AsyncIterator[tuple[Hub, HubTurn]]:
    hub = Hub()
    application = web.Application()
    application.router.add_get("/hub/api/streamspace/turn", hub.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api = HubApi(f"http://127.0.0.1:{runner.addresses[0][1]}/hub/api", "of-the-session")
    try:
        yield hub, HubTurn(api)
    finally:
        await api.close()
        await runner.cleanup()


async def test_the_hub_is_asked_once_for_many_viewers() -> None:
    async with hub_turn() as (hub, source):
        first = await source.ice_servers()
        assert first[0].urls == ("turn:turn.example.org",)
        assert await source.ice_servers() == first
        assert hub.asked == 1


async def test_credentials_are_renewed_when_half_of_their_life_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hub_turn() as (hub, source):
        first = await source.ice_servers()
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 1795)
        await source.ice_servers()
        assert hub.asked == 1
        monkeypatch.setattr(time, "time", lambda: now + 1805)
        second = await source.ice_servers()
        assert hub.asked == 2
        assert second[0].username > first[0].username


async def test_a_hub_that_cannot_answer_leaves_the_last_credentials_until_they_expire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with hub_turn() as (hub, source):
        first, now = await source.ice_servers(), time.time()
        hub.status = 503
        monkeypatch.setattr(time, "time", lambda: now + 3000)
        assert await source.ice_servers() == first
        monkeypatch.setattr(time, "time", lambda: now + 3700)
        assert await source.ice_servers() == ()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"message": "Not Found"}),
        (500, None),
        (200, {"ice_servers": [{"urls": ["http://x"], "username": "a", "credential": "hush"}], "expires": 1}),
        (200, ["hush"]),
    ],
)
async def test_a_hub_without_turn_costs_one_question_a_minute_and_a_line(
    status: int, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with hub_turn() as (hub, source):
        hub.status, hub.body = status, body
        assert await source.ice_servers() == ()
        assert await source.ice_servers() == ()
        assert hub.asked == 1
    (line,) = [record.getMessage() for record in caplog.records if record.name == "streamspace.turn"]
    assert line.startswith("no TURN: ")
    assert "hush" not in line


async def test_a_slow_hub_does_not_hold_a_viewer_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "PATIENCE", 0.1)
    async with hub_turn() as (hub, source):
        hub.delay = 20.0
        assert await asyncio.wait_for(source.ice_servers(), 10) == ()


async def test_a_jupyter_server_mints_its_own(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("north")
    source = OwnTurn(SETTINGS.model_copy(update={"turn_secret_file": str(secret)}))
    (server,) = await source.ice_servers()
    assert server.username.endswith(":jupyter")
    secret.unlink()
    assert await source.ice_servers() == ()


def test_a_jupyter_servers_settings_are_explained() -> None:
    extension = StreamSpaceExtension()
    assert extension._turn_source() is None
    extension.turn_urls = ["turn:turn.example.org"]
    with pytest.raises(TraitError, match=r"StreamSpaceExtension\.turn_secret_file is missing"):
        extension._turn_source()
    extension.turn_secret_file = "/no/such/file"
    with pytest.raises(TraitError, match=r"StreamSpaceExtension\.turn_secret_file: .* cannot be read"):
        extension._turn_source()


@pytest.mark.x11
async def test_the_streamer_hands_them_to_the_viewer_and_takes_nothing_else() -> None:
    good = ice_header(mint_turn(SETTINGS, b"north", "Žofie", time.time()).ice_servers)
    async with running_streamer(attach=False) as running:
        for value, expected in (
            (good["X-Streamspace-Ice-Servers"], ["turn:turn.example.org"]),
            ("[]", None),
            ("nonsense", None),
            ('[{"urls": ["https://evil"], "username": "a", "credential": "hush"}]', None),
        ):
            headers = {**identity("owner"), "X-Streamspace-Ice-Servers": value}
            async with running.http.ws_connect("http://session/ws", headers=headers) as ws:
                hello = await ws.receive_json()
            assert [server["urls"] for server in hello["ice_servers"]] == ([expected] if expected else [])
        assert "hush" not in running.log()
        assert running.log().count("X-Streamspace-Ice-Servers is no list of TURN servers") == 2
