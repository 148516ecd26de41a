"""What a viewer measures and is told: the streamer's clock, reports, and sound beside noVNC's picture."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.sound import SoundServer, decode, loudest
from tests.support.streamer import running_streamer

pytestmark = pytest.mark.x11


async def test_a_pong_tells_the_clock_of_the_frames() -> None:
    async with running_streamer() as running:
        viewer = await running.viewer("viewer")
        frame = await viewer.start()
        before = time.monotonic_ns() // 1000
        await viewer.send("ping", t=1)
        pong = await viewer.message("pong")
        assert before <= pong["now"] <= time.monotonic_ns() // 1000
        assert frame.capture_us < pong["now"]


async def test_a_pong_tells_where_the_time_of_the_viewers_frames_went() -> None:
    async with running_streamer() as running:
        viewer, other = await running.viewer("viewer"), await running.viewer("viewer")
        await viewer.start()
        running.x.start("xterm", "-e", "sh", "-c", "while :; do date +%N; sleep 0.03; done")
        await viewer.until(lambda: len(viewer.frames) > 20, "frames")
        await viewer.send("ping", t=1)
        await other.send("ping", t=1)
        pong = await viewer.message("pong")
        assert pong["viewers"] == 2
        assert set(pong["phases"]) == {"capture", "convert", "encode", "queue"}
        for spread in pong["phases"].values():
            assert 0 <= spread["p50"] <= spread["p95"]
        assert pong["phases"]["encode"]["p95"] > 0
        assert (await other.message("pong"))["phases"] == {}, "it had none"


async def test_a_viewer_reports_once_a_second_and_more_is_refused() -> None:
    async with running_streamer() as running:
        viewer = await running.viewer("viewer")
        for _ in range(3):
            await viewer.send("report", freezes=1, latency_ms=[12.5])
        assert (await viewer.message("error"))["code"] == "rate_limited"
        await viewer.send("report", latency_ms=[-1])
        assert (await viewer.message("error"))["field"] == "latency_ms"


async def test_sound_comes_beside_novncs_picture() -> None:
    async with running_streamer() as running:
        with SoundServer(running.x.folder) as server:
            viewer = await running.viewer("viewer")
            await viewer.send("start", transport="rfb", audio=True)
            await asyncio.sleep(0.6)
            await server.play(1000, 1.0)
            sound = decode(viewer.sounds)
            middle = sound[len(sound) // 2 - 6000 : len(sound) // 2 + 6000]
            assert abs(loudest(middle[:, 0]) - 1000) < 10
            assert viewer.frames == []
            await viewer.send("stop", transport="rfb")
            await asyncio.sleep(0.2)
            count = len(viewer.sounds)
            await server.play(1000, 0.3)
            assert len(viewer.sounds) == count


async def test_without_the_policy_no_sound_leaves() -> None:
    async with running_streamer(policy={"audio": False}) as running:
        with SoundServer(running.x.folder) as server:
            viewer = await running.viewer()
            assert (await viewer.message("hello"))["policy"]["audio"] is False
            await viewer.send("start", transport="websocket", audio=True)
            await viewer.until(lambda: viewer.frames, "a picture")
            await server.play(1000, 0.5)
            await viewer.send("ping", t=1)
            await viewer.message("pong")
            assert viewer.sounds == []
            assert server.listed("source-outputs") == [], "nobody records"
