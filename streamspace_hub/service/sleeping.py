"""Carries the ladder of sleep out: round by round, one replica for all.

What a session is told and how far it has come is in the database, so another replica goes on where one was ended. The
hub is asked for nothing but to stop a session: what it knows is in the mirror already. Deciding is done in a thread,
page by page, so that requests are answered meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, and_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from streamspace_hub.catalog import Catalog
from streamspace_hub.hibernation.decision import Act, Due, Facts, Warned, ahead
from streamspace_hub.hibernation.round import Candidate, Planned, most_urgent, plan
from streamspace_hub.model import MemorySleep, SessionState
from streamspace_hub.model.api import Outcome, SessionAhead, Settings, StepAhead, UserSession
from streamspace_hub.model.layers import Who
from streamspace_hub.model.overrides import Overrides
from streamspace_hub.model.session import RESTING
from streamspace_hub.model.sleep import Ladder, SleepRules, Step, resolve
from streamspace_hub.service.audit import Attempt, AuditLog
from streamspace_hub.service.database import Database, Unreachable
from streamspace_hub.service.hub import Hub, HubError
from streamspace_hub.service.leases import LEASE, Lease
from streamspace_hub.service.mirror import Mirror, user_session
from streamspace_hub.service.overrides import OverrideStore
from streamspace_hub.service.servers import seconds
from streamspace_hub.service.session_link import Answer, SessionAwayError, SessionLink
from streamspace_hub.service.tables import SessionRow, SettingsRow, SleepRow, WatchedRow

PAGE = 200
PER_ROUND = 100
"""Sessions to which something is done in one round; a hub that comes back after a night is not flooded."""
AT_ONCE = 8
SHORTEST, LONGEST, SHARE = 5.0, 60.0, 20.0
"""Seconds between rounds: at least, at most, and how many times as long as a round took."""
AGAIN = 600.0
"""Seconds until what did not succeed is tried again."""
SLACK = 2.0
"""Seconds by which clocks of two machines may differ, and a message may take."""
ATTEMPTS = 3
"""How often the ladder tries to keep a session's memory until it passes that step over."""
UNKNOWN = 60.0
"""Seconds until a session that did not say whether its memory can be kept is asked again."""
SETTLED = 20.0
"""Seconds after which a session that is being put to sleep may have been left half way."""
SLEEP = (SleepRow.started, SleepRow.active, SleepRow.step, SleepRow.told, SleepRow.lead)
LIVE = (SessionState.RUNNING, SessionState.FROZEN)

log = logging.getLogger("streamspace.sleep")


