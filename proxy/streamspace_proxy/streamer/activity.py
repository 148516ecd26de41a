"""The activity clock: when somebody last did something in the session. Only input counts, never an open page."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any


class ActivityClock:
    """Remembers the last input; a session that has had none counts from its start."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()
        self._last_wall: datetime | None = None
        self._started_wall = datetime.now(UTC)

    def touch(self) -> None:
        """Note input now."""
        self._last = time.monotonic()
        self._last_wall = datetime.now(UTC)

    def as_json(self) -> dict[str, Any]:
        """ISO 8601 times in UTC; `idle` in seconds."""
        return {
            "last_input": None if self._last_wall is None else self._last_wall.isoformat(),
            "started": self._started_wall.isoformat(),
            "idle": round(time.monotonic() - self._last, 3),
        }
