"""When somebody is told that a budget is running out: at each threshold, whenever it is crossed, once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Threshold = Literal[80, 100]
THRESHOLDS: Final[tuple[Threshold, ...]] = (80, 100)
"""Percent of the budget."""


@dataclass(frozen=True)
class Crossing:
    """What there is to remember, and to tell."""

    reached: Threshold | None
    """The highest threshold that is reached now."""
    told: Sequence[Threshold]
    """Those that have been crossed upwards since the last look."""


def reached(used: float, amount: float) -> Threshold | None:
    """Return the highest threshold that the use of a budget of `amount` has reached."""
    return next((one for one in reversed(THRESHOLDS) if used * 100 >= one * amount), None)


def crossing(before: Threshold | None, used: float, amount: float) -> Crossing:
    """Return what has changed since `before` was reached: a threshold that is left again can be crossed again."""
    now = reached(used, amount)
    return Crossing(now, [one for one in THRESHOLDS if (before or 0) < one <= (now or 0)])
