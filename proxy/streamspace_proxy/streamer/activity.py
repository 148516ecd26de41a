"""The activity clock: when a session was last used, by somebody's input or by work that it does by itself.

An open page, a pong, a picture or sound are no activity. Work counts only for so long after the last input as the
policy says, so that a program that never rests does not keep a machine for ever. Pure but for the clock it is given.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

CLOCKS_AGREE: Final = 1.0
"""Seconds by which the wall clock may differ from what it was at the start before it counts as set anew."""


class ActivityClock:
    """Remembers the last input and the last sign of work; a session that has had none counts from its start.

    Args:
        busy_limit: seconds after the last input for which work counts.
        now: seconds of a clock that never goes back.
    """

    def __init__(self, busy_limit: float, now: Callable[[], float] = time.monotonic) -> None:
        self._busy_limit = busy_limit
        self._now = now
        self._offset = time.time() - now()
        self._started = self._input = self._worked = now()
        self._had_input = False
        self._work = ""
        self._busy = False
        self._held_until: float | None = None
        self._held_for = ""

    def touch(self) -> None:
        """Note input now."""
        self._input, self._had_input = self._now(), True

    def work(self, what: str | None) -> None:
        """Note what the session is found to be busy with now; None: nothing."""
        self._busy = what is not None
        if what is not None:
            self._worked, self._work = self._now(), what

    def hold(self, seconds: float, what: str) -> None:
        """Take somebody's word that the session is busy for `seconds` from now on; 0 takes it back."""
        now = self._now()
        if self._held_until is not None:
            self._worked = max(self._worked, min(now, self._held_until))
        self._held_until, self._held_for = (now + seconds, what) if seconds > 0 else (None, "")

    @property
    def last(self) -> float:
        """When the session was last active, on the given clock."""
        worked = self._worked
        if self._held_until is not None:
            worked = max(worked, min(self._now(), self._held_until))
        return max(self._input, min(worked, self._input + self._busy_limit))

    @property
    def idle(self) -> float:
        """Seconds since then; never below 0, also of one that is held, and so active at this very moment."""
        last = self.last
        return self._now() - last

    @property
    def busy(self) -> str | None:
        """What the session is at work on, as far as that still counts."""
        now = self._now()
        if now > self._input + self._busy_limit:
            return None
        if self._held_until is not None and now < self._held_until:
            return self._held_for
        return self._work if self._busy else None

    def as_json(self) -> dict[str, Any]:
        """ISO 8601 times in UTC; `idle` in seconds."""
        held = None
        if self._held_until is not None and self._now() < self._held_until:
            held = self._wall(min(self._held_until, self._input + self._busy_limit))
        return {
            "last_input": self._wall(self._input) if self._had_input else None,
            "last_activity": self._wall(self.last),
            "started": self._wall(self._started),
            "idle": round(self.idle, 3),
            "busy": self.busy,
            "held_until": held,
        }

    def _wall(self, moment: float) -> str:
        offset = time.time() - self._now()
        # Kept while the two clocks agree: the same moment is to read the same each time.
        if abs(offset - self._offset) > CLOCKS_AGREE:
            self._offset = offset
        return datetime.fromtimestamp(moment + self._offset, UTC).isoformat(timespec="milliseconds")
