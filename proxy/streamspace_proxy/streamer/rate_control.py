"""Which quantiser a picture is encoded with, so that what is sent fits the line. Pure: time is an argument.

What may be sent is saved up while nothing is, for `SAVED_SECONDS` at most: the longest that one picture is to take on
a line of just that rate. A picture's bits are predicted macroblock by macroblock: of those that changed from what the
last changes took, of those that only lack detail from what new pictures took. Six quantiser steps halve them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

BEST: Final = 16
"""Nobody sees a difference below it: a picture at rest stops costing bits here."""
WORST: Final = 56
"""H.264 ends at 51; beyond it x264 takes away detail before it quantises."""
FIRST: Final = 30
"""While nothing is known yet."""
SAVED_SECONDS: Final = 0.08
LEAST_SHARE: Final = 0.3
"""Of a picture's even share of the rate: what it gets even when more than everything has been spent."""
MOTION_SECONDS: Final = 0.25
"""Changes that follow within it are motion."""
REPAYMENT: Final = 0.25
"""Share of what was overspent that the next picture saves."""
FINE: Final = 30
"""Motion is made finer only out of `FINE_SHARE` of what it might take: sooner is seen, finer is not."""
FINE_SHARE: Final = 0.5
MEMORY: Final = 0.5
NEW_SHARE: Final = 0.2
NEW_SECONDS: Final = 0.1
"""So large a change after so much quiet is taken for something new: nothing before it helps to predict it."""
TOO_LARGE: Final = 2.5
OVERLAP: Final = 0.5
"""Part of what a macroblock took coarsely that is saved when it is made finer."""

LEAST_FACTOR: Final = 0.85

Counts = np.ndarray[Any, np.dtype[np.int64]]
_QUANTISERS: Final = np.arange(WORST + 1)
_WEIGHTS: Final = 2.0 ** (-_QUANTISERS / 6)
_CANDIDATES: Final = np.arange(BEST, WORST + 1)
# What a macroblock that is shown at a quantiser (column) takes to be shown at a candidate (row).
_FINER: Final = np.where(
    _QUANTISERS[None, :] > _CANDIDATES[:, None],
    _WEIGHTS[_CANDIDATES][:, None] - OVERLAP * _WEIGHTS[None, :],
    0.0,
)


@dataclass(frozen=True, slots=True)
class Content:
    """What a picture is made of, in macroblocks."""

    changed: int
    others: Counts
    """How many of those that did not change are shown at each quantiser (`WORST` + 1 counts)."""
    keyframe: bool

    @property
    def all(self) -> int:
        """How many there are."""
        return self.changed + int(self.others.sum())


class RateControl:
    """One encoder's. Sizes are bits."""

    def __init__(self, bitrate: int, fps: int) -> None:
        self._rate = bitrate
        self._fps = fps
        self._saved = bitrate * SAVED_SECONDS
        self._at: float | None = None
        self._last = -math.inf
        self._new = self._known = 0.0
        """Bits of a macroblock at quantiser 0: of something new, and of something like what was there before."""

    def set_rate(self, bitrate: int, fps: int) -> None:
        """Take another ceiling."""
        self._rate, self._fps = bitrate, fps

    def choose(self, content: Content, now: float) -> int:
        """Return the finest quantiser at which a picture is expected to fit."""
        moving = content.changed > 0 and now - self._last <= MOTION_SECONDS
        target = self._target(moving, now)
        if not self._new:
            return FIRST
        costs = self._costs(content, now).sum(0)
        quantiser = _finest(costs, target)
        return max(quantiser, min(FINE, _finest(costs, FINE_SHARE * target))) if moving else quantiser

    def too_large(self, size: int) -> bool:
        """Whether a picture of this size is better made again, coarser, than sent."""
        return size > TOO_LARGE * max(self._rate * SAVED_SECONDS, 2 * self._rate / self._fps)

    def coarser(self, size: int, quantiser: int) -> int:
        """Return the quantiser for making it again."""
        over = size / (self._rate * SAVED_SECONDS)
        return min(WORST, quantiser + math.ceil(6 * math.log2(max(over, 1.0))) + 1)

    def note(self, size: int, quantiser: int, content: Content, now: float) -> None:
        """Learn what a picture took."""
        self._saved -= size
        new = content.keyframe or self._is_new(content, now)
        if content.changed:
            self._last = now
        if not self._new:
            blocks = content.all if content.keyframe else max(1, content.changed)
            self._new = self._known = size / blocks / _WEIGHTS[quantiser]
            return
        moved, finer = self._costs(content, now)[:, quantiser - BEST]
        if moved + finer <= 0:
            return
        factor = (size / (moved + finer)) ** MEMORY
        if finer > moved:
            # A step too small to change anything says nothing of a larger one.
            factor = max(factor, LEAST_FACTOR)
        # What the picture was mostly made of is what has been learnt about.
        if new or finer > moved:
            self._new = max(1.0, self._new * factor)
        if not new and moved > finer:
            self._known = max(1.0, self._known * factor)
        elif new:
            self._known = self._new

    def pause(self) -> float:
        """Return in how many seconds the next picture may come at the earliest: the ceiling holds in any case."""
        return max(0.0, -self._saved / self._rate - SAVED_SECONDS)

    def _target(self, moving: bool, now: float) -> float:
        if self._at is not None:
            self._saved = min(self._rate * SAVED_SECONDS, self._saved + (now - self._at) * self._rate)
        self._at = now
        even = self._rate / self._fps
        if self._saved >= even:
            # In motion it may be the line or the machine that frames wait for: what was saved meanwhile would make the
            # next one wait longer.
            return even if moving else self._saved
        return max(LEAST_SHARE * even, even + REPAYMENT * (self._saved - even))

    def _costs(self, content: Content, now: float) -> Any:
        """Return for each candidate the bits of what changed (first row) and of what becomes finer (second row)."""
        weights = _WEIGHTS[_CANDIDATES]
        if content.keyframe:
            return np.stack([content.all * self._new * weights, np.zeros(len(weights))])
        each = max(self._new, self._known) if self._is_new(content, now) else self._known
        return np.stack([content.changed * each * weights, self._new * (_FINER @ content.others)])

    def _is_new(self, content: Content, now: float) -> bool:
        return content.changed > NEW_SHARE * content.all and now - self._last > NEW_SECONDS


def _finest(costs: Any, target: float) -> int:
    """Return the finest quantiser at which a picture of these costs fits."""
    fits = np.flatnonzero(costs <= target)
    return int(_CANDIDATES[fits[0]]) if len(fits) else WORST