@dataclass
class Sleeping:
    """One replica's part in it."""

    database: Database
    hub: Hub
    mirror: Mirror
    audit: AuditLog
    link: SessionLink
    catalog: Catalog
    rules: SleepRules
    overrides: OverrideStore
    token: str
    actor: str
    worker: str
    later: dict[tuple[str, str], float] = field(default_factory=dict)
    """Sessions with which something did not succeed, and until when they are left alone."""
    attempts: dict[tuple[str, str], int] = field(default_factory=dict)
    """How often the memory of a session could not be kept."""
    unknown: dict[tuple[str, str], float] = field(default_factory=dict)
    """Sessions that did not say whether their memory can be kept, and until when they are not asked again."""

    async def run(self) -> None:
        """Go on until cancelled; what fails is logged, and tried again."""
        lease = Lease(self.database, "sleep", self.worker)
        keeping = asyncio.create_task(_keep(lease))
        try:
            await self._rounds(lease)
        finally:
            keeping.cancel()

    async def _rounds(self, lease: Lease) -> None:
        while True:
            begun = time.monotonic()
            try:
                if await lease.held():
                    await self.round()
            except Unreachable as error:
                log.warning("the database is away: %s", type(error).__name__)
            except Exception:
                log.exception("a round of sleep failed")
            await asyncio.sleep(min(max(SHARE * (time.monotonic() - begun), SHORTEST), LONGEST))

    async def round(self) -> int:
        """Look at all sessions, do what is to be done; return with how many something was done."""
        await self._finish()
        await self._ask_for_memory()
        now, overrides = time.time(), await self.overrides.current()
        planned: list[Planned[UserSession]] = []
        adrift: list[UserSession] = []
        async for page in self._pages():
            planned += await asyncio.to_thread(self._plan, page, now, overrides)
            adrift += await asyncio.to_thread(_adrift, page, now)
        await self._ask(adrift[:PER_ROUND], how_idle=True)
        self.later = {key: until for key, until in self.later.items() if until > time.monotonic()}
        todo = most_urgent((what for what in planned if _key(what.session) not in self.later), PER_ROUND)
        room = asyncio.Semaphore(AT_ONCE)

        async def one(what: Planned[UserSession]) -> None:
            async with room:
                await self._carry_out(what)

        for error in await asyncio.gather(*(one(what) for what in todo), return_exceptions=True):
            if isinstance(error, BaseException):
                log.error("a session could not be put to sleep: %r", error)
        return len(todo)

    async def ahead(self, user: str) -> list[SessionAhead]:
        """Return what is to come of each session of a user."""
        now, overrides = time.time(), await self.overrides.current()
        async with self.database.reading() as session:
            rows = (await session.execute(_candidates().where(SessionRow.user == user))).all()
        return [_ahead(one, now, self.rules.timezone) for one in self._candidates(rows, now, overrides)]

    # --- what is known ---------------------------------------------------------------------------------------------

    async def _pages(self) -> AsyncIterator[Sequence[Any]]:
        query = _candidates().limit(PAGE)
        after = ("", "")
        while True:
            place = tuple_(SessionRow.user, SessionRow.name) > tuple_(*after)
            async with self.database.reading() as session:
                rows = (await session.execute(query.where(place) if any(after) else query)).all()
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            last = rows[-1]._mapping
            after = (last[SessionRow.user], last[SessionRow.name])

    def _plan(self, page: Sequence[Any], now: float, overrides: Overrides) -> list[Planned[UserSession]]:
        return plan(self._candidates(page, now, overrides), now, self.rules.timezone)

    def _candidates(self, rows: Sequence[Any], now: float, overrides: Overrides) -> Iterator[Candidate[UserSession]]:
        found = (row._mapping for row in rows)
        # The hub does not take default servers off its list.
        left = (row for row in found if row[SessionRow.name] or row[SessionRow.state] not in RESTING)
        return (self._candidate(row, now, overrides) for row in left)

    def _candidate(self, row: Mapping[Any, Any], now: float, overrides: Overrides) -> Candidate[UserSession]:
        session = _session(row)
        choice = Settings.model_validate(row[SettingsRow.values]).sleep if row[SettingsRow.values] else None
        entry = self.catalog.apps.get(session.app)
        who = Who(session.user, row[WatchedRow.groups] or ())
        app = entry.template.sleep if entry else Ladder()
        ladder = resolve(self.rules, app, who, choice, overrides.sleep(who))
        return Candidate(session, _facts(session, row, now), ladder)

    # --- what is done ----------------------------------------------------------------------------------------------

    async def _carry_out(self, what: Planned[UserSession]) -> None:
        session, due = what.session, what.verdict.due
        if what.verdict.act is Act.CALM:
            await self._tell(session, None, what.facts)
        elif what.verdict.act is Act.WARN and due is not None:
            await self._tell(session, due, what.facts)
        elif due is not None:
            match due.step:
                case Step.FREEZE:
                    await self._freeze(session, due, what.facts)
                case Step.HIBERNATE:
                    await self._hibernate(session, due, what.facts)
                case Step.STOP:
                    await self._stop(session, due, what.facts)
                case Step.DELETE:
                    await self._end(session, "session.delete", due.why, remove=True)

    async def _tell(self, session: UserSession, due: Due | None, facts: Facts) -> None:
        """Warn a session's viewers, or take a warning back."""
        order: dict[str, Any] = {"step": None}
        if due is not None:
            left = max(0.0, due.at - time.time())
            order = {"step": str(due.step), "seconds": left, "keepable": due.keepable, "if_idle": _idle(due, facts)}
        try:
            answer = await self.link.order(session, "warn", **order)
        except SessionAwayError as error:
            # Nobody looks at a session that does not answer; and it must not live for ever because of that.
            log.warning("%s/%s cannot be warned: %s", session.user, session.name, error)
            await self.remember(session, None, due)
            return
        await self.remember(session, answer, due if answer.done else None)

    async def _freeze(self, session: UserSession, due: Due, facts: Facts) -> None:
        answer = await self.link.order(session, "freeze", if_idle=_idle(due, facts))
        await self.remember(session, answer)
        if answer.done:
            await self._note(session, "session.freeze", Outcome.ALLOWED, due.why)
        elif answer.idle >= _idle(due, facts):
            self.later[_key(session)] = time.monotonic() + AGAIN
            log.warning("%s/%s was not frozen: %s", session.user, session.name, answer.message)
        await self.mirror.refresh(session.user)

    async def _hibernate(self, session: UserSession, due: Due, facts: Facts) -> None:
        try:
            answer = await self.hibernate(session, self.token, if_idle=_idle(due, facts))
        except (SessionAwayError, HubError) as error:
            self.later[_key(session)] = time.monotonic() + AGAIN
            await self._note(session, "session.hibernate", Outcome.FAILED, str(error))
            return
        if answer.done:
            self.attempts.pop(_key(session), None)
            await self._note(session, "session.hibernate", Outcome.ALLOWED, due.why)
        elif answer.idle >= _idle(due, facts):
            # What it did at that moment may be the reason, so it is tried again; then it is passed over, for the next
            # step of the ladder.
            await self._note(session, "session.hibernate", Outcome.FAILED, answer.message)
            self.later[_key(session)] = time.monotonic() + AGAIN
            attempts = self.attempts[_key(session)] = self.attempts.get(_key(session), 0) + 1
            if attempts < ATTEMPTS:
                return
            del self.attempts[_key(session)]
            async with self.database.writing() as transaction:
                row = await _row(transaction, session)
                row.memory, row.why_not = False, answer.message

    async def hibernate(self, session: UserSession, token: str, *, if_idle: float = 0.0) -> Answer:
        """Have a session's memory kept, tell the hub, and stop the session in the name of `token`'s owner.

        Where it is refused, the session goes on, and the answer says why. What was begun and not finished (a replica
        that is killed, a hub that is away) is finished by `round`.

        Raises:
            SessionAwayError: the session does not answer.
            HubError: the hub does not; the memory is kept, and `round` goes on.
        """
        await self._mark(session, time.time())
        # If it does not answer, nobody knows how far it has come: `round` looks.
        answer = await self.link.order(session, "hibernate", if_idle=if_idle)
        if not answer.done:
            await self._mark(session, None)
            await self.remember(session, answer)
        else:
            await self._put_away(session, answer, token)
        await self.mirror.refresh(session.user)
        return answer

    async def _put_away(self, session: UserSession, answer: Answer, token: str) -> None:
        since = answer.since or datetime.now(UTC).isoformat(timespec="seconds")
        try:
            await self.hub.tell_asleep(session.user, session.name, since=since, size=answer.size or 0)
            await self.hub.stop(session.user, session.name, token)
        except HubError as error:
            if error.status != 404:
                raise
            # It has ended already: somebody else was quicker.
        await self._mark(session, None)

    async def _mark(self, session: UserSession, now: float | None) -> None:
        """Write down that a session is being put to sleep, or (None) that this is over."""
        async with self.database.writing() as transaction:
            (await _row(transaction, session)).hibernating = now
        if now is not None:
            await self.mirror.refresh(session.user)

    async def _finish(self) -> None:
        """Go on with sessions that were being put to sleep when a replica, the hub or the session went away."""
        now = time.time()
        query = (
            select(SessionRow)
            .join(SleepRow, and_(SleepRow.user == SessionRow.user, SleepRow.name == SessionRow.name))
            # Or later than now: the clock has been set back since.
            .where(or_(SleepRow.hibernating < now - SETTLED, SleepRow.hibernating > now + SETTLED))
            .limit(PER_ROUND)
        )
        async with self.database.reading() as reading:
            left = [user_session(row) for row in (await reading.execute(query)).scalars()]
        for session in left:
            try:
                await self._finish_one(session)
            except (SessionAwayError, HubError) as error:
                log.warning("%s/%s is half asleep: %s", session.user, session.name, error)

    async def _finish_one(self, session: UserSession) -> None:
        if session.state is SessionState.HIBERNATING:
            answer = await self.link.activity(session)
            if answer.sleep == "hibernating":
                return
            if answer.sleep == "asleep":
                again = await self.link.order(session, "hibernate")
                await self._put_away(session, again, self.token)
        await self._mark(session, None)
        await self.mirror.refresh(session.user)

    async def _ask_for_memory(self) -> None:
        """Ask sessions of apps that are known to live on whether their memory can be kept, once for each start."""
        known = {name: one.template.unsandboxed for name, one in self.catalog.apps.items()}
        apps = [name for name, template in known.items() if template.sleep.memory is MemorySleep.YES]
        query = (
            select(SessionRow)
            .outerjoin(SleepRow, and_(SleepRow.user == SessionRow.user, SleepRow.name == SessionRow.name))
            .where(SessionRow.state == str(SessionState.RUNNING), SessionRow.app.in_(apps))
            .where(or_(SleepRow.memory.is_(None), SleepRow.started != SessionRow.started))
            .limit(PER_ROUND + len(self.unknown))
        )
        async with self.database.reading() as reading:
            found = [user_session(row) for row in (await reading.execute(query)).scalars()]
        await self._ask(found)

    async def _ask(self, found: Sequence[UserSession], *, how_idle: bool = False) -> None:
        """Ask sessions whether their memory can be kept, and, if that is wanted, how long they have not been used."""
        now = time.monotonic()
        self.unknown = {key: until for key, until in self.unknown.items() if until > now}
        room = asyncio.Semaphore(AT_ONCE)

        async def ask(session: UserSession) -> None:
            async with room:
                self.unknown[_key(session)] = now + UNKNOWN
                with suppress(SessionAwayError, HubError):
                    answer = await self.link.activity(session)
                    if how_idle or answer.memory is not None:
                        await self.remember(session, answer, warned=False)
                    if answer.memory is not None:
                        self.unknown.pop(_key(session), None)
                        await self.mirror.refresh(session.user)

        await asyncio.gather(*(ask(one) for one in found if how_idle or _key(one) not in self.unknown))

    async def _stop(self, session: UserSession, due: Due, facts: Facts) -> None:
        try:
            answer = await self.link.activity(session)
            if answer.idle < _idle(due, facts):
                await self.remember(session, answer)
                return
        except SessionAwayError as error:
            log.warning("%s/%s is stopped unasked: %s", session.user, session.name, error)
        await self._end(session, "session.stop", due.why, remove=False)

    async def _end(self, session: UserSession, action: str, why: str, *, remove: bool) -> None:
        await self._note(session, action, Outcome.ALLOWED, why)
        try:
            await self.hub.stop(session.user, session.name, self.token, remove=remove)
        except HubError as error:
            self.later[_key(session)] = time.monotonic() + AGAIN
            await self._note(session, action, Outcome.FAILED, error.message)
        await self.mirror.refresh(session.user)

    async def _note(self, session: UserSession, action: str, outcome: Outcome, reason: str) -> None:
        target = f"{session.user}/{session.name}"
        await self.audit.write(Attempt(self.actor, action, target, "sleep", "", outcome, reason, {"app": session.app}))

    async def remember(
        self, session: UserSession, answer: Answer | None, warned_of: Due | None = None, *, warned: bool = True
    ) -> None:
        """Write down what a session has said, and (unless it is not `warned`) what its viewers are now warned of."""
        async with self.database.writing() as transaction:
            row = await _row(transaction, session)
            if answer is not None:
                row.active = time.time() - answer.idle
                if not answer.frozen:
                    row.frozen = None
                elif row.frozen is None:
                    row.frozen = time.time()
                if row.memory is None and answer.memory is not None:
                    row.memory, row.why_not = answer.memory, answer.why_not
            if not warned:
                return
            told = warned_of
            row.step, row.told, row.lead = (str(told.step), told.at, told.lead) if told else (None, None, None)


