"""Brings the hub's journal of runs into the ledger, at the replica that leads, and says what has been taken.

What was written and not acknowledged comes again, and changes nothing then. A hub without a journal is looked at all
the same (`mirror`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import IntegrityError

from streamspace_hub.service.book import Book
from streamspace_hub.service.database import Database, Unreachable
from streamspace_hub.service.hub import Hub, HubError

EVERY = 20.0
"""Seconds between looks when nothing is told of: another replica may have led until then."""
RETRY = 1.0

log = logging.getLogger("streamspace.service")


class Runs:
    """The loop of one replica; `on_taken` is called with each user of whom there was something."""

    def __init__(
        self,
        database: Database,
        hub: Hub,
        book: Book,
        leads: Callable[[], Awaitable[bool]],
        on_taken: Callable[[str], None],
    ) -> None:
        self._database = database
        self._hub = hub
        self._book = book
        self._leads = leads
        self._on_taken = on_taken
        self._something = asyncio.Event()

    def note(self) -> None:
        """Look now: a session has changed, or the hub has just been found."""
        self._something.set()

    async def run(self) -> None:
        """Go on until cancelled; what could not be taken is taken later."""
        while True:
            try:
                async with asyncio.timeout(EVERY):
                    await self._something.wait()
            except TimeoutError:
                pass
            self._something.clear()
            try:
                while await self._leads() and await self.take():
                    pass
            except (HubError, IntegrityError, *Unreachable) as error:
                log.warning("the hub's journal of runs waits: %s", error)
                self._something.set()
                await asyncio.sleep(RETRY)
            except Exception:
                log.exception("taking up the hub's journal of runs failed")

    async def take(self) -> bool:
        """Take up what there is; return whether there was anything."""
        runs = await self._hub.runs()
        if not runs:
            return False
        async with self._database.writing() as session:
            for run in runs:
                await self._book.take(session, run)
        await self._hub.took_runs(runs)
        for user in {run.user for run in runs}:
            self._on_taken(user)
        return True
