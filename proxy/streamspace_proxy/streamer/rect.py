"""A rectangle of pixels. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle of pixels; `right` and `bottom` lie outside."""

    left: int
    top: int
    right: int
    bottom: int

    def union(self, other: Rect) -> Rect:
        """Return the smallest rectangle around both."""
        if self.empty or other.empty:
            return other if self.empty else self
        return Rect(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def snapped(self, step: int, width: int, height: int) -> Rect:
        """Return it grown to multiples of `step`, cut to width x height."""
        return Rect(
            self.left // step * step,
            self.top // step * step,
            min(-(-self.right // step) * step, width),
            min(-(-self.bottom // step) * step, height),
        )

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.right <= self.left or self.bottom <= self.top


NOWHERE: Final = Rect(0, 0, 0, 0)
