"""Changes of sessions as they come: every replica reads them from the database, so none is lost with a replica.

A subscriber has a place in the sequence of events, and can go on from it at another replica (`Last-Event-ID`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from streamspace_hub.service.database import Database, Unreachable
from streamspace_hub.service.heads import locked_head
from streamspace_hub.service.identity import Visible
from streamspace_hub.service.metrics import Metrics
from streamspace_hub.service.tables import EventRow, HeadRow

POLL = 0.1
"""Seconds between looks for new events, while somebody is subscribed."""
BATCH = 500

log = logging.getLogger("streamspace.service")


@dataclass(frozen=True)
class Event:
    """One event as a subscriber gets it."""

    seq: int
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True)
class NewEvent:
    """One event that is to be told; `user` and `name` are empty where it is of no user, or no session."""

    kind: str
    user: str
    name: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Filter:
    """Which events somebody wants, of those that they may see."""

    visible: Visible
    user: str | None = None
    name: str | None = None

    def accepts(self, row: EventRow) -> bool:
        """Return whether an event is among them."""
        if row.kind == "budget":  # of no session
            return self.name is None and self.user in (None, row.user) and self.visible.holds_user(row.user)
        wanted = self.user in (None, row.user) and self.name in (None, row.name)
        return wanted and self.visible.holds(row.user, row.name)


async def add_events(session: AsyncSession, events: Sequence[NewEvent]) -> None:
    """Put events at the end of the sequence, as a part of the transaction of `session`."""
    if not events:
        return
    head, now = await locked_head(session, "events"), time.time()
    for event in events:
        head.seq += 1
        session.add(EventRow(seq=head.seq, at=now, user=event.user, name=event.name, kind=event.kind, data=event.data))
    await session.flush()


class EventFeed:
    """Tells subscribers of one replica when there is something new."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._metrics = metrics
        self._waiting = 0
        self._somebody = asyncio.Event()
        self._moved = asyncio.Event()
        self._poked = asyncio.Event()
        self._head = 0

    async def run(self) -> None:
        """Look for new events while there are subscribers."""
        while True:
            await self._somebody.wait()
            try:
                head = await self.head()
            except Unreachable as error:
                log.warning("events cannot be read: %s", type(error).__name__)
                await asyncio.sleep(1)
                continue
            if head != self._head:
                self._head = head
                moved, self._moved = self._moved, asyncio.Event()
                moved.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._poked.wait(), POLL)
            self._poked.clear()

    def poke(self) -> None:
        """Look now: this replica has just written an event. Those of others are found by looking."""
        self._poked.set()

    async def head(self) -> int:
        """Return the number of the last event."""
        async with self._database.reading() as session:
            return (await session.execute(select(HeadRow.seq).where(HeadRow.name == "events"))).scalar_one()

    async def is_kept(self, after: int) -> bool:
        """Return whether all events after number `after` are still there."""
        async with self._database.reading() as session:
            first = (await session.execute(select(func.min(EventRow.seq)))).scalar_one()
        return first is None or first <= after + 1

    async def follow(self, wanted: Filter, after: int) -> AsyncGenerator[Event, None]:
        """Yield the events after number `after` that `wanted` accepts, for ever."""
        with self._subscribed():
            while True:
                moved = self._moved
                rows = await self._after(after)
                for row in rows:
                    after = row.seq
                    if wanted.accepts(row):
                        yield Event(row.seq, row.kind, row.data)
                if len(rows) < BATCH:
                    await moved.wait()

    async def _after(self, seq: int) -> list[EventRow]:
        query = select(EventRow).where(EventRow.seq > seq).order_by(EventRow.seq).limit(BATCH)
        async with self._database.reading() as session:
            return list((await session.execute(query)).scalars())

    @contextmanager
    def _subscribed(self) -> Iterator[None]:
        self._waiting += 1
        self._metrics.subscribers.inc()
        self._somebody.set()
        try:
            yield
        finally:
            self._waiting -= 1
            self._metrics.subscribers.dec()
            if not self._waiting:
                self._somebody.clear()
