"""How sharp a picture at rest becomes, and how soon: text on a real X server, decoded and compared with the screen."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise
from typing import Any

import av
import numpy as np
import pytest

from tests.support.streamer import Pixels, Viewer, running_streamer, screenshot

pytestmark = pytest.mark.x11

CRISP_DB = 45.0
CRISP_SECONDS = 0.5
# As many lines as fill the screen come at once; then nothing changes.
PAGE = (
    "sleep 2; for i in $(seq 1 60); do echo $i 'The quick brown fox jumps over the lazy dog, 0123456789 times.'; done"
)


def psnr(one: Pixels, other: Pixels) -> float:
    error = float(np.mean((one.astype(float) - other.astype(float)) ** 2))
    return 99.0 if error == 0 else 10 * math.log10(255**2 / error)


def pictures(viewer: Viewer) -> list[tuple[float, Pixels]]:
    """What is shown from the last keyframe on, and since when (capture time in seconds)."""
    last = max(index for index, frame in enumerate(viewer.frames) if frame.keyframe)
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    return [
        (frame.at, np.asarray(decoder.decode(av.Packet(frame.data))[0].to_ndarray(format="rgb24"), np.uint8))
        for frame in viewer.frames[last:]
    ]


@pytest.mark.parametrize("geometry", ["1280x720", "1920x1080"])
async def test_text_is_crisp_half_a_second_after_the_last_change(geometry: str) -> None:
    async with running_streamer(geometry) as running:
        running.x.start(
            "xterm", "-fa", "Monospace", "-fs", "11", "-geometry", "110x34+20+20", "-bg", "white", "-fg", "black",
            "-e", "sh", "-c", PAGE + "; printf '\\033[?25l'; sleep 100",
        )  # fmt: skip
        await asyncio.sleep(1)
        viewer = await running.viewer()
        await viewer.start()
        await asyncio.sleep(2)
        await viewer.settled()
        truth, shown = screenshot(running.x), pictures(viewer)
        quality = [(at, psnr(picture, truth)) for at, picture in shown]
        assert quality[-1][1] >= CRISP_DB
        # The last change is the last picture that looks quite different from the one before it.
        changes = [later for (_, before), (later, now) in pairwise(quality) if abs(now - before) > 8]
        last_change = changes[-1] if changes else quality[0][0]
        crisp = next(at for at, decibels in quality if decibels >= CRISP_DB and at >= last_change)
        print(f"{geometry}: crisp {1000 * (crisp - last_change):.0f} ms after the last change, {quality[-1][1]:.1f} dB")
        assert crisp - last_change < CRISP_SECONDS


async def test_a_still_picture_of_a_narrow_line_gets_its_full_size_back() -> None:
    scroll = (
        "for i in $(seq 1 700); do head -c 600 /dev/urandom | base64; sleep 0.005; done; printf '\\033[?25l'; sleep 100"
    )
    async with running_streamer(policy={"max_bitrate": 300_000}) as running:
        running.x.start("xterm", "-fs", "8", "-geometry", "130x44+0+0", "-e", "sh", "-c", scroll)
        viewer = await running.viewer()
        await viewer.send("quality", preset="smooth")
        await viewer.start()
        small = await viewer.until(
            lambda: next((video for video in viewer.of("video") if video["width"] < 800), None), "a smaller picture", 20
        )
        assert (small["width"], small["height"]) in ((600, 450), (400, 300))
        await viewer.until(lambda: viewer.of("video")[-1]["width"] == 800, "the full size", 30)
        await viewer.settled()
        assert viewer.of("video")[-1]["width"] == 800
        assert psnr(viewer.picture(), screenshot(running.x)) > 40
