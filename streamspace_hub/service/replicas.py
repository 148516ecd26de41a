"""How many replicas there are: each says that it lives by a lease of its own. Decides nothing by it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from sqlalchemy import delete, func, or_, select

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
        ours, live = NAME + self._worker, LeaseRow.name.startswith(NAME, autoescape=True)
        async with self._database.writing() as session:
            now = time.time()
            # Anew each time: another one may just be clearing ours away, which had run out.
            await session.execute(delete(LeaseRow).where(live, or_(LeaseRow.until <= now, LeaseRow.name == ours)))
            session.add(LeaseRow(name=ours, holder=self._worker, until=now + LIFE))
            await session.flush()
            self.count = await session.scalar(select(func.count()).select_from(LeaseRow).where(live)) or 1

    async def leave(self) -> None:
        """Say that this one is gone, so that the others need not find out."""
        with suppress(*Unreachable):
            async with self._database.writing() as session:
                await session.execute(delete(LeaseRow).where(LeaseRow.name == NAME + self._worker))
