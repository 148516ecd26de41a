"""What gives way when a line is narrow: frame rate or resolution, and when it comes back."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamspace_proxy.streamer.capture import Quality
from streamspace_proxy.streamer.frames import EncodedFrame
from streamspace_proxy.streamer.quality import (
    LOW_DATA_BITRATE,
    LOW_DATA_FPS,
    MOTION_FPS,
    SCALE_GAIN,
    SHARP_FPS,
    Preset,
    QualityControl,
    decide,
    ladder,
)

MOST = 8_000_000


def frame(quantiser: float, *, refined: bool = False) -> EncodedFrame:
    return EncodedFrame(b"x", False, 1, 0, 640, 480, None, round(quantiser), refined)


def run(control: QualityControl, cost: float, seconds: float, start: float = 0.0) -> list[Quality]:
    """Motion whose pictures take `cost` bits at quantiser 0 and full size; returns the qualities that were chosen."""
    now = start
    seen: list[Quality] = []
    while now < start + seconds:
        quality = control.quality
        bits = cost * quality.scale**SCALE_GAIN
        quantiser = 6 * math.log2(max(1.0, bits * quality.fps / quality.bitrate))
        control.note(frame(min(56, max(16, quantiser))))
        if control.update(now) or not seen:
            seen.append(control.quality)
        now += 1 / quality.fps
    return seen


def cost(quantiser: float, bitrate: int = MOST, fps: int = 60) -> float:
    """What takes this quantiser at this rate."""
    return float(bitrate / fps * 2 ** (quantiser / 6))


@pytest.mark.parametrize("preset", list(Preset))
def test_each_step_is_cheaper_than_the_one_before(preset: Preset) -> None:
    steps = ladder(preset, 60)
    assert all(better.gain(worse) > 0 for better, worse in pairwise(steps))
    assert steps[0].scale == 1


def test_text_keeps_its_resolution_and_motion_its_frame_rate() -> None:
    sharp, smooth = (
        run(QualityControl(preset, 60, MOST), cost(50), 20)[-1] for preset in Preset if preset != "low_data"
    )
    assert (sharp.scale, sharp.fps < 60) == (1.0, True)
    assert (smooth.scale < 1, smooth.fps) == (True, 60)


def test_a_thin_line_costs_text_its_detail_before_it_costs_motion() -> None:
    thin, thinner, thinnest = (run(QualityControl(Preset.SHARP, 60, MOST), cost(q), 30)[-1] for q in (57, 66, 90))
    assert (thin.scale, thin.fps) == (0.75, SHARP_FPS)
    assert (thinner.scale, thinner.fps) == (0.5, SHARP_FPS)
    assert (thinnest.scale, thinnest.fps < MOTION_FPS) == (0.5, True)


def test_motion_at_the_default_ceiling_keeps_its_frame_rate() -> None:
    # 1080p60 of everything moving was measured at 39 to 42.
    assert run(QualityControl(Preset.SHARP, 60, MOST), cost(43), 30)[-1] == Quality(MOST, 60, 1.0)


def test_low_data_has_a_ceiling_of_its_own() -> None:
    for quality in run(QualityControl(Preset.LOW_DATA, 60, MOST), cost(54), 20):
        assert quality.bitrate <= LOW_DATA_BITRATE
        assert 15 <= quality.fps <= LOW_DATA_FPS


@settings(max_examples=60, deadline=None)
@given(
    preset=st.sampled_from(list(Preset)),
    quantiser=st.floats(10, 56),
    bitrate=st.integers(100_000, MOST),
    max_fps=st.integers(1, 120),
)
def test_it_comes_to_rest(preset: Preset, quantiser: float, bitrate: int, max_fps: int) -> None:
    control = QualityControl(preset, max_fps, MOST)
    control.bitrate = bitrate
    run(control, cost(quantiser), 60)
    assert len(run(control, cost(quantiser), 60, start=60)) == 1, "the same content gets the same quality for good"
    assert control.quality.fps <= max_fps
    assert control.quality.bitrate <= bitrate


@given(st.sampled_from(list(Preset)), st.floats(16, 56), st.integers(0, 6))
def test_a_step_is_never_undone_at_once(preset: Preset, quantiser: float, at: int) -> None:
    steps = ladder(preset, 60)
    at = min(at, len(steps) - 1)
    to = decide(steps, at, quantiser, 36)
    assert to - at <= 1
    assert decide(steps, to, quantiser - steps[at].gain(steps[to]), 36) != at or to == at


def test_the_better_quality_comes_back_with_the_line() -> None:
    control = QualityControl(Preset.SMOOTH, 60, MOST)
    control.bitrate = 1_000_000
    assert run(control, cost(30), 20)[-1].scale < 1
    control.bitrate = MOST
    assert run(control, cost(30), 20, start=20)[-1] == Quality(MOST, 60, 1.0)


def test_a_picture_at_rest_has_its_full_size() -> None:
    control = QualityControl(Preset.SMOOTH, 60, MOST)
    control.bitrate = 1_000_000
    assert run(control, cost(36), 20)[-1].scale < 1
    control.note(frame(30, refined=True))
    assert control.update(20.1)
    assert control.quality.scale == 1
    # The keyframe of the full size is coarse, and says nothing of motion.
    control.note(frame(48))
    control.note(frame(44, refined=True))
    assert not control.update(20.2)
    assert not control.update(22.0)


def test_another_bitrate_is_news_by_itself() -> None:
    control = QualityControl(Preset.SHARP, 60, MOST)
    assert not control.update(0)
    control.bitrate = 2_000_000
    assert control.update(0)
    assert control.quality == Quality(2_000_000, 60, 1.0)
