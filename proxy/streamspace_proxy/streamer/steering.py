"""The bitrate that one viewer's line carries, learnt from how long its acknowledgements take. Pure.

A delay that has grown over its own floor is a queue filling up somewhere on the way, since the streamer itself keeps
none: the rate is cut, the more the longer the queue, and grows again when there is none (additive increase,
multiplicative decrease is fair to other traffic: RFC 5348). Only as many frames are under way as the way is long, and
one more (`window`), so the queue is never longer than those; what is steered is how large they are.

A machine that is busy delays acknowledgements too, and so does another network with a longer way; sending less helps
neither. So cuts are an experiment: when they do not shorten the delay, it is not the line. Then the rate that they
began from is taken up again, and delays are counted from there.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from streamspace_proxy.streamer.line_rate import LineRate

QUEUE_SECONDS: Final = 0.02
QUEUE_FRAMES: Final = 0.6
"""More than both over the floor is congestion: seconds, and frame intervals. What few frames share is large."""
STANDING, STANDING_SECONDS = 3, 0.1
"""Acknowledgements that must all say so: fewer were of a large frame, a lost packet, or a viewer that was busy."""
GIVES_WAY: Final = 3_000_000
"""bit/s. Who sends more takes a shorter queue for congestion, who sends less a longer one: shares draw near."""
AIM: Final = 0.75
"""Of that, what a cut is to leave."""
LEAST_CUT, MOST_CUT = 0.85, 0.5
SHARE: Final = 0.85
"""Of what the line is known to carry, which no cut goes below: it has room for that."""
DRAINED: Final = 0.6
"""A queue that is so much shorter than it was needs time, and nothing else."""
GROWTH: Final = 200_000
"""bit/s in a second, above the rate at which the line was last seen full: the same for all, which makes them fair."""
FAST_GROWTH: Final = 0.5
"""Of the rate in a second, below it."""
FLOOR_WINDOW: Final = 10.0
MIN_BITRATE: Final = 300_000
REACTION_SECONDS: Final = 0.25
CALM_SECONDS: Final = 0.5
"""After a cut, before the rate grows again."""
SMOOTHING: Final = 0.3
VAIN_CUT: Final = 0.6
VAIN_QUEUE: Final = 0.8
"""So deep a cut that leaves so much of the delay was in vain: a line's queue is as long as what is sent is large."""


class AckSteering:
    """Steers one WebSocket viewer; rates are bit/s, times seconds."""

    def __init__(self, ceiling: int, floor: int = MIN_BITRATE) -> None:
        self._ceiling = ceiling
        self._floor = min(floor, ceiling)
        self.bitrate = ceiling
        self._delays: deque[tuple[float, float]] = deque()
        self._latest: deque[tuple[float, float]] = deque()
        """(when, delay) of the last few acknowledgements."""
        self._most = QUEUE_SECONDS
        """A longer queue counts as congestion."""
        self._queue = self._standing = 0.0
        """Seconds of queue: smoothed, and the least of `_latest`."""
        self._deepest = 0.0
        """The longest that has stood since the last cut."""
        self._last_cut = float("-inf")
        self._last_seen: float | None = None
        self._line = LineRate()
        self._full = float(ceiling)
        """The rate at which the line was last seen full."""
        self._before: tuple[int, float] | None = None
        """What the cuts of late are compared with: a rate, and the longest queue at it."""

    @property
    def congested(self) -> bool:
        """Whether a queue is standing somewhere on the way."""
        return self._standing > self._most

    def sample(self, delay: float, bits: int, now: float, fps: int) -> int:
        """Take the delay of one acknowledgement, of so many bits of frames that come at `fps`; returns the rate."""
        patience = min(1.5, max(0.75, (GIVES_WAY / self.bitrate) ** 0.25))
        self._most = patience * max(QUEUE_SECONDS, QUEUE_FRAMES / fps)
        shortest = self._note_delay(delay, now)
        self._line.acknowledged(bits, delay, shortest, now)
        self._latest.append((now, delay))
        while len(self._latest) > STANDING and self._latest[0][0] < now - STANDING_SECONDS:
            self._latest.popleft()
        self._queue += SMOOTHING * (delay - shortest - self._queue)
        self._standing = min(late for _, late in self._latest) - shortest
        self._deepest = max(self._deepest, self._standing)
        if self._before is not None:
            # It goes on growing while what was sent before the first cut is under way.
            self._before = (self._before[0], max(self._before[1], self._standing))
        # What is under way was made at the old rate: its acknowledgements say nothing of the new one.
        settled = now - self._last_cut > max(REACTION_SECONDS, 2 * delay)
        if self.congested:
            if settled:
                self._congested(now)
        elif settled and now - self._last_cut > CALM_SECONDS:
            self._before, self._deepest = None, 0.0
            self._grow(now)
        self._last_seen = now
        return self.bitrate

    def _congested(self, now: float) -> None:
        if self._standing < DRAINED * self._deepest:
            self._deepest, self._last_cut = self._standing, now
            return
        self._deepest = self._standing
        rate, longest = self._before or (self.bitrate, self._standing)
        if self.bitrate <= VAIN_CUT * rate:
            if self._standing >= VAIN_QUEUE * longest:
                self._start_again(rate)
                return
            rate, longest = self.bitrate, self._standing
        self._before = (rate, longest)
        self._full = self.bitrate * LEAST_CUT
        carried = SHARE * self._line.at_least / self.bitrate
        factor = min(LEAST_CUT, max(MOST_CUT, carried, AIM * self._most / max(self._queue, 1e-3)))
        self.bitrate = max(self._floor, int(self.bitrate * factor))
        self._last_cut = now

    def _start_again(self, rate: int) -> None:
        """Take up a rate again; what an acknowledgement takes now is what it takes without a queue."""
        self.bitrate, self._full, self._before = rate, float(rate), None
        newest = self._delays[-1]
        self._delays.clear()
        self._delays.append(newest)
        self._queue = self._standing = 0.0

    def _grow(self, now: float) -> None:
        if self._last_seen is None:
            return
        growth = FAST_GROWTH * self.bitrate if self.bitrate < self._full else GROWTH
        seconds = min(now - self._last_seen, 0.5)
        self.bitrate = min(self._ceiling, int(self.bitrate + growth * seconds) + 1)

    def _note_delay(self, delay: float, now: float) -> float:
        """Return the least delay of the last `FLOOR_WINDOW` seconds (a queue of rising minima)."""
        while self._delays and self._delays[-1][1] >= delay:
            self._delays.pop()
        self._delays.append((now, delay))
        while self._delays[0][0] < now - FLOOR_WINDOW:
            self._delays.popleft()
        return self._delays[0][1]
