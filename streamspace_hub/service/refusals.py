"""Brings what the hub has refused to start into the audit log, each refusal once, whoever dies meanwhile.

The hub tells it until it is acknowledged; by an idempotency key it is known then. What was asked of a replica is noted
there, with the address that it came from. All else the leading one notes, and that, too, if it does not come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError

from streamspace_hub.model.api import Outcome
from streamspace_hub.service.audit import Attempt, AuditLog
from streamspace_hub.service.database import Database
from streamspace_hub.service.hub import Hub, HubError, Refusal
from streamspace_hub.service.steps import again_and_again
from streamspace_hub.service.tables import KeyRow

EVERY = 5.0
"""Seconds between looks when nothing is told of: another replica may have led until then."""
SETTLED = 10.0
"""Seconds after which a replica that was asked has noted it, or was killed."""
CALLER = "hub"
"""Whose idempotency keys they are: nobody's who asks us, `user:NAME` or `service:NAME`."""


class Refusals:
    """The loop of one replica."""

    def __init__(self, database: Database, hub: Hub, audit: AuditLog, leads: Callable[[], Awaitable[bool]]) -> None:
        self._database = database
        self._hub = hub
        self._audit = audit
        self._leads = leads
        self._something = asyncio.Event()

    def look(self) -> None:
        """Look now: something was refused, or the hub has just been found."""
        self._something.set()

    async def run(self) -> None:
        """Go on until cancelled; what could not be noted is noted later."""
        await again_and_again(self._step, self._something, EVERY, "noting what the hub has refused")

    async def note(self, attempt: Attempt, key: str | None) -> None:
        """Write a line of what this replica was asked for and was not done.

        Args:
            attempt: what the line says.
            key: what the hub calls its refusal; None: there was none, or the hub had answered before it refused.
        """
        key = key or await self._key_of(attempt)
        await self._write(attempt, key)
        if key is not None:
            with suppress(HubError):  # it comes again
                await self._hub.took_refusals([key])

    async def _key_of(self, attempt: Attempt) -> str | None:
        """Return what the hub calls its refusal of this request, if it has refused it."""
        user, _, server = (attempt.target or "").rpartition("/")
        with suppress(HubError):
            if found := await self._hub.refusal(user, server, attempt.request_id):
                return found.key
        return None

    async def _write(self, attempt: Attempt, key: str | None) -> None:
        """Write a line, unless there is one of the refusal `key`."""
        try:
            async with self._database.writing() as session:
                if key is not None:
                    now = time.time()
                    session.add(KeyRow(caller=CALLER, key=key, request="", created=now, worker="", lease=now, status=0))
                    await session.flush()
                line = await self._audit.add(session, attempt)
        except IntegrityError:
            return
        self._audit.publish(line)

    async def _step(self) -> None:
        while await self._leads() and await self.take():
            pass

    async def take(self) -> bool:
        """Note what there is, but for what is noted elsewhere in a moment; return whether there was anything."""
        settled = time.time() - SETTLED
        refusals = [one for one in await self._hub.refusals() if not one.request or one.at < settled]
        for refusal in refusals:
            await self._write(attempt_of(refusal), refusal.key)
        if refusals:
            await self._hub.took_refusals([refusal.key for refusal in refusals])
        return bool(refusals)


def attempt_of(refusal: Refusal) -> Attempt:
    """Return the line for what the hub has refused."""
    return Attempt(
        actor=refusal.by,
        action="session.create",
        target=f"{refusal.user}/{refusal.server}",
        origin="hub",
        request_id=refusal.request,
        outcome=Outcome.DENIED,
        reason=refusal.reason,
        details={"at": datetime.fromtimestamp(refusal.at, UTC).isoformat(timespec="milliseconds")},
    )
