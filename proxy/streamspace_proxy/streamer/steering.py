"""The bitrate that one viewer's line carries, learnt from how long its acknowledgements take. Pure.

A delay that has grown over its own floor is a queue filling up somewhere on the way, since the streamer itself keeps
none: the rate is cut, the more the longer the queue, and grows again when there is none (additive increase,
multiplicative decrease is fair to other traffic: RFC 5348). With two frames under way at most, the queue is never
longer than those two; what is steered is how large they are.

A machine that is busy delays acknowledgements too, and sending less does not help it. So cuts are an experiment: when
they do not shorten the delay, it is not the line, and the rate they began from is taken up again.
"""

from __future__ import annotations

from collections import deque
from typing import Final

QUEUE_SECONDS: Final = 0.02
"""More than this over the floor counts as congestion."""
AIM_SECONDS: Final = 0.015
LEAST_CUT, MOST_CUT = 0.85, 0.5
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
VAIN_CUT: Final = 0.25
VAIN_QUEUE: Final = 0.7
"""So deep a cut that leaves so much of the delay was in vain: a line's queue is as long as what is sent is large."""
DISTRUST_SECONDS: Final = 5.0


class AckSteering:
    """Steers one WebSocket viewer; rates are bit/s, times seconds."""

    def __init__(self, ceiling: int, floor: int = MIN_BITRATE) -> None:
        self._ceiling = ceiling
        self._floor = min(floor, ceiling)
        self.bitrate = ceiling
        self._delays: deque[tuple[float, float]] = deque()
        self._queue = 0.0
        self._last_cut = float("-inf")
        self._last_seen: float | None = None
        self._full = float(ceiling)
        """The rate at which the line was last seen full."""
        self._before: tuple[int, float] | None = None
        """Since the last calm: the rate before the first cut, and the longest queue."""
        self._distrust_until = float("-inf")

    def sample(self, delay: float, now: float) -> int:
        """Take the delay of one acknowledgement; returns the rate from now on."""
        queue = delay - self._note_delay(delay, now)
        self._queue += SMOOTHING * (queue - self._queue)
        # What is under way was made at the old rate: its acknowledgements say nothing of the new one.
        settled = now - self._last_cut > max(REACTION_SECONDS, 2 * delay)
        if queue > QUEUE_SECONDS and now >= self._distrust_until:
            if settled:
                self._congested(now)
        elif settled and now - self._last_cut > CALM_SECONDS:
            self._before = None
            self._grow(now)
        self._last_seen = now
        return self.bitrate

    def _congested(self, now: float) -> None:
        # The queue goes on growing while what was sent before the first cut is under way.
        rate, shorter = self._before or (self.bitrate, 0.0)
        queue = max(shorter, self._queue)
        self._before = (rate, queue)
        if self.bitrate <= VAIN_CUT * rate and self._queue >= VAIN_QUEUE * queue:
            self.bitrate, self._full, self._before = rate, float(rate), None
            self._distrust_until = now + DISTRUST_SECONDS
            return
        self._full = self.bitrate * LEAST_CUT
        factor = min(LEAST_CUT, max(MOST_CUT, AIM_SECONDS / max(self._queue, 1e-3)))
        self.bitrate = max(self._floor, int(self.bitrate * factor))
        self._last_cut = now

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
