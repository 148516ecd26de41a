"""The bitrate learnt from acknowledgements, against a simulated line with a queue."""

from __future__ import annotations

import pytest
from streamspace_proxy.streamer.steering import MIN_BITRATE, AckSteering

CEILING = 8_000_000


def drive(steering: AckSteering, line_rate: float, seconds: float, *, base: float = 0.02, start: float = 0.0) -> float:
    """30 frames a second of the steered rate over a line; returns the queueing delay at the end in seconds."""
    free_at = now = start
    while now < start + seconds:
        free_at = max(now, free_at) + steering.bitrate / 30 / line_rate
        delay = base + free_at - now
        steering.sample(delay, now + delay)
        # Two frames at most are under way.
        now = max(now + 1 / 30, free_at - 1 / 30)
    return free_at - now


def test_a_wide_line_keeps_the_ceiling() -> None:
    steering = AckSteering(CEILING)
    drive(steering, 50e6, 20)
    assert steering.bitrate == CEILING


@pytest.mark.parametrize("line", [1e6, 2.5e6, 5e6])
def test_a_narrow_line_is_found_and_its_queue_stays_short(line: float) -> None:
    steering = AckSteering(CEILING)
    # A floor is known from the quiet screen before.
    for step in range(10):
        steering.sample(0.02, step / 10)
    queue = drive(steering, line, 20, start=1.0)
    assert 0.4 * line < steering.bitrate <= 2.2 * line
    assert queue < 0.12


def test_a_line_that_has_recovered_is_used_again() -> None:
    steering = AckSteering(CEILING)
    steering.sample(0.02, 0)
    drive(steering, 1e6, 10)
    low = steering.bitrate
    drive(steering, 50e6, 60, start=20)
    assert steering.bitrate > 3 * low


def test_it_never_goes_below_the_least() -> None:
    steering = AckSteering(CEILING)
    steering.sample(0.01, 0)
    for step in range(1, 1000):
        steering.sample(2.0, float(step))
    # What was a queue for longer than the window is the line itself.
    assert steering.bitrate >= MIN_BITRATE
