"""What is used within a rolling window: how much it is, and when some of a limit is free again. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field

HOUR = 3600
DAY = 24 * HOUR
LONGEST_DAYS = 92


class HoursLimit(BaseModel):
    """So many hours in so many days."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hours: float = Field(gt=0, le=100_000, description="Hours, of all sessions together.")
    days: int = Field(ge=1, le=LONGEST_DAYS, description="In the last so many days.")


@dataclass(frozen=True)
class Span:
    """A time in which something was used."""

    begun: float
    ended: float | None
    """None: it still is."""
    weight: float = 1
    """How many of what is counted, e.g. GPUs, or money an hour."""


def used_seconds(spans: Iterable[Span], days: int, now: float) -> float:
    """Return how much was used in the last `days` before `now`."""
    edge = now - days * DAY
    return sum(
        one.weight * max(0.0, min(one.ended if one.ended is not None else now, now) - max(one.begun, edge))
        for one in spans
    )


def free_at(spans: Sequence[Span], amount: float, days: int, now: float) -> float | None:
    """Return when less than a limit is used again, if nothing is from `now` on; None if it is so already.

    The window's edge goes forward through what was used; each part that it has passed counts no more.

    Args:
        spans: what was used.
        amount: the limit: hours (times the weight) in the last `days`.
        days: how long the window is.
        now: seconds since 1970.
    """
    excess = used_seconds(spans, days, now) - amount * HOUR
    if excess < 0:
        return None
    edge = now - days * DAY
    changes: defaultdict[float, float] = defaultdict(float)
    for one in spans:
        begun, ended = max(one.begun, edge), min(one.ended if one.ended is not None else now, now)
        if ended > begun:
            changes[begun] += one.weight
            changes[ended] -= one.weight
    marks, rate = sorted(changes), 0.0
    for begun, ended in pairwise(marks):
        rate += changes[begun]
        passed = rate * (ended - begun)
        if passed > excess:
            return begun + excess / rate + days * DAY
        excess -= passed
    return (marks[-1] if marks else now) + days * DAY
