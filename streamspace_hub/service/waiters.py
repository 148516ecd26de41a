"""Who waits for a start: they ask again every few seconds, and the audit log is to be told when it begins and ends.

A place in the hub's queue is kept for `KEEP` seconds after it was asked for last, and so is what is known of it here.
"""

from __future__ import annotations

import time
from contextlib import suppress

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from streamspace_hub.model.waiting import KEEP
from streamspace_hub.service.database import Database
from streamspace_hub.service.tables import WaiterRow


class Waiters:
    """Those that wait, in the database: the next attempt may come to another replica."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, actor: str, target: str) -> bool:
        """Return whether `actor` is waiting for the session `target` already."""
        async with self._database.reading() as session:
            row = await session.get(WaiterRow, (actor, target))
            return row is not None and row.until > time.time()

    async def keep(self, actor: str, target: str) -> None:
        """Take down that `actor` waits for `target`, and will ask again."""
        with suppress(IntegrityError):  # somebody has just taken it down from another tab
            await self._merge(WaiterRow(actor=actor, target=target, until=time.time() + KEEP))

    async def _merge(self, row: WaiterRow) -> None:
        async with self._database.writing() as session:
            await session.merge(row)

    async def drop(self, actor: str, target: str) -> None:
        """Take down that `actor` waits no more."""
        async with self._database.writing() as session:
            found = (WaiterRow.actor == actor, WaiterRow.target == target)
            await session.execute(delete(WaiterRow).where(*found))
