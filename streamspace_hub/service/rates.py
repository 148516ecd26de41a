"""How many requests somebody may make: a token bucket for each, in memory. Of several replicas each has a part."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Bucket:
    tokens: float
    filled: float


class RateLimit:
    """At most `per_minute` requests in any burst, and as many a minute on average, at all replicas together.

    Args:
        per_minute: requests.
        replicas: how many share it at present; each lets as many through as the others, and one at once at least.
        remember: of how many it is known how often they ask.
    """

    def __init__(self, per_minute: int, replicas: Callable[[], int] = lambda: 1, remember: int = 10_000) -> None:
        self._per_minute = float(per_minute)
        self._replicas = replicas
        self._remember = remember
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, who: str, now: float) -> float:
        """Take one request of `who` at `now` (seconds of any clock that doesn't go back).

        Returns 0 when it may go ahead, else the seconds until the next one may.
        """
        ours = self._per_minute / self._replicas()
        size = max(1.0, ours)
        bucket = self._buckets.pop(who, None) or _Bucket(size, now)
        bucket.tokens = min(size, bucket.tokens + (now - bucket.filled) * ours / 60)
        bucket.filled = now
        self._buckets[who] = bucket
        if len(self._buckets) > self._remember:
            self._buckets.popitem(last=False)  # who was seen longest ago
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0.0
        return (1 - bucket.tokens) * 60 / ours
