"""Who may have a picture of a session, and how often a session is asked for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from streamspace_hub.service.identity import Caller
from streamspace_hub.service.thumbnails import FRESH, KIND, LARGEST, Thumbnails

PAGE = "/user/ann/gimp/streamspace/"
ASK = f"{PAGE}api/v1/thumbnail"


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        ({"access:servers!user=ann", "custom:streamspace:view!user=ann"}, True),
        ({"access:servers!server=ann/gimp", "custom:streamspace:view!server=ann/gimp"}, True),
        ({"access:servers", "custom:streamspace:view"}, True),
        ({"custom:streamspace:view"}, False),
        ({"access:servers"}, False),
        ({"access:servers", "custom:streamspace:admin"}, False),
        ({"access:servers!user=bob", "custom:streamspace:view!user=ann"}, False),
        ({"access:servers!server=ann/other", "custom:streamspace:view!server=ann/gimp"}, False),
    ],
)
def test_it_takes_the_right_to_reach_the_server_and_to_see_the_screen(scopes: set[str], may: bool) -> None:
    assert Caller("eve", "user", frozenset(scopes), "token").may_look("ann", "gimp") is may


class Sessions:
    """Stands for the hub's proxy and the sessions behind it: each picture is another."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.kind, self.status, self.body = KIND, 200, b"picture %d"
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, request.headers["Authorization"]))
        number = len(self.asked)
        await self.goes_on.wait()
        body = self.body % number if b"%" in self.body else self.body
        return web.Response(body=body, status=self.status, content_type=self.kind)


class Clock:
    """Goes when it is told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def looked_at() -> AsyncIterator[tuple[Sessions, Thumbnails, Clock]]:
    sessions, clock = Sessions(), Clock()
    app = web.Application()
    app.router.add_get("/{path:.*}", sessions.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    thumbnails = Thumbnails(f"http://127.0.0.1:{runner.addresses[0][1]}", clock)
    try:
        yield sessions, thumbnails, clock
    finally:
        await thumbnails.close()
        await runner.cleanup()


async def test_a_session_is_asked_once_however_many_look() -> None:
    async with looked_at() as (sessions, thumbnails, _):
        sessions.goes_on.clear()
        looking = [asyncio.ensure_future(thumbnails.get(PAGE, f"token-{one}")) for one in range(5)]
        other = asyncio.ensure_future(thumbnails.get("/user/bob/gimp/streamspace/", "token-bob"))
        while len(sessions.asked) < 2:
            await asyncio.sleep(0)
        sessions.goes_on.set()
        assert len({await one for one in looking}) == 1
        assert (await other or b"").startswith(b"picture")
        assert sorted(sessions.asked) == [
            (ASK, "token token-0"),
            (ASK.replace("ann", "bob"), "token token-bob"),
        ], "in the name of who came first"


async def test_a_picture_is_good_for_two_seconds_and_none_is_fetched_unless_somebody_looks() -> None:
    async with looked_at() as (sessions, thumbnails, clock):
        assert FRESH == 2
        assert await thumbnails.get(PAGE, "token") == b"picture 1"
        clock.now += 1.9
        assert await thumbnails.get(PAGE, "token") == b"picture 1"
        clock.now += 0.1
        assert await thumbnails.get(PAGE, "token") == b"picture 2"
        clock.now += 3600
        assert len(sessions.asked) == 2
        assert await thumbnails.get(PAGE, "token") == b"picture 3"


@pytest.mark.parametrize(
    "bad", [{"status": 503}, {"kind": "text/html"}, {"body": bytes(LARGEST + 1)}], ids=["none", "page", "huge"]
)
async def test_what_is_no_picture_is_not_shown_nor_asked_for_again_at_once(bad: dict[str, object]) -> None:
    async with looked_at() as (sessions, thumbnails, clock):
        assert await thumbnails.get(PAGE, "token") == b"picture 1"
        clock.now += FRESH
        vars(sessions).update(bad)
        assert await thumbnails.get(PAGE, "token") is None
        assert await thumbnails.get(PAGE, "token") is None
        assert len(sessions.asked) == 2
