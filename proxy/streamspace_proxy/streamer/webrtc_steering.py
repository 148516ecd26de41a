"""The bitrate that one WebRTC viewer's network carries, learnt from its RTCP. Pure.

Chromium's estimate (REMB, draft-alvestrand-rmcat-remb-03) cannot be taken as it is: it is never more than one and a
half times what has been sent, so that a still desktop "carries" 30 kbit/s, and it takes a minute to climb from there.
Only its falling says something: a queue was seen growing. Where it starts too low to fall, loss and round trip (RTCP
receiver reports, about one a second) say the same, later.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from streamspace_proxy.streamer.steering import MIN_BITRATE

START_BITRATE: Final = 4_000_000
MAX_BITRATE: Final = 100_000_000
FALL: Final = 0.97
LOST: Final = 0.1
QUEUE_SECONDS: Final = 0.08
BACK_OFF: Final = 0.75
FLOOR_SECONDS: Final = 20.0
PATIENCE_SECONDS: Final = 1.0
"""Between two cuts: what was sent before the first is still under way."""
CALM_SECONDS: Final = 2.0
GROWTH_PER_SECOND: Final = 0.08
FIRST_GROWTH_PER_SECOND: Final = 0.5
"""Until the first congestion nothing is known of the network."""


class RtcpSteering:
    """Steers one WebRTC viewer; rates are bit/s, times seconds of one clock."""

    def __init__(self) -> None:
        self.bitrate = START_BITRATE
        self._estimate: int | None = None
        self._cut_at: float | None = None
        self._seen: float | None = None
        self._round_trips: deque[tuple[float, float]] = deque()

    def remb(self, estimate: int, sent: float, now: float) -> int:
        """Take the browser's estimate, with what was sent of late; returns the rate from now on."""
        previous, self._estimate = self._estimate, estimate
        if previous is not None and estimate < FALL * previous:
            # An estimate far below what goes through comes from quieter times.
            self._cut(estimate if estimate > sent / 2 else BACK_OFF * sent, now)
        return self.bitrate

    def report(self, lost: float, round_trip: float | None, sent: float, now: float) -> int:
        """Take a receiver report: share of packets lost, round trip; returns the rate from now on."""
        queue = 0.0 if round_trip is None else round_trip - self._floor(round_trip, now)
        if lost > LOST or queue > QUEUE_SECONDS:
            self._cut(BACK_OFF * min(self.bitrate, max(sent, MIN_BITRATE)), now)
        elif self._seen is not None and (self._cut_at is None or now - self._cut_at > CALM_SECONDS):
            growth = FIRST_GROWTH_PER_SECOND if self._cut_at is None else GROWTH_PER_SECOND
            seconds = min(now - self._seen, 2.0)
            self.bitrate = min(MAX_BITRATE, int(self.bitrate * (1 + growth * seconds)))
        self._seen = now
        return self.bitrate

    def _cut(self, bitrate: float, now: float) -> None:
        if self._cut_at is None or now - self._cut_at >= PATIENCE_SECONDS:
            self.bitrate = max(MIN_BITRATE, min(self.bitrate, int(bitrate)))
            self._cut_at = now

    def _floor(self, round_trip: float, now: float) -> float:
        while self._round_trips and self._round_trips[-1][1] >= round_trip:
            self._round_trips.pop()
        self._round_trips.append((now, round_trip))
        while self._round_trips[0][0] < now - FLOOR_SECONDS:
            self._round_trips.popleft()
        return self._round_trips[0][1]


class SendRate:
    """How much was sent in the last second or so, from a counter of bytes that only grows."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._count = 0
        self._rate = 0.0

    def update(self, count: int, now: float) -> float:
        """Return bit/s up to `now`."""
        if self._at is None:
            self._at, self._count = now, count
        elif now - self._at >= 0.5:
            self._rate = 8 * (count - self._count) / (now - self._at)
            self._at, self._count = now, count
        return self._rate
