"""The bitrate learnt from acknowledgements, against a simulated line with a queue."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamspace_proxy.streamer.steering import MIN_BITRATE, AckSteering

from tests.support.ack_link import Link, Sender, simulate

CEILING = 8_000_000


def sender(round_trip: float, seed: int = 0, busy: float = 0.0) -> Sender:
    """One that has known its line at rest: a still desktop, a few small frames."""
    steering = AckSteering(CEILING)
    for step in range(10):
        steering.sample(round_trip + busy + 0.001, 4000, -2 + step / 10, 60)
    return Sender(steering, busy=busy, seed=seed)


def mean_rate(one: Sender, since: float) -> float:
    rates = [rate for at, rate in one.rates if at >= since]
    return sum(rates) / len(rates)


@pytest.mark.parametrize("round_trip", [0.002, 0.04, 0.1])
def test_a_wide_line_keeps_the_ceiling(round_trip: float) -> None:
    one = sender(round_trip)
    simulate(Link(50e6, round_trip), [one], 20)
    assert one.steering.bitrate == CEILING


def test_at_40_ms_and_2_5_mbit_it_neither_collapses_nor_queues() -> None:
    one = sender(0.04)
    simulate(Link(2.5e6, 0.04), [one], 30)
    first = next(at for at, rate in one.rates if rate < 3e6)
    assert first < 1.0, "found within a second"
    assert one.fps_since(5, 30) >= 30
    assert one.delay(5, 0.5) < 0.065
    assert one.delay(5, 0.95) < 0.075, "round trip and 35 ms"
    assert min(rate for at, rate in one.rates if at > 1) > 1e6


@pytest.mark.parametrize("round_trip", [0.002, 0.04, 0.1])
def test_the_length_of_the_way_costs_no_frame_rate(round_trip: float) -> None:
    one = sender(round_trip)
    simulate(Link(8e6, round_trip), [one], 30)
    assert one.fps_since(5, 30) > 55
    assert one.delay(5, 0.95) < round_trip + 0.04


@settings(max_examples=25, deadline=None)
@given(rate=st.floats(0.6e6, 20e6), round_trip=st.floats(0.002, 0.1), seed=st.integers(0, 5))
def test_whatever_the_line_the_queue_stays_short_and_the_line_is_used(
    rate: float, round_trip: float, seed: int
) -> None:
    one = sender(round_trip, seed)
    simulate(Link(rate, round_trip), [one], 40)
    assert one.delay(15, 0.5) - round_trip < 0.045
    assert mean_rate(one, 15) > 0.6 * min(rate, CEILING)


@pytest.mark.parametrize("fps", [25, 10])
def test_the_large_frames_of_a_low_rate_are_not_taken_for_a_queue(fps: int) -> None:
    one = sender(0.04)
    one.fps = fps
    simulate(Link(2.5e6, 0.04), [one], 60)
    assert mean_rate(one, 20) > 0.5 * 2.5e6
    assert one.delay(20, 0.5) < 0.04 + 1 / fps


@settings(max_examples=10, deadline=None)
@given(rate=st.floats(2e6, 8e6), late=st.floats(0, 10))
def test_two_sessions_on_one_line_share_it(rate: float, late: float) -> None:
    one, other = sender(0.005, 1), sender(0.005, 2)
    other.next_due = late
    simulate(Link(rate, 0.005), [one, other], 90)
    shares = sorted((mean_rate(one, 50), mean_rate(other, 50)))
    assert shares[0] > 0.5 * shares[1]


def test_a_busy_machine_is_not_taken_for_a_narrow_line() -> None:
    one = sender(0.005)

    def change(now: float, _: Link) -> None:
        one.busy = 0.07 if 5 < now < 15 else 0.002

    simulate(Link(50e6, 0.005), [one], 30, change)
    assert mean_rate(one, 5) > 0.8 * CEILING


@pytest.mark.parametrize("rate", [4e6, 8e6, 50e6])
def test_a_longer_way_is_not_taken_for_a_narrow_line(rate: float) -> None:
    one = sender(0.002)

    def change(now: float, link: Link) -> None:
        link.round_trip = 0.002 if now < 5 else 0.06

    simulate(Link(rate, 0.002), [one], 30, change)
    assert min(bitrate for at, bitrate in one.rates if at > 5) > 0.15 * min(rate, CEILING)
    assert mean_rate(one, 10) > 0.75 * min(rate, CEILING)
    assert one.fps_since(10, 30) > 50


def test_a_line_that_has_recovered_is_used_again() -> None:
    one = sender(0.04)

    def change(now: float, link: Link) -> None:
        link.rate = 1e6 if 5 < now < 15 else 20e6

    simulate(Link(20e6, 0.04), [one], 60, change)
    rates = dict(one.rates)
    assert min(rate for at, rate in rates.items() if 10 < at < 15) < 1.6e6
    assert max(rate for at, rate in rates.items() if at > 50) > 6e6


def test_it_never_goes_below_the_least() -> None:
    for least in (MIN_BITRATE, 1_000_000):
        steering = AckSteering(CEILING, least)
        steering.sample(0.01, 8000, 0, 60)
        for step in range(1, 1000):
            # What is a queue for longer than the window is the line itself.
            steering.sample(2.0 + step % 7, 8000, float(step), 60)
            assert least <= steering.bitrate <= CEILING
    assert AckSteering(200_000, 300_000).bitrate == 200_000
