"""Carries an announcement to where it has to be: the hub, which starts nothing during maintenance, and the sessions.

Each replica tells the hub when it has found it (again) and when the announcement is another; the same said twice does
no harm. One replica, by a lease, tells the sessions, each once, also those that start later. What it has told is in its
memory alone: one that takes over tells them all again, which nobody notices.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from sqlalchemy import select

from streamspace_hub.model import SessionState
from streamspace_hub.model.api import Announcement, UserSession
from streamspace_hub.service.database import Database
from streamspace_hub.service.hub import Hub
from streamspace_hub.service.leases import Lease
from streamspace_hub.service.mirror import user_session
from streamspace_hub.service.session_link import SessionAwayError, SessionLink
from streamspace_hub.service.steps import again_and_again
from streamspace_hub.service.tables import AnnouncementRow, SessionRow

TICK = 5.0
"""Seconds between two looks: another replica may have taken the announcement, and its time passes."""
AT_ONCE = 8
ONLY = 1

log = logging.getLogger("streamspace.service")


async def announced(database: Database) -> Announcement:
    """Return what is announced now."""
    async with database.reading() as session:
        return announcement_of(await session.get(AnnouncementRow, ONLY))


def announcement_of(row: AnnouncementRow | None) -> Announcement:
    """Return what a row announces now; nothing when its time is over."""
    if row is None:
        return Announcement()
    found = Announcement.model_validate({"text": row.text, "until": row.until, "maintenance": row.maintenance})
    return Announcement() if found.is_over(datetime.now(UTC)) else found


class Announcing:
    """One replica's part in it."""

    def __init__(self, database: Database, hub: Hub, link: SessionLink, worker: str) -> None:
        self._database = database
        self._hub = hub
        self._link = link
        self._lease = Lease(database, "announcing", worker)
        self._told_hub: Announcement | None = None
        self._told: dict[tuple[str, str, str | None], str | None] = {}
        """What each start of a session was told last, where that is something; None: another replica may have."""
        self._led = False
        self._something = asyncio.Event()

    def note(self) -> None:
        """Look soon: it, or a session, is another."""
        self._something.set()

    def note_hub(self) -> None:
        """Tell the hub soon: it has just been found, and may know nothing."""
        self._told_hub = None
        self._something.set()

    async def run(self) -> None:
        """Go on until cancelled; what could not be told is tried again."""
        await again_and_again(self._step, self._something, TICK, "carrying an announcement on")

    async def _step(self) -> None:
        announcement = await announced(self._database)
        if announcement != self._told_hub:
            await self._hub.tell_announcement(announcement.model_dump(mode="json"))
            self._told_hub = announcement
        if not self._link.proxy_url:
            return
        leads, led = await self._lease.held(), self._led
        self._led = leads
        if leads:
            await self._tell_sessions(announcement.text.strip(), takes_over=not led)

    async def _tell_sessions(self, text: str, *, takes_over: bool) -> None:
        if not (text or self._told or takes_over):
            return
        query = select(SessionRow).where(SessionRow.state.in_([str(SessionState.RUNNING), str(SessionState.FROZEN)]))
        async with self._database.reading() as session:
            running = [user_session(row) for row in (await session.execute(query)).scalars()]
        keys = {_key(one) for one in running}
        self._told = dict.fromkeys(keys) if takes_over else {key: self._told[key] for key in keys & self._told.keys()}
        room = asyncio.Semaphore(AT_ONCE)

        async def one(session: UserSession) -> None:
            async with room:
                try:
                    await self._link.order(session, "announcement", text=text)
                except SessionAwayError as error:
                    log.info("%s/%s does not hear announcements: %s", session.user, session.name, error)
                    return
                if text:
                    self._told[_key(session)] = text
                else:
                    self._told.pop(_key(session), None)

        await asyncio.gather(*(one(session) for session in running if self._told.get(_key(session), "") != text))


def _key(session: UserSession) -> tuple[str, str, str | None]:
    return session.user, session.name, session.started
