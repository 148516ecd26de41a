"""How long each phase of a viewer's last frames took, for its page: a frame costs some appends, a pong some sorts."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

from streamspace_proxy.streamer.frames import Timings

PHASES: Final = ("capture", "convert", "encode", "queue")
WINDOW: Final = 120
"""Frames: two seconds of motion."""


class Phases:
    """One viewer's."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = {phase: deque(maxlen=WINDOW) for phase in PHASES}

    def frame(self, timings: Timings) -> None:
        """Note a frame that is sent to the viewer."""
        for phase, seconds in (
            ("capture", timings.grab),
            ("convert", timings.convert),
            ("encode", timings.encode),
        ):
            if seconds is not None:
                self._seconds[phase].append(seconds)

    def queued(self, seconds: float) -> None:
        """Note for how long an encoded frame waited before it left."""
        self._seconds["queue"].append(seconds)

    def spreads(self) -> dict[str, dict[str, float]]:
        """Return p50 and p95 in milliseconds of each phase that there is anything of."""
        return {phase: _spread(seconds) for phase, seconds in self._seconds.items() if seconds}


def _spread(seconds: Iterable[float]) -> dict[str, float]:
    """By nearest rank, as the page computes its own."""
    ordered = sorted(seconds)
    ranks = {"p50": 0.5, "p95": 0.95}
    return {name: round(ordered[math.ceil(share * len(ordered)) - 1] * 1000, 2) for name, share in ranks.items()}
