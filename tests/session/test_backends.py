"""Every capture backend on a real X server: the same promises, whoever captures and encodes."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

import pytest

from tests.support.streamer import difference, running_streamer, screenshot

pytestmark = pytest.mark.x11

XTERM = ("xterm", "-fa", "Monospace", "-fs", "12", "-geometry", "60x20+50+50")
MATRIX = {"xdamage": 6, "x11grab": 6, "pixelflux": 1}
BACKENDS = [
    "xdamage",
    "x11grab",
    pytest.param(
        "pixelflux",
        marks=pytest.mark.skipif(find_spec("pixelflux") is None, reason="pixelflux (extra gpu) is not installed"),
    ),
]


@pytest.mark.parametrize("capture", BACKENDS)
async def test_what_is_typed_appears_and_another_size_is_followed(capture: str) -> None:
    async with running_streamer(capture=capture) as running:
        running.x.start(*XTERM, "+bc", "-xrm", "XTerm*cursorBlink: false")
        await asyncio.sleep(1)
        viewer = await running.viewer()
        first = await viewer.start()
        assert first.keyframe
        assert (await viewer.message("video"))["codec"].startswith("avc1.42")
        await viewer.settled()
        assert difference(viewer.picture(MATRIX[capture]), screenshot(running.x)) < 5
        before, count = viewer.picture(MATRIX[capture]), len(viewer.frames)
        await viewer.send("pointer", x=200, y=200, buttons=0)
        for character in "echo hi":
            await viewer.send("key", keysym=ord(character), down=True)
            await viewer.send("key", keysym=ord(character), down=False)
        await viewer.until(lambda: len(viewer.frames) > count, "a frame of what was typed")
        await viewer.settled()
        assert difference(viewer.picture(MATRIX[capture]), before) > 0.1
        assert difference(viewer.picture(MATRIX[capture]), screenshot(running.x)) < 5
        await viewer.send("resize", width=1024, height=700)
        video = await viewer.until(
            lambda: next((video for video in viewer.of("video") if video["width"] == 1024), None), "the new size"
        )
        await viewer.until(lambda: viewer.frames[-1].epoch == video["epoch"], "a frame of it")
        await viewer.settled()
        assert difference(viewer.picture(MATRIX[capture]), screenshot(running.x)) < 5


@pytest.mark.parametrize("capture", BACKENDS)
async def test_a_lone_slow_viewer_gets_what_it_can_decode(capture: str) -> None:
    scroll = "i=0; while true; do echo $i the quick brown fox; i=$((i+1)); sleep 0.01; done"
    async with running_streamer(capture=capture) as running:
        running.x.start(*XTERM, "-e", "sh", "-c", scroll)
        viewer = await running.viewer(acknowledge=False)
        await viewer.start()
        for _ in range(5):
            await asyncio.sleep(0.4)
            await viewer.ack(viewer.frames[-1].id)
        await asyncio.sleep(0.3)
        assert 5 <= len(viewer.frames) <= 13
        viewer.picture(MATRIX[capture])
        await viewer.ws.close()
        await asyncio.sleep(0.5)
        assert not (await running.get("stats"))["capturing"]


async def test_an_x_server_without_damage_still_gives_a_picture() -> None:
    async with running_streamer("640x480", None, "-extension", "DAMAGE") as running:
        running.x.start(*XTERM, "-e", "sh", "-c", "ls -l /; sleep 100")
        viewer = await running.viewer()
        await viewer.start()
        await viewer.settled()
        assert difference(viewer.picture(), screenshot(running.x)) < 5
        assert "polling" in running.log()
