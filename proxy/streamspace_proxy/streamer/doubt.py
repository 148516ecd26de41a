"""When a picture is made again for a viewer that may have got nothing of it: a pure decision, times are seconds.

A screen at rest sends nothing by which a viewer would notice that the last packets are missing, and a viewer that never
got a packet asks for none. So who has not said after a while that the last one came, by whatever report its transport
has, gets a keyframe, and others ever more seldom. Knows no transport.
"""

from __future__ import annotations

import math
from typing import Final

FIRST_SECONDS: Final = 1.5
"""Receiver reports (RFC 3550) come about once a second, and take half a round trip."""
MOST_SECONDS: Final = 12.0


class Doubt:
    """Of one viewer."""

    def __init__(self) -> None:
        self._at = -math.inf
        self._patience = FIRST_SECONDS

    def sent(self, now: float) -> None:
        """Note that something was queued for it, or has left."""
        self._at = now

    def look(self, arrived: bool, now: float) -> tuple[bool, float | None]:
        """Return whether to make the picture again, and in how many seconds to look next (None: when more was sent).

        `arrived`: it has said that all which was sent has come, or at least the last of it.
        """
        left = self._at + self._patience - now
        if left > 0:
            return False, left
        if arrived:
            self._patience = FIRST_SECONDS
            return False, None
        self._patience = min(2 * self._patience, MOST_SECONDS)
        return True, self._patience