def _candidates() -> Select[Any]:
    """Return the query for sessions that a ladder may have something for, with all that it asks for."""
    names = [getattr(SessionRow, name) for name in UserSession.model_fields]
    return (
        select(*names, WatchedRow.groups, SettingsRow.values, *SLEEP)
        .outerjoin(WatchedRow, WatchedRow.user == SessionRow.user)
        .outerjoin(SettingsRow, SettingsRow.user == SessionRow.user)
        .outerjoin(SleepRow, and_(SleepRow.user == SessionRow.user, SleepRow.name == SessionRow.name))
        .where(SessionRow.state.in_([str(state) for state in (*LIVE, *RESTING)]))
        .order_by(SessionRow.user, SessionRow.name)
    )


def _ahead(candidate: Candidate[UserSession], now: float, zone: str) -> SessionAhead:
    steps = [
        StepAhead(
            step=due.step,
            at=datetime.fromtimestamp(due.at, UTC).isoformat(timespec="seconds"),
            why=due.why,
            keepable=due.keepable,
        )
        for due in ahead(candidate.facts, candidate.rules.ladder, now, zone)
    ]
    return SessionAhead(name=candidate.session.name, steps=steps)


async def _row(transaction: AsyncSession, session: UserSession) -> SleepRow:
    row = await transaction.get(SleepRow, (session.user, session.name), with_for_update=True)
    started = session.started or ""
    if row is None:
        row = SleepRow(user=session.user, name=session.name, started=started, active=0.0)
        transaction.add(row)
    elif row.started != started:
        row.started, row.active, row.frozen = started, 0.0, None
        row.hibernating = row.memory = row.why_not = None
    return row


