"""Letting go of the X server and taking it again, as sleep needs it: nothing of ours stays connected."""

from __future__ import annotations

import asyncio
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from streamspace_proxy.streamer import x11
from streamspace_proxy.streamer.backends import Wanted

from tests.support.own_streamer import KEY, OwnStreamer
from tests.support.streamer import difference, screenshot
from tests.support.waiting import PATIENCE, eventually
from tests.support.xserver import XServer, x_server

pytestmark = pytest.mark.x11

BACKENDS = [
    ("xdamage", 6, 6),
    ("x11grab", 7, 6),
    pytest.param(
        *("pixelflux", 9, 1),
        marks=pytest.mark.skipif(find_spec("pixelflux") is None, reason="pixelflux (extra gpu) is not installed"),
    ),
]
"""Each with its connections while it captures, and its stream's matrix."""


def connections(server: XServer) -> int:
    """Sockets that the X server holds, of X and of RFB."""
    return len(psutil.Process(server.process.pid).net_connections("unix"))


def own_connections() -> int:
    return len(psutil.Process().net_connections("unix"))


def segments() -> int:
    return Path("/proc/self/maps").read_text().count("/SYSV")


@pytest.mark.parametrize(("capture", "held", "matrix"), BACKENDS)
async def test_nothing_stays_connected_and_the_picture_goes_on(capture: Wanted, held: int, matrix: int) -> None:
    with x_server(geometry="1280x720") as server:
        server.start("xterm", "-fa", "Monospace", "-geometry", "80x24+50+50", "-e", "sh", "-c", "ls -l /; sleep 100")
        eventually(lambda: "xterm" in server.output("xlsclients"), "the terminal")
        idle, own, mapped = connections(server), own_connections(), segments()
        watcher = OwnStreamer(server, capture)
        display = watcher.core.display
        tasks = [display.start()]
        try:
            watcher.core.open_sink(KEY, acknowledges=True, hidden=False)
            display.follow(server.display)
            await watcher.frame(0)
            # XTEST, RFB, cursor, clipboard, keymap, and the engine's.
            await asyncio.to_thread(eventually, lambda: own_connections() == own + held, "all connections")
            assert segments() > mapped, "shared memory"
            assert watcher.core.stats()["capture"]["backend"] == capture
            for _ in range(5):
                await asyncio.sleep(0.5)
                await display.release()
                assert own_connections() == own, "no X connection, no RFB connection"
                assert segments() == mapped, "no shared memory"
                await asyncio.to_thread(eventually, lambda: connections(server) <= idle, "the X server to notice")
                count, epoch = len(watcher.frames), watcher.frames[-1][1].epoch
                await watcher.taken_again(server)
                _, first, video = watcher.frames[count]
                assert first.keyframe
                assert first.epoch != epoch
                assert video.epoch == first.epoch
            await asyncio.sleep(2)
            assert difference(watcher.picture(matrix), screenshot(server)) < 4
        finally:
            watcher.core.close_sink(KEY)
            await display.close()
            for task in tasks:
                task.cancel()


async def test_input_and_clipboard_work_again() -> None:
    with x_server() as server:
        watcher = OwnStreamer(server)
        display = watcher.core.display
        display.start()
        try:
            display.follow(server.display)
            await wait_attached(display)
            await display.release()
            assert display.input is None
            display.follow(server.display)
            await wait_attached(display)
            assert display.input is not None
            display.input.pointer(123, 234, 0)
            connection = x11.connect(server.display, server.xauthority)
            root = connection.get_setup().roots[0].root
            async with asyncio.timeout(PATIENCE):
                while (pointer := connection.core.QueryPointer(root).reply()) and pointer.root_x != 123:
                    await asyncio.sleep(0.02)
            connection.disconnect()
            display.set_clipboard("again")
            async with asyncio.timeout(PATIENCE):
                while "again" not in await asyncio.to_thread(clipboard, server):
                    await asyncio.sleep(0.05)
        finally:
            await display.close()


def clipboard(server: XServer) -> str:
    command = ("xclip", "-o", "-selection", "clipboard")
    done = subprocess.run(command, check=False, env=server.environment, capture_output=True, text=True, timeout=5)
    return done.stdout


async def wait_attached(display: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not display.ready:
            await asyncio.sleep(0.01)
