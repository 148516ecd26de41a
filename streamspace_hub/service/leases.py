"""Who of several replicas does a task for all: whoever holds its lease, until it has run out."""

from __future__ import annotations

import time

from streamspace_hub.service.database import Database
from streamspace_hub.service.tables import LeaseRow

LEASE = 10.0
"""Seconds that a lease holds; a holder that lives renews it."""


class Lease:
    """One replica's claim to one task."""

    def __init__(self, database: Database, task: str, worker: str) -> None:
        self._database = database
        self._task = task
        self._worker = worker

    async def held(self) -> bool:
        """Return whether the task is this replica's now; takes or renews the lease where it can."""
        async with self._database.reading() as session:
            held = await session.get(LeaseRow, self._task)
        if held is not None:
            if held.holder != self._worker and held.until > time.time():
                return False
            if held.holder == self._worker and held.until > time.time() + LEASE / 2:
                return True
        async with self._database.writing() as session:
            now = time.time()
            row = await session.get(LeaseRow, self._task, with_for_update=True)
            if row is None:
                session.add(LeaseRow(name=self._task, holder=self._worker, until=now + LEASE))
                return True
            if row.holder != self._worker and row.until > now:
                return False
            row.holder, row.until = self._worker, now + LEASE
            return True
