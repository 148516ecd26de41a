"""Sleep of a whole session: the streamer lets go by itself, thaws what is frozen, and shows what was woken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.support.running import Running, run_session
from tests.support.sleeping import YES, as_it_was, changed, hibernate, needs_memory, settled
from tests.support.streamer import Pixels, Viewer, difference, identity
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.x11, needs_memory]
SHELL = ("xterm", "-e", "bash", "--norc")


@asynccontextmanager
async def viewer(running: Running) -> AsyncIterator[Viewer]:
    """Connect a page to the session's streamer, with picture and sound."""
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(f"{running.runtime_dir}/streamer.sock")) as http:
        async with asyncio.timeout(PATIENCE):
            while not await is_ready(http):
                await asyncio.sleep(0.05)
        ws = await http.ws_connect(
            "http://session/ws", headers=identity("owner"), protocols=["streamspace.v1"], max_msg_size=0
        )
        page = Viewer(ws)
        reading = asyncio.create_task(page.read())
        await page.send("start", transport="websocket", audio=True)
        try:
            yield page
        finally:
            reading.cancel()
            await ws.close()


async def is_ready(http: aiohttp.ClientSession) -> bool:
    """Whether the streamer is there and has a screen to show."""
    try:
        async with http.get("http://session/api/v1/status", headers=identity("owner")) as response:
            return bool((await response.json())["ready"])
    except aiohttp.ClientConnectorError:
        return False


async def thumbnail(running: Running) -> int:
    """Ask for a small picture; returns the answer's status."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(f"{running.runtime_dir}/streamer.sock")) as http,
        http.get("http://session/api/v1/thumbnail", headers=identity("owner")) as response,
    ):
        return response.status


async def state(running: Running, wanted: str) -> None:
    """Wait for a state of sleep."""
    await running.until(lambda status: status["sleep"]["state"] == wanted)


async def typed(running: Running, before: Pixels) -> None:
    """Wait until a letter is seen: fewer pixels than a caret may have."""
    async with asyncio.timeout(PATIENCE):
        while changed(before, await settled(running)) == 0:
            await asyncio.sleep(0.05)


async def test_a_frozen_desktop_goes_on_when_somebody_comes_or_does_something() -> None:
    async with run_session(*SHELL, sleep=YES) as running:
        await running.running()
        async with viewer(running) as page:
            await page.until(lambda: page.frames, "a picture")
            before = await settled(running)
            assert (await running.request("freeze"))["ok"]
            await state(running, "frozen")
            await page.send("ping", t=1)
            await page.message("pong")
            async with asyncio.timeout(PATIENCE):
                assert await thumbnail(running) == 503, "nobody can look at a screen that is frozen"
            assert (await running.status())["sleep"]["state"] == "frozen", "an open page is nobody"
            for down in (True, False):
                await page.send("key", keysym=ord("x"), down=down)
            await state(running, "awake")
            await typed(running, before)
        assert (await running.request("freeze"))["ok"]
        async with aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(f"{running.runtime_dir}/streamer.sock")
        ) as http:
            ws = await http.ws_connect("http://session/ws", headers=identity("owner"), protocols=["streamspace.v1"])
            # Not before: a hidden page that connects again is nobody who looks.
            await ws.send_json({"type": "start", "transport": "websocket", "audio": False})
            await state(running, "awake")


async def test_a_frozen_desktop_uses_no_processor() -> None:
    async with run_session("xterm", "-e", "sh", "-c", "while :; do :; done", sleep=YES) as running:
        await running.running()
        assert (await running.request("freeze"))["ok"]
        tree = [pid for pid in running.processes() if "desktop.start" in command_line(pid) or parents(pid)]
        used = sum(ticks(pid) for pid in tree)
        await asyncio.sleep(1)
        assert sum(ticks(pid) for pid in tree) == used
        assert len(tree) > 5


def command_line(pid: int) -> str:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().replace(b"\0", b" ").decode()


def parents(pid: int) -> bool:
    """Whether a process is below the tree's root."""
    while pid > 1:
        with open(f"/proc/{pid}/stat", "rb") as file:
            pid = int(file.read().rpartition(b")")[2].split()[1])
        if pid > 1 and "desktop.start" in command_line(pid):
            return True
    return False


def ticks(pid: int) -> int:
    """Return the processor time that a process has used."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[11]) + int(fields[12])


async def test_the_streamer_lets_go_and_shows_what_was_woken() -> None:
    async with run_session(*SHELL, sleep=YES) as running:
        await running.running()
        async with (
            viewer(running) as page,
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(f"{running.runtime_dir}/streamer.sock")) as http,
        ):
            await page.until(lambda: page.frames, "a picture")
            rfb = await http.ws_connect("http://session/rfb", headers=identity("owner"), protocols=["binary"])
            assert (await rfb.receive(PATIENCE)).type is aiohttp.WSMsgType.BINARY
            for key in (ord("x"), ord("y")):
                for down in (True, False):
                    await page.send("key", keysym=key, down=down)
            before = await settled(running)
            await hibernate(running, running.home / "image")
        running.start_again(STREAMSPACE_RESTORE=str(running.home / "image"))
        told = (await running.running())["restored"]
        assert told["ok"], told
        await as_it_was(running, before)
        async with viewer(running) as page:
            await page.until(lambda: page.frames, "a picture")
            await page.settled()
            assert difference(page.picture(), before) < 4
            for down in (True, False):
                await page.send("key", keysym=ord("z"), down=down)
            await typed(running, before)
