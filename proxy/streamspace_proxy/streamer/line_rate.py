"""What a line carries at the least, from when the frames on it are acknowledged. Pure: times are seconds of one clock.

A frame is on the narrowest link from when it could have come there, or from when the frame before it was through, until
it is through itself. Whatever else delays acknowledgements makes that longer, so that the line seems to carry less than
it does: a rate that it seems to carry needs no cut below it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_SECONDS: Final = 1.0
LEAST_SECONDS: Final = 0.001
"""Less than this is not told apart."""


class LineRate:
    """One viewer's."""

    def __init__(self) -> None:
        self._passed: deque[tuple[float, int, float]] = deque()
        """Of late: when a frame was acknowledged, its bits, and for how long it was on the narrowest link."""
        self._through = float("-inf")

    def acknowledged(self, bits: int, delay: float, shortest: float, now: float) -> None:
        """Take one acknowledgement: of so many bits, after `delay`; `shortest` is what it takes without a queue."""
        begun = max(self._through, now - delay + shortest)
        self._passed.append((now, bits, max(LEAST_SECONDS, now - begun)))
        self._through = now
        while self._passed[0][0] < now - WINDOW_SECONDS:
            self._passed.popleft()

    @property
    def at_least(self) -> float:
        """In bit/s."""
        return sum(bits for _, bits, _ in self._passed) / max(sum(took for _, _, took in self._passed), LEAST_SECONDS)
