"""Who waits for room: the hub's lines, and what the hub's `/hub/metrics` says of them.

All metrics are labelled with what somebody waits for (`queue`: `hub`, `group`, `user`), never with whose it is. They
count those who had to wait; a start that finds room at once is none of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Final, Literal, get_args

from prometheus_client import Counter, Gauge, Histogram

from streamspace_hub.model.waiting import Line

Kind = Literal["hub", "group", "user"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

LENGTH = Gauge("streamspace_queue_length", "Starts that wait for room", ["queue"])
OLDEST = Gauge("streamspace_queue_oldest_seconds", "For how long who has waited longest does so; 0: nobody", ["queue"])
WAIT = Histogram(
    "streamspace_queue_wait_seconds",
    "How long starts waited that were let in",
    ["queue"],
    buckets=(1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200),
)
GIVEN_UP = Counter("streamspace_queue_given_up_total", "Starts that were not asked for any more", ["queue"])

_lines: dict[tuple[Kind, str], Line] = {}
"""Forgotten when the hub is restarted, and then made anew by those who ask again."""


def line(kind: Kind, whose: str = "", *, kept: bool = True) -> Line:
    """Return the line for the hub, for a group's quota, or for a user's own.

    Args:
        kind: what is waited for.
        whose: the group or user.
        kept: whether a line that there was not yet is remembered: somebody may wait in it.
    """
    found = _lines.get((kind, whose)) or Line(WAIT.labels(kind).observe, GIVEN_UP.labels(kind).inc)
    if kept:
        _lines[kind, whose] = found
    return found


def _of(kind: Kind) -> Iterator[Line]:
    return (one for (its, _), one in _lines.items() if its == kind)


def _length(kind: Kind) -> float:
    now = time.monotonic()
    return sum(len(one.waiting(now)) for one in _of(kind))


def _oldest(kind: Kind) -> float:
    now = time.monotonic()
    return max((seconds for one in _of(kind) for seconds in one.waiting(now)), default=0.0)


for _kind in KINDS:
    LENGTH.labels(_kind).set_function(partial(_length, _kind))
    OLDEST.labels(_kind).set_function(partial(_oldest, _kind))
    WAIT.labels(_kind)
    GIVEN_UP.labels(_kind)
