"""How many replicas there are: each says that it lives by a lease of its own. Decides nothing by it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from streamspace_hub.service.database import Database, Unreachable
from streamspace_hub.service.steps import again_and_again
from streamspace_hub.service.tables import LeaseRow

NAME = "replica:"
"""What their leases' names begin with."""
EVERY = 10.0
"""Seconds after which each says that it lives, and counts those that do."""
LIFE = 30.0
"""Seconds after which one that says nothing is taken to be dead."""


class Replicas:
    """What one replica knows of them."""

    def __init__(self, database: Database, worker: str) -> None:
        self._database = database
        self._worker = worker
        self.count = 1
        """Those that live, this one among them, as of the last look."""

    async def run(self) -> None:
        """Go on until cancelled. While the database is away, as many live as did."""
        await again_and_again(self.look, asyncio.Event(), EVERY, "counting the replicas")

    async def look(self) -> None:
        """Say that this one lives; count them."""
        live = LeaseRow.name.startswith(NAME, autoescape=True)
        with suppress(IntegrityError):  # another one has just cleared our row, which had run out, away
            async with self._database.writing() as session:
                now = time.time()
                await session.merge(LeaseRow(name=NAME + self._worker, holder=self._worker, until=now + LIFE))
                await session.execute(delete(LeaseRow).where(live, LeaseRow.until <= now))
                count = await session.scalar(select(func.count()).select_from(LeaseRow).where(live))
            self.count = max(1, count or 0)

    async def leave(self) -> None:
        """Say that this one is gone, so that the others need not find out."""
        with suppress(*Unreachable):
            async with self._database.writing() as session:
                await session.execute(delete(LeaseRow).where(LeaseRow.name == NAME + self._worker))
