"""A server of the hub whose first start was refused: it has a name, and never was a session. Pure data.

The hub's database keeps that in the spawner's state, under `TURNED_AWAY`, until a start is let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

TURNED_AWAY: Final = "streamspace_turned_away"
FORGOTTEN: Final = "forgotten"
"""On the board that `install` puts into the hub's settings: when a user's server was forgotten (monotonic)."""
LATELY: Final = 60.0
"""Seconds for which it is known of a name that it was forgotten: whoever listed servers just before asks just after."""
KEPT: Final = 60.0
"""Seconds for which the hub keeps such a name after the last refusal, so that whoever asks late still hears why."""


def turned_away_in(state: Mapping[str, Any] | None) -> bool:
    """Return whether a spawner's state says that none of its starts was ever let in."""
    return bool(state and state.get(TURNED_AWAY))
