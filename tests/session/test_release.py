"""Letting go of the X server and taking it again, as sleep needs it: nothing of ours stays connected."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from streamspace_proxy.streamer import x11
from streamspace_proxy.streamer.config import Config
from streamspace_proxy.streamer.core import Streamer
from streamspace_proxy.streamer.frames import EncodedFrame
from streamspace_proxy.streamer.stream import VideoFormat

from streamspace_hub.model import AppTemplate, Policy
from tests.support.streamer import TEMPLATE, decode, difference, screenshot
from tests.support.waiting import PATIENCE, eventually
from tests.support.xserver import XServer, x_server

pytestmark = pytest.mark.x11
KEY: Any = ("v1", "websocket")


class Watcher:
    """A streamer in this process with one sink, whose frames are collected."""

    def __init__(self, server: XServer) -> None:
        self.frames: list[tuple[float, EncodedFrame, VideoFormat]] = []
        policy = Policy.model_validate({})
        self.core = Streamer(Config(server.folder, AppTemplate.model_validate(TEMPLATE), policy))
        self.core._streams._deliver = self._frame

    def _frame(self, key: Any, frame: EncodedFrame, frame_id: int, video: VideoFormat) -> None:
        self.frames.append((time.monotonic(), frame, video))
        self.core.acknowledge(key, frame_id)

    async def frame(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.frames) <= count:
                await asyncio.sleep(0.002)


def connections(server: XServer) -> int:
    """Sockets that the X server holds, of X and of RFB."""
    return len(psutil.Process(server.process.pid).net_connections("unix"))


def own_connections() -> int:
    return len(psutil.Process().net_connections("unix"))


def segments() -> int:
    return Path("/proc/self/maps").read_text().count("/SYSV")


async def test_nothing_stays_connected_and_the_picture_goes_on() -> None:
    with x_server(geometry="1280x720") as server:
        server.start("xterm", "-fa", "Monospace", "-geometry", "80x24+50+50", "-e", "sh", "-c", "ls -l /; sleep 100")
        eventually(lambda: "xterm" in server.output("xlsclients"), "the terminal")
        idle, own, mapped = connections(server), own_connections(), segments()
        watcher = Watcher(server)
        display = watcher.core.display
        tasks = [display.start()]
        try:
            watcher.core.open_sink(KEY, acknowledges=True, hidden=False)
            display.follow(server.display)
            await watcher.frame(0)
            # Engine, XTEST, RFB, cursor, clipboard, keymap.
            await asyncio.to_thread(eventually, lambda: own_connections() == own + 6, "all connections")
            assert segments() == mapped + 1
            figures = []
            for _ in range(5):
                await asyncio.sleep(0.5)
                await display.release()
                assert own_connections() == own, "no X connection, no RFB connection"
                assert segments() == mapped, "no shared memory"
                await asyncio.to_thread(eventually, lambda: connections(server) <= idle, "the X server to notice")
                count, epoch = len(watcher.frames), watcher.frames[-1][1].epoch
                began = time.monotonic()
                display.follow(server.display)
                await watcher.frame(count)
                at, first, video = watcher.frames[count]
                figures.append(1000 * (at - began))
                assert first.keyframe
                assert first.epoch != epoch
                assert video.epoch == first.epoch
            print(f"first frame {min(figures):.0f} to {max(figures):.0f} ms after taking the display again")
            await asyncio.sleep(2)
            last = max(index for index, (_, frame, _) in enumerate(watcher.frames) if frame.keyframe)
            shown = decode([frame.data for _, frame, _ in watcher.frames[last:]])
            assert difference(shown, screenshot(server)) < 4
        finally:
            watcher.core.close_sink(KEY)
            await display.close()
            for task in tasks:
                task.cancel()


async def test_input_and_clipboard_work_again() -> None:
    with x_server() as server:
        watcher = Watcher(server)
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
