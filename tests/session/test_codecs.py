"""Viewers that decode no H.264: the same screen in VP8 and in JPEG, each only while somebody takes it."""

from __future__ import annotations

import asyncio
from typing import Any

import av
import numpy as np
import pytest

from tests.support.streamer import Pixels, Running, Viewer, difference, running_streamer, screenshot

pytestmark = pytest.mark.x11

XTERM = ("xterm", "-fa", "Monospace", "-fs", "12", "-geometry", "60x20+50+50", "-bg", "#204080", "-fg", "yellow")
SCROLL = "i=0; while true; do echo $i the quick brown fox jumps over the lazy dog; i=$((i+1)); sleep 0.005; done"


def decode(codec: str, units: list[bytes]) -> Pixels:
    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    pictures = [picture for unit in units for picture in decoder.decode(av.Packet(unit))]
    return np.asarray(pictures[-1].to_ndarray(format="rgb24"), np.uint8)


async def start(viewer: Viewer, *codecs: str) -> str:
    await viewer.send("start", transport="websocket", audio=False, codecs=list(codecs))
    video = await viewer.message("video")
    await viewer.until(lambda: viewer.frames, "a frame")
    return str(video["codec"])


async def frames(viewer: Viewer, codec: str) -> None:
    await viewer.until(lambda: len(viewer.frames) > 20, f"frames in {codec}", 30)


async def streams(running: Running) -> set[str]:
    return set((await running.get("stats"))["streams"])


@pytest.mark.parametrize(("codec", "decoder"), [("vp8", "vp8"), ("jpeg", "mjpeg")])
async def test_a_viewer_without_h264_sees_the_screen(codec: str, decoder: str) -> None:
    async with running_streamer() as running:
        running.x.output("xsetroot", "-solid", "#c03060")
        running.x.start(*XTERM, "-e", "sh", "-c", "ls -l /; sleep 100")
        await asyncio.sleep(1)
        viewer = await running.viewer()
        assert await start(viewer, "hevc", codec) == codec
        await viewer.settled()
        assert viewer.frames[0].keyframe
        picture = decode(decoder, [frame.data for frame in viewer.frames])
        assert difference(picture, screenshot(running.x)) < 6
        # A wrong matrix or range would be off by far more.
        assert np.abs(picture[560:590, 760:790].mean((0, 1)) - [0xC0, 0x30, 0x60]).max() <= 5
        assert await streams(running) == {"h264", codec}
        await viewer.ws.close()
        await asyncio.sleep(0.3)
        assert await streams(running) == {"h264"}
        assert not (await running.get("stats"))["capturing"]


async def test_viewers_of_different_codecs_see_the_same_moving_screen() -> None:
    async with running_streamer() as running:
        running.x.start(*XTERM, "-e", "sh", "-c", SCROLL)
        seen = {codec: await running.viewer() for codec in ("h264", "vp8", "jpeg")}
        for codec, viewer in seen.items():
            assert (await start(viewer, codec)).startswith("avc1" if codec == "h264" else codec)
        for codec, viewer in seen.items():
            await frames(viewer, codec)
            assert len({frame.epoch for frame in viewer.frames}) == 1
        assert len({viewer.frames[0].epoch for viewer in seen.values()}) == 3, "no epoch means two things"


async def test_a_viewer_may_change_to_another_codec() -> None:
    async with running_streamer() as running:
        viewer = await running.viewer()
        assert (await start(viewer, "h264", "vp8")).startswith("avc1")
        assert await start(viewer, "vp8") == "vp8"
        await viewer.until(lambda: viewer.frames[-1].data[0] & 1 == 0, "a VP8 keyframe")
        assert viewer.frames[-1].keyframe
        ids = [frame.id for frame in viewer.frames]
        assert ids == list(range(len(ids))), "ids go on"


async def test_a_viewer_that_decodes_nothing_of_ours_is_told_so() -> None:
    async with running_streamer() as running:
        viewer = await running.viewer()
        await viewer.send("start", transport="websocket", audio=False, codecs=["av1"])
        error = await viewer.message("error")
        assert (error["code"], error["field"]) == ("transport_failed", "codecs")
        assert "h264, vp8, jpeg" in error["message"]


async def test_the_preset_is_the_sessions_and_everybody_learns_of_it() -> None:
    async with running_streamer() as running:
        owner, other = await running.viewer(), await running.viewer("viewer", "grace")
        assert (await owner.message("hello"))["preset"] == "sharp"
        await other.send("quality", preset="smooth")
        assert (await other.message("error"))["code"] == "forbidden"
        await owner.send("quality", preset="low_data")
        for viewer in (owner, other):
            assert (await viewer.message("quality"))["preset"] == "low_data"
        late = await running.viewer()
        assert (await late.message("hello"))["preset"] == "low_data"
        await start(owner, "h264")
        assert (await running.get("stats"))["quality"]["fps"] == 30
