"""When a stream's engine runs: for those who watch, and for a moment for who is about to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from streamspace_proxy.streamer import stream as module
from streamspace_proxy.streamer.capture import CaptureBackend, CaptureFigures, Quality
from streamspace_proxy.streamer.quality import Preset
from streamspace_proxy.streamer.stream import VideoStream

from streamspace_hub.model import Policy


class Engine(CaptureBackend):
    """Notes whether it is to run."""

    active = False

    def start(self) -> None: ...

    def set_active(self, active: bool) -> None:
        self.active = active

    def request_frame(self) -> None: ...

    def request_keyframe(self) -> None: ...

    def set_quality(self, quality: Quality) -> None: ...

    def close(self) -> None: ...

    def figures(self) -> CaptureFigures:
        raise NotImplementedError


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(module, "EXPECT_SECONDS", 0.05)
    return Engine()


def stream(engine: Engine) -> VideoStream[Any]:
    made: VideoStream[Any] = VideoStream("h264", Policy(), Preset.SHARP, lambda *_: None, lambda *_: None)
    made.attach(engine)
    return made


async def test_an_engine_is_ready_for_who_has_come_and_rests_again_when_nobody_asks(engine: Engine) -> None:
    one = stream(engine)
    assert not engine.active
    one.expect()
    assert engine.active
    assert not one.capturing
    await asyncio.sleep(0.2)
    assert not engine.active


async def test_an_engine_goes_on_for_who_was_expected_and_asked(engine: Engine) -> None:
    one = stream(engine)
    one.expect()
    one.add("page", acknowledges=True, hidden=False)
    await asyncio.sleep(0.2)
    assert engine.active
    one.remove("page")
    assert not engine.active
