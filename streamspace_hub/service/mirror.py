"""The sessions in the database: kept as the hub has told them last, with an event for each change.

Any replica may refresh any user at any time. An answer that was asked for earlier than what is already known is
dropped, so that slow answers cannot turn time back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from streamspace_hub.model import SessionState
from streamspace_hub.model.api import AuditEvent, Outcome, UserSession
from streamspace_hub.model.asleep import Asleep
from streamspace_hub.model.session import RESTING
from streamspace_hub.service.audit import Attempt, AuditLog
from streamspace_hub.service.book import Book
from streamspace_hub.service.database import Database
from streamspace_hub.service.events import NewEvent, add_events
from streamspace_hub.service.hub import Hub, User
from streamspace_hub.service.servers import (
    PENDING,
    Change,
    asleep,
    changes,
    ended,
    failed,
    merged,
    not_woken,
    sessions_of,
)
from streamspace_hub.service.tables import SessionRow, SleepRow, WatchedRow

TRIES = 5
"""How often a conclusion is drawn anew when others write of the same user at the same time."""

log = logging.getLogger("streamspace.service")


class _OutdatedError(Exception):
    """What was concluded is no longer so: something else is known by now."""


class Mirror:
    """What is known of all sessions."""

    def __init__(
        self,
        database: Database,
        hub: Hub,
        audit: AuditLog,
        book: Book,
        on_written: Callable[[str], None],
    ) -> None:
        self._database = database
        self._hub = hub
        self._audit = audit
        self._book = book
        self._on_written = on_written
        self._starts: dict[tuple[str, str], str] = {}
        """When the last start of each server that was taken up began: it is heard by the loop and by who has asked."""

    async def refresh(self, user: str) -> dict[str, UserSession]:
        """Ask the hub for one user's sessions, take them up, and return them by name."""
        asked = time.time()
        return await self.take(await self._hub.user(user) or User(user, {}), asked)

    async def take(self, model: User, asked: float) -> dict[str, UserSession]:
        """Take up what the hub answered at `asked`; return what is now known."""
        user = model.name
        for _ in range(TRIES):
            known, groups, sleep = await self._known(user)
            seen = self._seen(model, known, sleep)
            if known == seen and groups == model.groups:
                return seen
            for name, session in seen.items():
                before = known.get(name, session).state
                if session.state is SessionState.FAILED and session.message is None:
                    seen[name] = failed(session, await self._hub.failure(user, name))
                elif session.state is SessionState.STOPPED and before is SessionState.STOPPING:
                    seen[name] = ended(session, await self._hub.failure(user, name))
                elif session.state is SessionState.SLEEPING and before is SessionState.RESUMING:
                    seen[name] = not_woken(session, await self._hub.failure(user, name))
            lines: list[AuditEvent] = []
            try:
                async with self._database.writing() as session_:
                    now = await self._write(session_, model, known, seen, asked, lines)
            except (IntegrityError, _OutdatedError):  # somebody else has written of this user meanwhile
                continue
            self._publish(user, lines)
            return now
        return (await self._known(user))[0]

    def told(self, user: str, server: Mapping[str, Any]) -> UserSession | None:
        """Return the session that the hub has told of as `server`, which it starts; None if it is none."""
        name, sleeper = server["name"], server.get("asleep")
        asleep = {name: Asleep.model_validate(sleeper)} if sleeper else {}
        return sessions_of(user, {name: server}, self._book.titles, asleep).get(name)

    async def begun(self, user: str, server: Mapping[str, Any]) -> None:
        """Take up that the hub has begun to start `server`, as it has told, if that is a session.

        What is known of it by then stays, unless that is at rest: it is from before, or the start has failed so soon
        that nobody has seen that there was one.
        """
        session = self.told(user, server)
        if session is None:
            return
        name = session.name
        lines: list[AuditEvent] = []
        heard = time.time()
        try:
            async with self._database.writing() as session_:
                watched = await session_.get(WatchedRow, user, with_for_update=True)
                known = await _rows(session_, user)
                now = known.get(name)
                again = self._starts.get((user, name)) == server["started"]
                if now is not None and (again or now.state not in RESTING):
                    return
                if now is not None:  # of files the hub tells another time
                    session = session.model_copy(update={"storage": now.storage})
                # Answers from before have nothing of it.
                if watched is None:
                    session_.add(WatchedRow(user=user, asked=heard, groups=[]))
                else:
                    watched.asked = max(watched.asked, heard)
                await session_.flush()
                await self._put(session_, user, known, {**known, name: session}, heard, lines)
        except IntegrityError:  # somebody else is just taking up what the hub shows of them
            return
        self._starts[user, name] = server["started"]
        self._publish(user, lines)

    def _publish(self, user: str, lines: Sequence[AuditEvent]) -> None:
        self._on_written(user)
        for line in lines:
            self._audit.publish(line)

    async def pending_users(self) -> list[str]:
        """Return the users with a session that is starting or stopping."""
        query = select(SessionRow.user).where(SessionRow.state.in_([str(state) for state in PENDING])).distinct()
        async with self._database.reading() as session:
            return list((await session.execute(query)).scalars())

    async def live_users(self) -> set[str]:
        """Return the users with a session that is not at rest, as far as is known."""
        resting = [str(state) for state in RESTING]
        query = select(SessionRow.user).where(SessionRow.state.not_in(resting)).distinct()
        async with self._database.reading() as session:
            return set((await session.execute(query)).scalars())

    def _seen(
        self, user: User, known: Mapping[str, UserSession], sleep: Mapping[str, SleepRow]
    ) -> dict[str, UserSession]:
        found = sessions_of(user.name, user.servers, self._book.titles, user.asleep, user.storage)
        return {
            name: merged(known.get(name), asleep(session, sleep.get(name))) for name, session in sorted(found.items())
        }

    async def _known(self, user: str) -> tuple[dict[str, UserSession], Sequence[str], dict[str, SleepRow]]:
        async with self._database.reading() as session:
            watched = await session.get(WatchedRow, user)
            sleep = (await session.execute(select(SleepRow).where(SleepRow.user == user))).scalars()
            return await _rows(session, user), watched.groups if watched else (), {row.name: row for row in sleep}

    async def _write(  # noqa: PLR0913, PLR0917 - before, after, and where it is written
        self,
        session: AsyncSession,
        model: User,
        known: Mapping[str, UserSession],
        seen: Mapping[str, UserSession],
        asked: float,
        lines: list[AuditEvent],
    ) -> dict[str, UserSession]:
        """Write what is seen, given what was known when that was concluded."""
        user = model.name
        watched = await session.get(WatchedRow, user, with_for_update=True)
        now = await _rows(session, user)
        if watched is not None and watched.asked > asked:
            return now
        if now != known:
            raise _OutdatedError
        if watched is None:
            session.add(WatchedRow(user=user, asked=asked, groups=list(model.groups)))
        else:
            watched.asked, watched.groups = asked, list(model.groups)
        await session.flush()
        await self._put(session, user, known, seen, asked, lines)
        return dict(seen)

    async def _put(  # noqa: PLR0913, PLR0917 - before, after, and where it is written
        self,
        session: AsyncSession,
        user: str,
        known: Mapping[str, UserSession],
        seen: Mapping[str, UserSession],
        asked: float,
        lines: list[AuditEvent],
    ) -> None:
        """Write what has changed of a user's sessions, and what follows from it, as a part of one transaction."""
        await self._book.look(session, user, known, seen, asked)
        told = changes(known, seen)
        await session.execute(delete(SessionRow).where(SessionRow.user == user))
        if seen:
            await session.execute(insert(SessionRow), [one.model_dump(mode="json") for one in seen.values()])
        await add_events(session, [_event(change) for change in told])
        for change in told:
            attempt = _state_change(known.get(change.session.name), change)
            if attempt is not None:
                lines.append(await self._audit.add(session, attempt))


def _event(change: Change) -> NewEvent:
    session = change.session
    return NewEvent(change.kind, session.user, session.name, session.model_dump(mode="json"))


def _state_change(before: UserSession | None, change: Change) -> Attempt | None:
    """Return the audit line for a change of state, else None. Who asked for it stands in a line of its own."""
    after = change.session
    if change.kind == "session" and before is not None and before.state is after.state:
        return None
    state = "removed" if change.kind == "removed" else str(after.state)
    return Attempt(
        actor=None,
        action=f"session.{state}",
        target=f"{after.user}/{after.name}",
        origin="hub",
        request_id="",
        outcome=Outcome.FAILED if after.state is SessionState.FAILED else Outcome.ALLOWED,
        reason=after.message,
        details={"app": after.app, "before": str(before.state) if before else None},
    )


async def _rows(session: AsyncSession, user: str) -> dict[str, UserSession]:
    query = select(SessionRow).where(SessionRow.user == user).order_by(SessionRow.name)
    return {row.name: user_session(row) for row in (await session.execute(query)).scalars()}


def user_session(row: SessionRow) -> UserSession:
    """Return a row as the API shows it."""
    return UserSession(**{name: getattr(row, name) for name in UserSession.model_fields})
