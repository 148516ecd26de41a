"""How many requests somebody may make: a token bucket for each. In memory, so each replica counts by itself."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass
class _Bucket:
    tokens: float
    filled: float


class RateLimit:
    """At most `per_minute` requests in any burst, and as many a minute on average."""

    def __init__(self, per_minute: int, remember: int = 10_000) -> None:
        self._size = float(per_minute)
        self._remember = remember
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, who: str, now: float) -> float:
        """Take one request of `who` at `now` (seconds of any clock that doesn't go back).

        Returns 0 when it may go ahead, else the seconds until the next one may.
        """
        bucket = self._buckets.pop(who, None) or _Bucket(self._size, now)
        bucket.tokens = min(self._size, bucket.tokens + (now - bucket.filled) * self._size / 60)
        bucket.filled = now
        self._buckets[who] = bucket
        if len(self._buckets) > self._remember:
            self._buckets.popitem(last=False)  # who was seen longest ago
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0.0
        return (1 - bucket.tokens) * 60 / self._size
