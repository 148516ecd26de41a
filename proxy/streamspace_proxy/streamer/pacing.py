"""When to capture: the decision of the capture thread, as a pure function of what it knows.

A quiet screen is captured the moment it changes; a busy one at most once per frame interval. When a change or a
keyframe (coarse, to be quick) is followed by quiet, the same picture is encoded again a few times, each better than the
last, until the encoder says that it is crisp; then silence.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from typing import Final

QUIET_SECONDS: Final = 0.1
REFINE_INTERVAL: Final = 1 / 30
REFINE_STEPS: Final = 100
BURST_SECONDS: Final = 0.0015
"""How long a program in motion gets to finish what it has begun to draw. What came a moment after the picture would be
seen a whole frame interval later, which is where a click's answer would land every other time."""
MOST_SHIFTS: Final = 12
"""So many bursts make a frame interval: a program that always draws has no end to wait for."""


class Act(Enum):
    """What to do next."""

    SLEEP = auto()
    CAPTURE = auto()
    REFINE = auto()


class Pacer:
    """Decides for one display; times are seconds of one clock."""

    def __init__(self, max_fps: int) -> None:
        self._interval = 1 / max_fps
        self.requested = False
        """Somebody can take a frame."""
        self.keyframe = False
        """The next frame must stand alone."""
        self._last = -math.inf
        self._last_change = -math.inf
        self._refine_left = 0
        self._pause = 0.0
        self._news: float | None = None
        """When the screen was first seen to differ from the last picture."""
        self._looked = True
        self._shifts = 0
        """How many pictures in a row were followed at once by something new."""

    def set_fps(self, fps: int) -> None:
        """Capture at most so often from now on."""
        self._interval = 1 / fps

    @property
    def _next_beat(self) -> float:
        """When the next picture is due; later by a burst while that may bring the beat behind the program's."""
        return self._last + self._interval + (BURST_SECONDS if 0 < self._shifts <= MOST_SHIFTS else 0.0)

    def decide(self, changed: bool, now: float) -> tuple[Act, float | None]:
        """Return what to do at `now`, and in how many seconds to ask again (None: only when something happens)."""
        self._notice(changed, now)
        if not self.requested:
            return Act.SLEEP, None
        wanted = changed or self.keyframe
        if not wanted and not self._refine_left:
            return Act.SLEEP, None
        due = max(self._next_beat, self._last + self._pause)
        if self._news is not None and self._news - self._last_change < QUIET_SECONDS:
            due = max(due, self._news + BURST_SECONDS)
        if not wanted:
            due = max(due, self._last_change + QUIET_SECONDS, self._last + REFINE_INTERVAL)
        if due > now:
            return Act.SLEEP, due - now
        return (Act.CAPTURE if wanted else Act.REFINE), None

    def _notice(self, changed: bool, now: float) -> None:
        """Keep the beat behind the program's: what is new as soon as a picture is done was being drawn with it."""
        if not self._looked:
            self._looked = True
            self._shifts = self._shifts + 1 if changed else 0
        if not changed:
            self._news = None
        elif self._news is None:
            self._news = now

    def captured(self, now: float, changed: bool, crisp: bool, pause: float = 0.0) -> None:
        """Note that a frame was made at `now`.

        `crisp`: encoding it again would add nothing; `pause`: the next one is to come so many seconds later.
        """
        self._pause = pause
        due = self._next_beat
        # Timers wake a little late: keep to the beat, or 60 frames become 57.
        self._last = due if due <= now < due + self._interval / 4 else now
        coarse = changed or self.keyframe
        self._news, self._looked = None, False
        self.requested = False
        self.keyframe = False
        if coarse:
            self._last_change = now
            self._refine_left = REFINE_STEPS
        if crisp:
            self._refine_left = 0
        elif not coarse:
            self._refine_left = max(0, self._refine_left - 1)

    def reset(self) -> None:
        """Forget the last picture: another one begins with a keyframe, at once."""
        self.keyframe = True
        self._last = self._last_change = -math.inf
        self._refine_left = 0
