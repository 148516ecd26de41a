"""How often a viewer may send what. Pure: time is an argument."""

from __future__ import annotations

from typing import Final


class TokenBucket:
    """Allows `rate` events per second in the long run and `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = float("-inf")

    def take(self, now: float) -> bool:
        """Whether one more event fits at `now` (seconds, any clock that only goes forward)."""
        if self._at > float("-inf"):
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = max(self._at, now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


# A pointer at 1000 Hz is the most that a mouse sends; the others are what costs the session more than a few bytes.
GENERAL: Final = (1200.0, 2400.0)
COSTLY: Final = {
    "start": (4.0, 8.0),
    "rtc_offer": (1.0, 4.0),
    "rtc_candidate": (20.0, 100.0),
    "clipboard": (4.0, 12.0),
    "resize": (10.0, 20.0),
    "keyframe": (4.0, 8.0),
    "restart_app": (0.5, 2.0),
    "report": (1.0, 2.0),
    "microphone": (60.0, 120.0),
}
ERRORS: Final = (5.0, 50.0)
"""Answers to what was refused: a flood of nonsense is not answered by a flood of errors."""


class RateLimit:
    """One viewer's allowance."""

    def __init__(self) -> None:
        self._general = TokenBucket(*GENERAL)
        self._costly = {name: TokenBucket(*limit) for name, limit in COSTLY.items()}
        self._errors = TokenBucket(*ERRORS)

    def message(self, now: float) -> bool:
        """Whether a message may be looked at at all."""
        return self._general.take(now)

    def kind(self, name: str, now: float) -> bool:
        """Whether a message of this type may be carried out."""
        bucket = self._costly.get(name)
        return bucket is None or bucket.take(now)

    def error(self, now: float) -> bool:
        """Whether a refusal may be answered."""
        return self._errors.take(now)
