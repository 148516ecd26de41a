"""The quantiser that makes pictures fit the line, against pictures whose size is known."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from streamspace_proxy.streamer.rate_control import (
    BEST,
    FINE,
    FINE_SHARE,
    SAVED_SECONDS,
    WORST,
    Content,
    RateControl,
)

BLOCKS = 3600
RATE, FPS = 4_000_000, 60


def others(count: int, quantiser: int = BEST) -> Content:
    counts = np.zeros(WORST + 1, np.int64)
    counts[quantiser] = BLOCKS - count
    return Content(count, counts, False)


def send(control: RateControl, content: Content, bits_each: float, now: float) -> tuple[int, int]:
    """One picture of macroblocks that take `bits_each` at quantiser 0; returns its size and quantiser."""
    quantiser = control.choose(content, now)
    size = int(content.changed * bits_each * 2 ** (-quantiser / 6)) + 100
    control.note(size, quantiser, content, now)
    return size, quantiser


@settings(max_examples=50, deadline=None)
@given(
    bits_each=st.floats(50, 8000),
    count=st.integers(50, BLOCKS),
    rate=st.integers(300_000, 20_000_000),
    fps=st.integers(10, 60),
)
def test_motion_never_exceeds_the_ceiling_for_long(bits_each: float, count: int, rate: int, fps: int) -> None:
    control, now, total = RateControl(rate, fps), 0.0, 0
    for _ in range(200):
        size, quantiser = send(control, others(count), bits_each, now)
        assert BEST <= quantiser <= WORST
        now += max(1 / fps, control.pause())
        if now > 1:
            total += size
    if now > 2:
        assert total / (now - 1) < 1.15 * rate


@settings(max_examples=50, deadline=None)
@given(bits_each=st.floats(500, 3000), count=st.integers(900, BLOCKS))
def test_motion_uses_what_the_line_carries(bits_each: float, count: int) -> None:
    control = RateControl(RATE, FPS)
    sizes = [send(control, others(count), bits_each, step / FPS) for step in range(240)]
    used = sum(size for size, _ in sizes[120:]) / 2
    assert used > 0.75 * RATE or sizes[-1][1] <= FINE
    assert used > 0.75 * FINE_SHARE * RATE or sizes[-1][1] == BEST


def test_a_small_change_on_a_crisp_screen_is_crisp_at_once() -> None:
    control = RateControl(RATE, FPS)
    send(control, Content(BLOCKS, np.zeros(WORST + 1, np.int64), True), 2000, 0.0)
    _, quantiser = send(control, others(12), 2000, 5.0)
    assert quantiser == BEST


def test_a_small_change_does_not_pay_for_the_rest_of_a_coarse_screen() -> None:
    control = RateControl(RATE, FPS)
    send(control, Content(BLOCKS, np.zeros(WORST + 1, np.int64), True), 8000, 0.0)
    quantiser = control.choose(others(12, quantiser=40), 0.05)
    assert quantiser > 30, "or all of it would be made finer at once"


def test_a_screen_full_of_new_things_after_motion_is_not_taken_for_more_of_it() -> None:
    control = RateControl(RATE, FPS)
    send(control, Content(BLOCKS, np.zeros(WORST + 1, np.int64), True), 100_000, 0.0)
    for step in range(60):
        send(control, others(BLOCKS), 1000, 1 + step / FPS)
    calm = control.choose(others(BLOCKS), 2.02)
    assert control.choose(others(BLOCKS), 3.0) > calm + 3


def test_what_is_far_too_large_is_made_again_coarser() -> None:
    control = RateControl(RATE, FPS)
    saved = int(RATE * SAVED_SECONDS)
    assert not control.too_large(2 * saved)
    assert control.too_large(3 * saved)
    assert control.coarser(4 * saved, 20) == 33
    assert control.coarser(1000 * saved, 40) == WORST


def test_nothing_waits_before_the_ceiling_is_overdrawn() -> None:
    control = RateControl(RATE, FPS)
    content = others(100)
    control.note(int(RATE * SAVED_SECONDS), BEST, content, 0.0)
    assert control.pause() == 0
    control.note(int(RATE * 0.5), BEST, content, 0.0)
    assert 0.4 < control.pause() < 0.5
