"""Looks at the hub again and again, so that sessions started elsewhere (a tile, the hub's own pages) are known too.

One replica does it for all, by a lease in the database; when that one dies, another takes over as soon as the lease
has run out. Looking at all users costs the hub time, so it is done seldom enough to take at most a twentieth of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, exists

from streamspace_hub.service.database import Database, Unreachable
from streamspace_hub.service.hub import Hub, HubError
from streamspace_hub.service.leases import Lease
from streamspace_hub.service.metrics import Metrics
from streamspace_hub.service.mirror import Mirror
from streamspace_hub.service.tables import KeyRow, SessionRow, SleepRow, WaiterRow
from streamspace_hub.service.webhooks import forget_events

TICK = 0.5
"""Seconds between looks at those whose session is starting or stopping."""
SHORTEST, LONGEST, SHARE = 2.0, 60.0, 20.0
KEEP_KEYS = 24 * 3600.0
TIDY = 600.0

log = logging.getLogger("streamspace.service")


def pause_after(duration: float) -> float:
    """Return how long to wait, in seconds, after a look at all users that took `duration` seconds."""
    return min(max(SHARE * duration, SHORTEST), LONGEST)


class Watcher:
    """The loop of one replica."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it looks at, and what it tidies up
        self, database: Database, hub: Hub, mirror: Mirror, worker: str, hooks: Sequence[str], metrics: Metrics
    ) -> None:
        self._database = database
        self._hooks = hooks
        self._metrics = metrics
        self._hub = hub
        self._mirror = mirror
        self._lease = Lease(database, "watcher", worker)
        self._look_at = 0.0
        self._tidy_at = 0.0
        self._hurried: set[str] = set()
        self._begun: list[tuple[str, Mapping[str, Any]]] = []
        self._somebody = asyncio.Event()

    def hurry(self, user: str, begun: Mapping[str, Any] | None = None) -> None:
        """Look at a user now: the hub has said that there is something new, or how a server stands that it starts."""
        if begun is None:
            self._hurried.add(user)
        else:
            self._begun.append((user, begun))
        self._somebody.set()

    async def follow(self) -> None:
        """Look at those that `hurry` is told, until cancelled. What goes wrong here, `run` finds a little later."""
        while True:
            await self._somebody.wait()
            self._somebody.clear()
            users, self._hurried = self._hurried, set()
            begun, self._begun = self._begun, []
            try:
                if await self.leads():
                    for user, server in begun:
                        await self._mirror.begun(user, server)
                    await asyncio.gather(*(self._mirror.refresh(user) for user in users))
            except (HubError, *Unreachable) as error:
                log.warning("a change was not looked at: %s", type(error).__name__)
            except Exception:
                log.exception("looking at a change failed")

    async def run(self) -> None:
        """Go on until cancelled; what fails is logged, and tried again."""
        while True:
            try:
                if await self.leads():
                    await self._step()
            except HubError as error:
                log.warning("the hub cannot be asked for sessions: %s", error)
                await asyncio.sleep(SHORTEST)
            except Unreachable as error:
                log.warning("the database is away: %s", type(error).__name__)
                await asyncio.sleep(SHORTEST)
            except Exception:
                log.exception("looking at the hub failed")
                await asyncio.sleep(SHORTEST)
            await asyncio.sleep(TICK)

    async def _step(self) -> None:
        now = time.monotonic()
        if now >= self._look_at:
            await self._look()
            self._look_at = time.monotonic() + pause_after(time.monotonic() - now)
        else:
            for user in await self._mirror.pending_users():
                await self._mirror.refresh(user)
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY
            await self._tidy()

    async def _look(self) -> None:
        live = await self._mirror.live_users()
        asked = time.time()
        async for model in self._hub.active_users():
            live.discard(model.name)
            await self._mirror.take(model, asked)
        for user in sorted(live):
            await self._mirror.refresh(user)

    async def leads(self) -> bool:
        """Return whether this replica does what one does for all; take that over when nobody does."""
        return await self._lease.held()

    async def _tidy(self) -> None:
        async with self._database.writing() as session:
            if dropped := await forget_events(session, self._hooks, time.time()):
                self._metrics.dropped.inc(dropped)
                log.error("%d events were forgotten that a webhook had not taken for a week", dropped)
            of_a_session = exists().where(SessionRow.user == SleepRow.user, SessionRow.name == SleepRow.name)
            await session.execute(delete(SleepRow).where(~of_a_session))
            await session.execute(delete(KeyRow).where(KeyRow.created < time.time() - KEEP_KEYS))
            await session.execute(delete(WaiterRow).where(WaiterRow.until < time.time()))
