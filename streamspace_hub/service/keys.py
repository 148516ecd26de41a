"""Idempotency keys: a POST that is sent twice with the same key is carried out once, whichever replica gets it.

The key is claimed in the database before the work begins. Whoever works keeps the claim alive; when a replica is
killed in the middle, its claim runs out and the next try takes the work up again (all our work can be: starting what
has started finds it running). Answers are kept for a day. After draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from streamspace_hub.service.database import Database, Unreachable
from streamspace_hub.service.problems import ProblemError, retry_after
from streamspace_hub.service.tables import KeyRow

LEASE = 6.0
"""Seconds after which the claim of a silent worker may be taken over."""
REPLAYED = "Idempotency-Replayed"

log = logging.getLogger("streamspace.service")


@dataclass(frozen=True)
class Answer:
    """What a request was answered with."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)


def fingerprint(method: str, path: str, body: str) -> str:
    """Return what tells one request from another under the same key."""
    return hashlib.sha256(f"{method}\n{path}\n{body}".encode("utf-8", "surrogatepass")).hexdigest()


class Keys:
    """The keys in the database, as one replica uses them."""

    def __init__(self, database: Database, worker: str) -> None:
        self._database = database
        self._worker = worker

    async def once(self, caller: str, key: str | None, request: str, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the answer of `work`, or the one that was given to the same request before.

        Args:
            caller: who asks; others' keys are others'.
            key: the key; None does the work in any case.
            request: its `fingerprint`.
            work: what is to be done once. When it raises, nothing is kept, and the next try does it again.

        Raises:
            ProblemError: the key was used for another request, or that work is going on elsewhere.
        """
        if key is None:
            return await work()
        known = await self._claim(caller, key, request)
        if known is not None:
            return Answer(known.status, known.body, {**known.headers, REPLAYED: "true"})
        async with self._kept(caller, key):
            try:
                answer = await work()
            except BaseException:
                with suppress(Exception):  # the claim runs out by itself
                    await self._release(caller, key)
                raise
        try:
            await self._keep(caller, key, answer)
        except Unreachable as error:
            # It is done, and whoever asks hears of it; once the claim has run out, a repetition finds it done.
            log.warning("an answer could not be kept: %s", type(error).__name__)
        return answer

    async def _claim(self, caller: str, key: str, request: str) -> Answer | None:
        for _ in range(3):
            try:
                async with self._database.writing() as session:
                    row = await session.get(KeyRow, (caller, key), with_for_update=True)
                    now = time.time()
                    if row is None:
                        session.add(
                            KeyRow(
                                caller=caller,
                                key=key,
                                request=request,
                                created=now,
                                worker=self._worker,
                                lease=now + LEASE,
                            )
                        )
                        await session.flush()
                        return None
                    return self._known(row, request, now)
            except IntegrityError:  # somebody else was first; look again
                continue
        raise ProblemError("conflict", "A request with this idempotency key is at work.", headers=retry_after(1))

    def _known(self, row: KeyRow, request: str, now: float) -> Answer | None:
        if row.request != request:
            raise ProblemError(
                "idempotency-key-reused", "This Idempotency-Key was sent with another request; use a new one."
            )
        if row.status is not None:
            return Answer(row.status, row.body or "", dict(row.headers or {}))
        if row.lease > now:
            raise ProblemError(
                "conflict",
                "A request with this Idempotency-Key is being carried out; ask again in a moment.",
                headers=retry_after(row.lease - now),
            )
        row.worker, row.lease = self._worker, now + LEASE
        return None

    @asynccontextmanager
    async def _kept(self, caller: str, key: str) -> AsyncIterator[None]:
        """Keep the claim alive inside."""

        async def keep() -> None:
            while True:
                await asyncio.sleep(LEASE / 3)
                with suppress(Exception):
                    async with self._database.writing() as session:
                        await session.execute(self._own(caller, key).values(lease=time.time() + LEASE))

        task = asyncio.create_task(keep())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep(self, caller: str, key: str, answer: Answer) -> None:
        async with self._database.writing() as session:
            await session.execute(
                self._own(caller, key).values(status=answer.status, headers=answer.headers, body=answer.body)
            )

    async def _release(self, caller: str, key: str) -> None:
        async with self._database.writing() as session:
            row = await session.get(KeyRow, (caller, key), with_for_update=True)
            if row is not None and row.worker == self._worker and row.status is None:
                await session.delete(row)

    def _own(self, caller: str, key: str):  # type: ignore[no-untyped-def] # SQLAlchemy's Update has no simple type
        return update(KeyRow).where(KeyRow.caller == caller, KeyRow.key == key, KeyRow.worker == self._worker)
