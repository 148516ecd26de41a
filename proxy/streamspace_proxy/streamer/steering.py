"""The bitrate that one viewer's line carries, learnt from how long its acknowledgements take. Pure.

Additive increase, multiplicative decrease (RFC 5348 explains why that is fair to other traffic): a delay that has
grown over its own floor is a queue filling up somewhere on the way, since the streamer itself keeps none.
"""

from __future__ import annotations

from collections import deque
from typing import Final

QUEUE_SECONDS: Final = 0.06
"""More than this over the floor counts as congestion."""
BACK_OFF: Final = 0.8
GROWTH_PER_SECOND: Final = 0.08
FLOOR_WINDOW: Final = 10.0
MIN_BITRATE: Final = 300_000
REACTION_SECONDS: Final = 0.25


class AckSteering:
    """Steers one WebSocket viewer; rates are bit/s, times seconds."""

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self.bitrate = ceiling
        self._floor: deque[tuple[float, float]] = deque()
        self._last_cut = float("-inf")
        self._last_seen: float | None = None

    def sample(self, delay: float, now: float) -> int:
        """Take the delay of one acknowledgement; returns the rate from now on."""
        if delay - self._note_floor(delay, now) > QUEUE_SECONDS:
            # What is under way was made at the old rate: wait for its acknowledgements before cutting again.
            if now - self._last_cut > max(REACTION_SECONDS, delay):
                self._last_cut = now
                self.bitrate = max(MIN_BITRATE, int(self.bitrate * BACK_OFF))
        elif self._last_seen is not None and now - self._last_cut > 1:
            seconds = min(now - self._last_seen, 0.5)
            self.bitrate = min(self._ceiling, int(self.bitrate * (1 + GROWTH_PER_SECOND * seconds)) + 1)
        self._last_seen = now
        return self.bitrate

    def _note_floor(self, delay: float, now: float) -> float:
        """Return the least delay of the last `FLOOR_WINDOW` seconds (a queue of rising minima)."""
        while self._floor and self._floor[-1][1] >= delay:
            self._floor.pop()
        self._floor.append((now, delay))
        while self._floor[0][0] < now - FLOOR_WINDOW:
            self._floor.popleft()
        return self._floor[0][1]
