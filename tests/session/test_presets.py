"""What each preset gives up on a line that is too thin, as the documentation says; on a real, moving screen."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.streamer import running_streamer
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.x11
NOISE = "while :; do head -c 600 /dev/urandom | base64; sleep 0.005; done"
XTERM = ("xterm", "-fs", "8", "-geometry", "130x44+0+0", "-e", "sh", "-c", NOISE)


@pytest.mark.parametrize(("preset", "fps_first"), [("sharp", True), ("smooth", False)])
async def test_sharp_gives_up_frames_first_and_smooth_detail(preset: str, fps_first: bool) -> None:
    async with running_streamer(policy={"max_bitrate": 300_000}) as running:
        running.x.start(*XTERM)
        viewer = await running.viewer()
        await viewer.send("quality", preset=preset)
        await viewer.start()
        async with asyncio.timeout(PATIENCE):
            while (stats := await running.get("stats"))["quality"] == {"fps": 60, "scale": 1.0}:
                await asyncio.sleep(0.05)
        quality = stats["quality"]
        assert stats["preset"] == preset
        assert (quality["fps"] < 60, quality["scale"] < 1) == (fps_first, not fps_first), quality


async def test_low_data_stays_below_its_rates_on_a_line_that_takes_more() -> None:
    async with running_streamer() as running:
        running.x.start(*XTERM)
        viewer = await running.viewer()
        await viewer.start()
        await viewer.send("quality", preset="low_data")
        await viewer.message("quality")
        await asyncio.sleep(2)
        began, count = time.monotonic(), len(viewer.frames)
        await asyncio.sleep(3)
        came, seconds = viewer.frames[count:], time.monotonic() - began
        assert came
        assert len(came) <= 31 * seconds + 2
        assert 8 * sum(len(frame.data) for frame in came) <= 1.2 * 1_500_000 * seconds