def _session(row: Mapping[Any, Any]) -> UserSession:
    return UserSession.model_construct(**{name: row[getattr(SessionRow, name)] for name in UserSession.model_fields})


def _adrift(page: Sequence[Any], now: float) -> list[UserSession]:
    """Return the live sessions that, as was written down, were last used after `now`: the clock has been set back."""
    live = (row._mapping for row in page if row._mapping[SessionRow.state] not in RESTING)
    return [_session(row) for row in live if _last_used(row, now) is None]


def _last_used(row: Mapping[Any, Any], now: float) -> float | None:
    started = row[SessionRow.started]
    said = row[SleepRow.active] if row[SLEEP[0]] == started else 0.0
    return last_used(seconds(started), seconds(row[SessionRow.last_activity]), said, now)


def last_used(started: float, last: float, said: float, now: float) -> float | None:
    """Return when a session was last used; None: that is not known, since the clock has been set back.

    Args:
        started: when it was started, by the hub's clock.
        last: when it was last active, by the hub's clock.
        said: when it was last active, as it has said by a clock that is never set; 0: it has not said yet.
        now: the time. What is later than that is not believed.
    """
    believed = [moment for moment in (started, last, said) if moment <= now + SLACK]
    if len(believed) == 3 or 0 < said <= now + SLACK:
        return max(believed)
    return None


def _facts(session: UserSession, row: Mapping[Any, Any], now: float) -> Facts:
    started, last = seconds(session.started), seconds(session.last_activity)
    if session.state in RESTING:
        # The hub's last word on a server is its end.
        return Facts(started, last, ended=last)
    known = row[SLEEP[0]] == session.started
    warned = None
    if known and row[SleepRow.step] is not None:
        warned = Warned(Step(row[SleepRow.step]), row[SleepRow.told], row[SleepRow.lead])
    active = _last_used(row, now)
    if active is None:
        active = now
    return Facts(
        started, active, frozen=session.state == SessionState.FROZEN, memory=bool(session.memory), warned=warned
    )


def _idle(due: Due, facts: Facts) -> float:
    """Return for how long a session must have been left alone for a step, by its own clock."""
    return max(0.0, time.time() - facts.active - SLACK) if due.keepable else 0.0


def _key(session: UserSession) -> tuple[str, str]:
    return session.user, session.name


async def _keep(lease: Lease) -> None:
    """Renew the lease, or take a free one: a round may take longer than it holds."""
    while True:
        await asyncio.sleep(LEASE / 4)
        with suppress(*Unreachable):  # the next round says it
            await lease.held()
