"""Second factors in the database: enrolled, shown, taken away. Knows no request; refusals are sentences.

A code or signature is taken once. Who shows wrong ones has to wait, longer each time, at every replica. Secrets are
encrypted with a key that the hub makes (`Hub.factors_key`): the database alone opens nothing.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import segno
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from streamspace_hub.model.api import NewTotp, SecondFactor
from streamspace_hub.service import passkeys, totp
from streamspace_hub.service.database import Database
from streamspace_hub.service.hub import Hub
from streamspace_hub.service.passkeys import Question, SecurityKey
from streamspace_hub.service.sealing import SealError, seal, unseal
from streamspace_hub.service.tables import FactorRow, TriesRow

FREE_TRIES = 5
"""Wrong ones in a row that cost no time."""
FIRST_WAIT = 30.0
LONGEST_WAIT = 3600.0
MOST = 10
"""Second factors of one user."""
ISSUER = "StreamSpace"
ANSWER_LIMIT = 300.0
"""Seconds that a user may take to touch a security key."""

Judge = Callable[[AsyncSession, TriesRow, bytes], Awaitable[bool]]


class FactorRefused(Exception):  # noqa: N818 - a decision, not a fault
    """It does not count. The text is a sentence for the user."""


class NoFactor(FactorRefused):
    """There is none that could be shown."""


class TooManyTries(FactorRefused):
    """Come again in `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__("Too many wrong ones in a row; wait a while.")
        self.seconds = seconds


def wait_after(failures: int) -> float:
    """Return the seconds to wait after so many wrong ones in a row."""
    if failures < FREE_TRIES:
        return 0.0
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - FREE_TRIES, 20))


class SecondFactors:
    """What users show besides their passwords."""

    def __init__(self, database: Database, hub: Hub) -> None:
        self._database = database
        self._hub = hub

    async def of(self, user: str) -> list[SecondFactor]:
        """Return a user's factors that count."""
        async with self._database.reading() as session:
            rows = (await session.execute(_ready(user).order_by(FactorRow.created))).scalars()
            return [SecondFactor.model_validate(_fields(row)) for row in rows]

    async def begin_totp(self, user: str, label: str) -> NewTotp:
        """Make the secret of an authenticator app; it counts once `finish_totp` has seen a code of it."""
        secret, key = totp.new_secret(), await self._hub.factors_key()
        async with self._database.writing() as session:
            await _tries(session, user)
            await _check_room(session, user)
            unused = (FactorRow.user == user, FactorRow.kind == "totp", FactorRow.ready.is_(False))
            await session.execute(delete(FactorRow).where(*unused))
            session.add(_row(user, "totp", label, secret, key))
        uri = totp.uri_of(secret, user, ISSUER)
        picture = segno.make(uri, micro=False).svg_data_uri(scale=4, light="white")
        return NewTotp(secret=totp.base32(secret), uri=uri, qr=picture)

    async def finish_totp(self, user: str, code: str) -> None:
        """Take the first code of an authenticator app. Raises FactorRefused."""

        async def judge(session: AsyncSession, tries: TriesRow, key: bytes) -> bool:
            rows = (await session.execute(_of(user, "totp").where(FactorRow.ready.is_(False)))).scalars().all()
            if not rows:
                raise NoFactor("No authenticator app is being set up; begin again.")
            row = _shown(rows, code, key)
            if row is not None:
                row.ready = True
            return row is not None

        await self._try(user, judge)

    async def show_code(self, user: str, code: str) -> None:
        """Take a code of an authenticator app. Raises FactorRefused."""

        async def judge(session: AsyncSession, tries: TriesRow, key: bytes) -> bool:
            rows = (await session.execute(_of(user, "totp").where(FactorRow.ready.is_(True)))).scalars().all()
            if not rows:
                raise NoFactor("You have not set up an authenticator app.")
            return _shown(rows, code, key) is not None

        await self._try(user, judge)

    async def ask_new_key(self, user: str, site: str) -> dict[str, Any]:
        """Return what a browser needs to set up a security key for `site`. Raises FactorRefused."""
        key = await self._hub.factors_key()
        async with self._database.writing() as session:
            tries = await _tries(session, user)
            await _check_room(session, user)
            question = passkeys.ask_new(site, user, await _keys(session, user, key))
            _put(tries, "new", site, question)
        return question.options

    async def take_new_key(self, user: str, site: str, label: str, answer: Mapping[str, Any]) -> None:
        """Take the security key that a browser has set up. Raises FactorRefused."""

        async def judge(session: AsyncSession, tries: TriesRow, key: bytes) -> bool:
            state = _pull(tries, "new", site)
            try:
                new, counter = passkeys.take_new(site, state, answer)
            except passkeys.KeyRefused:
                return False
            await _check_room(session, user)
            row = _row(user, "webauthn", label, new.text(), key)
            row.ready, row.counter = True, counter
            session.add(row)
            return True

        await self._try(user, judge)

    async def ask_key(self, user: str, site: str) -> dict[str, Any]:
        """Return what a browser needs to have one of a user's security keys sign. Raises FactorRefused."""
        key = await self._hub.factors_key()
        async with self._database.writing() as session:
            keys = [one for one in await _keys(session, user, key) if one.site == site]
            if not keys:
                raise NoFactor(f"You have not set up a security key for {site}.")
            question = passkeys.ask(site, keys)
            _put(await _tries(session, user), "show", site, question)
        return question.options

    async def show_key(self, user: str, site: str, answer: Mapping[str, Any]) -> None:
        """Take the signature of a security key. Raises FactorRefused."""

        async def judge(session: AsyncSession, tries: TriesRow, key: bytes) -> bool:
            state = _pull(tries, "show", site)
            rows = (await session.execute(_of(user, "webauthn"))).scalars().all()
            known = {SecurityKey.of(_open(row, key)): row for row in rows}
            try:
                signed, counter = passkeys.take(site, state, list(known), answer)
            except passkeys.KeyRefused:
                return False
            if not passkeys.goes_on(counter, known[signed].counter):
                return False
            known[signed].counter = counter
            return True

        await self._try(user, judge)

    async def remove_all(self, user: str) -> None:
        """Take all of a user's factors away, and what they have to wait for."""
        async with self._database.writing() as session:
            for table in (FactorRow, TriesRow):
                await session.execute(delete(table).where(table.user == user))
        await self._hub.forget_proven(user)

    async def _try(self, user: str, judge: Judge) -> None:
        """Have `judge` look at what is shown, if it is not too soon, and remember how it went."""
        key, now = await self._hub.factors_key(), time.time()
        async with self._database.writing() as session:
            # Locked: of two that show the same code at once, one is second.
            tries = await session.get(TriesRow, user, with_for_update=True)
            if tries is None:
                raise NoFactor("You have not set up a second factor.")
            if tries.next_try > now:
                raise TooManyTries(tries.next_try - now)
            right = await judge(session, tries, key)
            tries.failures = 0 if right else tries.failures + 1
            tries.next_try = 0.0 if right else now + wait_after(tries.failures)
        if not right:
            raise FactorRefused("That is not right, or was used already.")


async def _tries(session: AsyncSession, user: str) -> TriesRow:
    """Return a user's row, locked; of two that make the first one at once, one is told to try again."""
    row = await session.get(TriesRow, user, with_for_update=True)
    if row is None:
        row = TriesRow(user=user, failures=0, next_try=0.0)
        session.add(row)
        try:
            await session.flush()
        except IntegrityError:
            raise FactorRefused("Another one is being set up at this moment; try again.") from None
    return row


async def _check_room(session: AsyncSession, user: str) -> None:
    if len((await session.execute(_ready(user))).scalars().all()) >= MOST:
        raise FactorRefused(f"You have {MOST} second factors already, which is as many as one may have.")


async def _keys(session: AsyncSession, user: str, key: bytes) -> list[SecurityKey]:
    rows = (await session.execute(_of(user, "webauthn"))).scalars()
    return [SecurityKey.of(_open(row, key)) for row in rows]


def _row(user: str, kind: str, label: str, content: bytes, key: bytes) -> FactorRow:
    number = secrets.token_hex(16)
    return FactorRow(
        id=number,
        user=user,
        kind=kind,
        label=label,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        ready=False,
        sealed=seal(key, content, user, number),
        counter=-1,
    )


def _open(row: FactorRow, key: bytes) -> bytes:
    try:
        return unseal(key, row.sealed, row.user, row.id)
    except SealError as error:
        raise NoFactor(f"An administrator has to take your second factors away: {error}.") from None


def _put(tries: TriesRow, what: str, site: str, question: Question) -> None:
    """Keep what the answer to a question is checked with; it takes the place of an earlier one."""
    tries.challenge = json.dumps({"what": what, "site": site, "state": question.state})
    tries.challenge_until = time.time() + ANSWER_LIMIT


def _pull(tries: TriesRow, what: str, site: str) -> dict[str, Any]:
    """Return what an answer is checked with, once."""
    kept = json.loads(tries.challenge or "{}")
    if (kept.get("what"), kept.get("site")) != (what, site) or (tries.challenge_until or 0.0) < time.time():
        raise NoFactor("No security key was asked for, or it took too long; begin again.")
    tries.challenge = tries.challenge_until = None
    state: dict[str, Any] = kept["state"]
    return state


def _of(user: str, kind: str):  # type: ignore[no-untyped-def] # SQLAlchemy's Select has no simple type
    return select(FactorRow).where(FactorRow.user == user, FactorRow.kind == kind)


def _ready(user: str):  # type: ignore[no-untyped-def] # likewise
    return select(FactorRow).where(FactorRow.user == user, FactorRow.ready.is_(True))


def _shown(rows: Sequence[FactorRow], code: str, key: bytes) -> FactorRow | None:
    """Return the row whose app shows `code`, which is then used up; None if there is none."""
    for row in rows:
        step = totp.step_of(_open(row, key), code, time.time(), row.counter)
        if step is not None:
            row.counter = step
            return row
    return None


def _fields(row: FactorRow) -> dict[str, str]:
    return {name: getattr(row, name) for name in SecondFactor.model_fields}
