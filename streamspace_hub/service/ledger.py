"""What a session has used: from two looks at a user's sessions to the entries that begin and end. Pure.

The hub says when a server was started, and of one that has stopped when that was (its `last_activity`): both survive
its restarts and ours, so an entry is right to the second however late it is written. Where the hub itself did not see
the end (it was killed, and the session ended meanwhile), the last sign of life counts. What began and ended while no
replica ran is not seen here, and what was stopped, started and stopped again meanwhile counts as one, until the hub's
journal of runs says more (`runs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from streamspace_hub.model import Resources, SessionState
from streamspace_hub.model.api import UserSession
from streamspace_hub.model.quota import need_of

IDLE = (SessionState.STOPPED, SessionState.FAILED, SessionState.SLEEPING)
"""States in which nothing is used but disk."""


@dataclass(frozen=True)
class Begin:
    """A session has begun to use something."""

    name: str
    app: str
    started: float


@dataclass(frozen=True)
class End:
    """An entry that was open is closed."""

    name: str
    started: float
    ended: float


def reckon(
    running: Mapping[str, float], known: Mapping[str, UserSession], seen: Mapping[str, UserSession], at: float
) -> list[Begin | End]:
    """Return what changes in a user's ledger.

    Args:
        running: when each session that is open in the ledger was started, by name, in seconds since 1970.
        known: the user's sessions as they were known before.
        seen: the same as they are.
        at: when the hub was asked.
    """
    changes: list[Begin | End] = []
    for name, started in running.items():
        session = seen.get(name)
        if session is None:
            changes.append(End(name, started, max(started, at)))
        elif session.state in IDLE:
            changes.append(End(name, started, _within(started, moment(session.last_activity), at)))
        elif (again := moment(session.started)) is not None and again != started:
            # It was stopped and started while nobody looked.
            last = moment(known[name].last_activity) if name in known else None
            changes.append(End(name, started, _within(started, last or started, again)))
    ended = {change.name for change in changes}
    for name, session in seen.items():
        begun = moment(session.started)
        # The hub's own time, also when that is later than we have asked, and no entry before it says one: any other
        # would be taken for an earlier start at the next look, and count as a session of its own.
        if begun is not None and session.state not in IDLE and (name not in running or name in ended):
            changes.append(Begin(name, session.app, begun))
    return changes


def _within(started: float, ended: float | None, at: float) -> float:
    return max(started, min(ended if ended is not None else at, at))


def moment(stamp: str | None) -> float | None:
    """Return a time of the hub's, in seconds since 1970; None when it says none."""
    if stamp is None:
        return None
    time = datetime.fromisoformat(stamp)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def amounts(resources: Resources) -> tuple[float, float, int]:
    """Return what an app's session counts as: cores, bytes of memory, GPUs. As for quotas."""
    return need_of("cpu", resources), need_of("memory", resources), resources.gpu.count
