"""The congestion control on a simulated link: one queue, one rate, random loss, other traffic; a simulated clock."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamspace_proxy.streamer.congestion import MAX_BITRATE, START_BITRATE, CongestionControl
from streamspace_proxy.streamer.steering import MIN_BITRATE

PACKET = 1200


@dataclass
class Link:
    """A bottleneck with a queue; tells the control what arrived, as a browser does every 50 ms."""

    capacity: float
    round_trip: float = 0.04
    loss: float = 0.0
    queue_bytes: int = 100_000
    others: float = 0.0
    clock_offset: float = 1234.5
    control: CongestionControl = field(default_factory=CongestionControl)
    now: float = 0.0
    overflowed: int = 0
    delays: list[float] = field(default_factory=list)
    rates: list[int] = field(default_factory=list)
    _free_at: float = 0.0
    _number: int = 0
    _flying: list[tuple[float, int, float | None]] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(1))

    def send(self, size: int, at: float) -> None:
        self._number = (self._number + 1) & 0xFFFF
        self.control.sent(self._number, size, at)
        rate = self.capacity - self.others
        waiting = max(0.0, self._free_at - at)
        if waiting * rate / 8 > self.queue_bytes:
            self.overflowed += 1
            self._flying.append((at + self.round_trip, self._number, None))
            return
        self._free_at = max(self._free_at, at) + 8 * size / rate
        came = self._free_at + self.round_trip / 2
        self.delays.append(came - at - self.round_trip / 2)
        lost = self._random.random() < self.loss
        self._flying.append((came + self.round_trip / 2, self._number, None if lost else came + self.clock_offset))

    def frame(self, size: int) -> None:
        """One frame at once, and beyond 32 kB at the control's pace, as the pacer has it."""
        for sent in range(0, size, PACKET):
            if sent > 32_768:
                self.rest(8 * PACKET / self.control.pace, report=sent // PACKET % 30 == 0)
            self.send(min(PACKET, size - sent), self.now)

    def run(self, seconds: float, fps: int = 60, bitrate: float | None = None) -> None:
        """Full motion at the control's rate, or at most at `bitrate`."""
        frames = int(seconds * fps)
        for count in range(frames):
            rate = self.control.bitrate if bitrate is None else min(bitrate, self.control.bitrate)
            self.frame(int(rate / 8 / fps * self._random.uniform(0.7, 1.3)))
            self.rest(1 / fps, report=count % 3 == 2)

    def rest(self, seconds: float, report: bool = True) -> None:
        self.now += seconds
        if report:
            told = [(number, came) for at, number, came in self._flying if at <= self.now]
            self._flying = [item for item in self._flying if item[0] > self.now]
            self.rates.append(self.control.report(told, self.now))


@pytest.mark.parametrize("capacity", [1e6, 2.5e6, 8e6, 20e6])
@pytest.mark.parametrize("loss", [0.0, 0.01, 0.05])
def test_it_finds_what_the_link_carries_and_keeps_the_queue_short(capacity: float, loss: float) -> None:
    link = Link(capacity, loss=loss)
    link.frame(60_000)
    link.run(3)
    link.delays.clear()
    link.overflowed = 0
    link.run(10)
    assert 0.5 * capacity < sum(link.rates[-200:]) / 200 < 1.02 * capacity
    assert link.overflowed < 0.001 * len(link.delays)
    assert sorted(link.delays)[len(link.delays) // 2] < 0.03
    assert sorted(link.delays)[int(len(link.delays) * 0.95)] < 0.08


def test_the_first_keyframe_is_enough_to_know_a_narrow_link() -> None:
    link = Link(2.5e6)
    link.frame(60_000)
    for _ in range(10):
        link.rest(0.05)
    link.run(0.5)
    assert link.control.capacity == pytest.approx(2.5e6, rel=0.1)
    assert link.control.bitrate < 2.5e6
    assert link.overflowed == 0


def test_a_wide_link_is_used_within_seconds_even_by_a_desktop_that_hardly_moves() -> None:
    link = Link(200e6)
    link.frame(60_000)
    link.run(4, bitrate=2e6)
    assert link.control.bitrate > 20e6


def test_a_still_desktop_neither_starves_nor_is_taken_for_a_wide_link() -> None:
    link = Link(3e6)
    for _ in range(600):
        link.frame(400)
        link.rest(0.1)
    assert link.control.bitrate == START_BITRATE


def test_other_traffic_is_made_room_for_and_its_end_is_noticed() -> None:
    link = Link(8e6)
    link.frame(60_000)
    link.run(5)
    link.others = 5e6
    link.run(5)
    link.delays.clear()
    link.run(5)
    assert link.control.bitrate < 3.1e6
    assert sorted(link.delays)[len(link.delays) // 2] < 0.05
    link.others = 0
    link.run(30)
    assert link.control.bitrate > 5e6


def test_a_queue_that_others_fill_does_not_starve_a_quiet_desktop() -> None:
    link = Link(8e6)
    link.frame(60_000)
    link.run(3, bitrate=2e6)
    link._free_at += 0.2
    link.run(0.3, bitrate=1e6)
    assert link.control.bitrate > 1e6
    link.run(3, bitrate=1e6)
    assert link.control.bitrate > 2.5e6
    link.run(8, bitrate=1e6)
    assert link.control.bitrate > 6e6


def test_a_longer_way_is_not_taken_for_a_queue() -> None:
    link = Link(8e6)
    link.frame(60_000)
    link.run(5)
    link.round_trip += 0.05
    link.run(4)
    assert min(link.rates[-20:]) > 4e6


def test_a_line_that_becomes_narrow_while_it_is_used_is_noticed() -> None:
    link = Link(100e6, round_trip=0.002, queue_bytes=50_000, control=CongestionControl(8_000_000))
    link.frame(60_000)
    link.run(3, bitrate=8e6)
    link.capacity, link.round_trip = 2.5e6, 0.04
    link.run(5, bitrate=8e6)
    link.delays.clear()
    link.overflowed = 0
    link.run(10, bitrate=8e6)
    assert 1.2e6 < sum(link.rates[-200:]) / 200 < 2.9e6
    assert link.overflowed < 0.002 * len(link.delays)
    assert sorted(link.delays)[len(link.delays) // 2] < 0.04


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1 << 17),
            st.integers(0, 1500),
            st.lists(st.tuples(st.integers(0, 0xFFFF), st.none() | st.floats(-1e6, 1e6))),
            st.floats(0, 60),
        ),
        max_size=40,
    )
)
def test_whatever_is_reported_the_rate_stays_within_bounds(
    events: list[tuple[int, int, list[tuple[int, float | None]], float]],
) -> None:
    control, now = CongestionControl(), 0.0
    for number, size, arrivals, passed in events:
        control.sent(number & 0xFFFF, size, now)
        now += passed
        assert MIN_BITRATE <= control.report(arrivals, now) <= MAX_BITRATE
        assert control.pace > 0
        control.report([(number & 0xFFFF, now)], now)


def test_what_is_never_reported_is_forgotten() -> None:
    control = CongestionControl()
    for number in range(200_000):
        control.sent(number & 0xFFFF, 1200, number / 1000)
    assert len(control._sent) <= 8192
    assert len(control._sent_bits) <= 1001


def test_settled_once_the_last_packet_is_reported() -> None:
    control = CongestionControl()
    assert not control.settled
    for number in range(3):
        control.sent(number, 1200, 0.01 * number)
    control.report([(0, 1.0), (1, 1.01)], 0.1)
    assert not control.settled, "the last packet may be lost, and the viewer cannot know"
    control.report([(2, 1.02)], 0.2)
    assert control.settled


def test_a_report_that_is_lost_does_not_leave_it_unsettled_for_good() -> None:
    control = CongestionControl()
    for number in range(3):
        control.sent(number, 1200, 0.01 * number)
    control.report([(2, 1.02)], 0.2)
    assert control.settled, "what the viewer misses before its last packet, it asks for"
