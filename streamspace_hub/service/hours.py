"""Tells the hub what users have used, where quotas have hours or budgets: it checks starts, and has no ledger.

Whoever writes into the ledger tells it of that user; each replica tells all of it when it has found the hub (again).
The same said twice does no harm.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import astuple

from sqlalchemy import select

from streamspace_hub.model.hours import DAY
from streamspace_hub.model.prices import Prices
from streamspace_hub.model.rolling import Entry
from streamspace_hub.service.database import Database, Unreachable
from streamspace_hub.service.hub import Hub, HubError
from streamspace_hub.service.tables import UsageRow

AT_ONCE = 200
"""Users in one request."""
RETRY = 2.0

log = logging.getLogger("streamspace.service")


class HubHours:
    """What is still to be told, by one replica. `days` is how far back it matters; 0: there is nothing to tell."""

    def __init__(self, database: Database, hub: Hub, prices: Prices, days: Callable[[], Awaitable[int]]) -> None:
        self._database = database
        self._hub = hub
        self._prices = prices
        self._days = days
        self._waiting: set[str] = set()
        self._everybody = False
        self._something = asyncio.Event()

    def note(self, user: str) -> None:
        """Tell of a user soon."""
        self._waiting.add(user)
        self._something.set()

    def note_all(self) -> None:
        """Tell of everybody soon: the hub has just been found, and may know nothing."""
        self._everybody = True
        self._something.set()

    async def run(self) -> None:
        """Go on until cancelled; what could not be told is tried again."""
        while True:
            await self._something.wait()
            self._something.clear()
            users, self._waiting = self._waiting, set()
            everybody, self._everybody = self._everybody, False
            try:
                await self._tell(None if everybody else users)
            except (HubError, *Unreachable) as error:
                log.warning("the hub was not told what was used: %s", error)
                self._waiting |= users
                self._everybody |= everybody
                await asyncio.sleep(RETRY)
                self._something.set()

    async def _tell(self, users: Collection[str] | None) -> None:
        days = await self._days()
        if not days:
            return
        since = time.time() - days * DAY
        recent = UsageRow.ended.is_(None) | (UsageRow.ended > since)
        query = select(UsageRow).where(recent)
        found: dict[str, list[Entry]] = {user: [] for user in users or ()}
        async with self._database.reading() as session:
            rows = await session.execute(query if users is None else query.where(UsageRow.user.in_(users)))
            for row in rows.scalars():
                found.setdefault(row.user, []).append(entry_of(row, self._prices))
        names = sorted(found)
        for first in range(0, len(names), AT_ONCE):
            some = {name: [astuple(one) for one in found[name]] for name in names[first : first + AT_ONCE]}
            await self._hub.tell_usage(some, self._prices.currency)


def entry_of(row: UsageRow, prices: Prices) -> Entry:
    """Return an entry of the ledger as quotas count it."""
    return Entry(row.started, row.ended, row.gpus, prices.rate(row.cores, row.memory, row.gpus))
