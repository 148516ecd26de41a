"""A capture backend that looked good and fails: the next one takes its place, and the viewer keeps the picture."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from streamspace_proxy.streamer import pixelflux_backend, shm
from streamspace_proxy.streamer.backends import Wanted
from streamspace_proxy.streamer.capture import CaptureFigures, CaptureSettings, CaptureSink
from streamspace_proxy.streamer.engine import EventDrivenCapture

from tests.support.own_streamer import KEY, OwnStreamer
from tests.support.streamer import difference, screenshot
from tests.support.waiting import PATIENCE
from tests.support.xserver import XServer, x_server

pytestmark = pytest.mark.x11
pixelflux = pytest.importorskip("pixelflux", reason="pixelflux (extra gpu) is not installed")

PROBE = pixelflux.hardware_encoders
GOOD_FRAMES = 5
COUNTER = "i=0; while true; do echo $i; i=$((i+1)); sleep 0.05; done"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that says it encodes H.264."""
    monkeypatch.setattr(pixelflux, "hardware_encoders", lambda: {"h264": "nvenc"})


class FailsLater(EventDrivenCapture):
    """Stands for a GPU whose driver gives up after some frames."""

    def __init__(self, settings: CaptureSettings, sink: CaptureSink, gpu: bool) -> None:
        assert gpu
        super().__init__(settings, sink)
        self._good = GOOD_FRAMES

    def figures(self) -> CaptureFigures:
        return replace(super().figures(), backend="pixelflux")

    def _make_frame(self, screen: Any, act: Any) -> None:
        if not self._good:
            raise RuntimeError("the encoder is gone")
        self._good -= 1
        super()._make_frame(screen, act)


@contextlib.asynccontextmanager
async def watching(server: XServer, capture: Wanted = "auto") -> AsyncIterator[OwnStreamer]:
    watcher = OwnStreamer(server, capture)
    task = watcher.core.display.start()
    try:
        watcher.core.open_sink(KEY, acknowledges=True, hidden=False)
        watcher.core.display.follow(server.display)
        await watcher.frame(0)
        yield watcher
    finally:
        watcher.core.close_sink(KEY)
        await watcher.core.display.close()
        task.cancel()


def used(watcher: OwnStreamer) -> str:
    return str(watcher.core.stats()["capture"]["backend"])


def failures(watcher: OwnStreamer) -> dict[str, float]:
    samples = (
        (backend, watcher.core.metrics.registry.get_sample_value(
            "streamspace_session_capture_failures_total", {"backend": backend}
        ))
        for backend in ("pixelflux", "xdamage", "x11grab")
    )  # fmt: skip
    return {backend: value for backend, value in samples if value}


async def until_used(watcher: OwnStreamer, backend: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while used(watcher) != backend:
            await asyncio.sleep(0.02)


async def test_a_gpu_that_fails_after_some_frames_is_followed_by_the_cpu(
    gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixelflux_backend, "PixelfluxCapture", FailsLater)
    with x_server() as server:
        server.start("xterm", "-geometry", "60x20+50+50", "-e", "sh", "-c", COUNTER)
        async with watching(server) as watcher:
            attached = watcher.core.display.input
            await until_used(watcher, "xdamage")
            count = len(watcher.frames)
            await watcher.frame(count + 10)
            assert failures(watcher) == {"pixelflux": 1}
            assert watcher.core.display.input is attached, "input was not disturbed"
            epochs = [frame.epoch for _, frame, _ in watcher.frames]
            assert epochs == sorted(epochs)
            first = next(frame for _, frame, _ in watcher.frames if frame.epoch != epochs[0])
            assert first.keyframe
            await watcher.core.display.release()
            await watcher.taken_again(server)
            assert used(watcher) == "pixelflux", "after sleep the GPU gets another chance"


async def test_a_gpu_that_is_none_is_followed_by_the_cpu(gpu: None) -> None:
    if "h264" in PROBE():
        pytest.skip("a GPU encodes here")
    with x_server() as server:
        server.start("xterm", "-geometry", "60x20+50+50", "-e", "sh", "-c", "ls -l /; sleep 100")
        async with watching(server) as watcher:
            await until_used(watcher, "xdamage")
            await watcher.settled()
            assert failures(watcher) == {"pixelflux": 1}
            assert difference(watcher.picture(), screenshot(server)) < 5


async def test_shared_memory_that_cannot_be_had_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shm.SharedSegment, "__init__", none_left)
    with x_server() as server:
        server.start("xterm", "-geometry", "60x20+50+50", "-e", "sh", "-c", "ls -l /; sleep 100")
        async with watching(server) as watcher:
            assert used(watcher) == "x11grab"
            await watcher.settled()
            assert failures(watcher) == {"xdamage": 1}
            assert difference(watcher.picture(), screenshot(server)) < 5


async def test_when_all_have_failed_they_are_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    left = list(range(3))
    make_frame = EventDrivenCapture._make_frame

    def fails(self: EventDrivenCapture, screen: Any, act: Any) -> None:
        if left:
            left.pop()
            raise RuntimeError("no picture today")
        make_frame(self, screen, act)

    monkeypatch.setattr(EventDrivenCapture, "_make_frame", fails)
    with x_server() as server:
        server.start("xterm", "-geometry", "60x20+50+50", "-e", "sh", "-c", "ls -l /; sleep 100")
        async with watching(server, "xdamage") as watcher:
            assert failures(watcher) == {"xdamage": 2, "x11grab": 1}
            assert used(watcher) == "x11grab"
            await watcher.settled()
            assert difference(watcher.picture(), screenshot(server)) < 5


async def test_a_gpu_that_encodes_is_used_to_the_end() -> None:
    if "h264" not in PROBE():
        pytest.skip("no GPU here encodes H.264 (pixelflux finds neither NVENC nor VA-API)")
    with x_server() as server:
        server.start("xterm", "-geometry", "60x20+50+50", "-e", "sh", "-c", "ls -l /; sleep 100")
        async with watching(server) as watcher:
            await asyncio.sleep(3 * pixelflux_backend.LOOK_SECONDS)
            assert used(watcher) == "pixelflux"
            assert not failures(watcher)
            await watcher.settled()
            assert difference(watcher.picture(matrix=1), screenshot(server)) < 5
