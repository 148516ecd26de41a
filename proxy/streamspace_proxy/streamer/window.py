"""How many frames may be unacknowledged, so that the length of the way costs no frame rate. Pure.

As many as are under way (Little's law: how long one takes that travels alone, times how many are to arrive in a
second), and one more. How many are to arrive is what is wanted, and not much more than do: two that are let out do not
show how many could have come, but of many that a slow viewer is sent few arrive, and they would wait there.

In unceasing motion no frame travels alone. Then one is made to, from time to time: it costs a frame or two (as BBR
does it, draft-ietf-ccwg-bbr, ProbeRTT).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

LEAST_FRAMES, MOST_FRAMES = 2, 8
"""What the next door needs, and what is enough for 60 frames a second over 110 ms."""
RATE_SECONDS: Final = 0.5
PROBE_SECONDS: Final = 5.0
"""For so long it is known how long one takes."""
GROWTH: Final = 1.5
"""So many times as many as arrive could, perhaps, if they were let."""
SMOOTHING: Final = 0.2
SLACK: Final = 0.25
"""Of a frame that the product may be over a whole number."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What an acknowledgement says."""

    delay: float
    """Seconds since the frame was sent."""
    bits: int
    """Of it, and of those before it that are acknowledged with it."""
    alone: bool
    """Nothing was under way before it."""


class Window:
    """One viewer's. Times are seconds of one clock."""

    def __init__(self) -> None:
        self.frames = LEAST_FRAMES
        """So many are allowed."""
        self._way: tuple[float, float] | None = None
        """When one travelled alone, and how long the quickest has taken since."""
        self._held = 0.0
        """Seconds that the viewer has a frame before it acknowledges it, smoothed."""
        self._acknowledged: deque[float] = deque()

    def acknowledged(self, arrival: Arrival, held: float, crowded: bool, now: float, fps: int) -> int:
        """Take one acknowledgement, of frames of which `fps` are wanted in a second; returns `frames`.

        `held`: for how much of its delay the viewer had the frame. `crowded`: there is a queue, and more would make it
        longer.
        """
        delay = arrival.delay
        self._held += SMOOTHING * (held - self._held)
        rate = min(fps, GROWTH * self._rate(now), 1 / max(self._held, 1e-3))
        if arrival.alone and (self._way is None or delay <= self._way[1] or self._is_old(now)):
            self._way = (now, delay)
        elif self._way is not None:
            self._way = (self._way[0], min(self._way[1], delay))
        frames = 1 if self._way is not None and self._is_old(now) else self._under_way(rate) + 1
        self.frames = min(frames, max(self.frames, LEAST_FRAMES)) if crowded else frames
        return self.frames

    def _is_old(self, now: float) -> bool:
        return self._way is not None and self._way[0] < now - PROBE_SECONDS

    def _under_way(self, rate: float) -> int:
        frames = 0 if self._way is None else math.ceil(self._way[1] * rate - SLACK)
        return max(LEAST_FRAMES - 1, min(MOST_FRAMES - 1, frames))

    def _rate(self, now: float) -> float:
        """Return how many arrive in a second."""
        self._acknowledged.append(now)
        while len(self._acknowledged) > 2 and self._acknowledged[1] <= now - RATE_SECONDS:
            self._acknowledged.popleft()
        seconds = now - self._acknowledged[0]
        return (len(self._acknowledged) - 1) / seconds if seconds > 0.001 else 0.0
