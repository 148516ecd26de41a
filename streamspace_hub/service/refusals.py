"""What the hub has refused to start by itself, from a tile or a page of its own, as lines of the audit log.

It leaves no trace in any server, so it is known only by being told. One replica writes it down: the leading one. What
was asked of a replica itself is noted there, with the address that it came from.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from streamspace_hub.model.api import Outcome
from streamspace_hub.service.audit import Attempt, AuditLog
from streamspace_hub.service.database import Unreachable

MOST = 1000
"""Refusals that wait to be written down; of more there is nothing new to learn."""

log = logging.getLogger("streamspace.service")


class Refusals:
    """The loop of one replica."""

    def __init__(self, audit: AuditLog, leads: Callable[[], Awaitable[bool]]) -> None:
        self._audit = audit
        self._leads = leads
        self._told: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(MOST)

    def note(self, change: Mapping[str, Any]) -> None:
        """Write this down in a moment."""
        if not self._told.full():
            self._told.put_nowait(change)

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            change = await self._told.get()
            try:
                if await self._leads():
                    await self._audit.write(attempt_of(change))
            except Unreachable as error:
                log.warning("a refusal was not noted: %s", type(error).__name__)


def attempt_of(change: Mapping[str, Any]) -> Attempt:
    """Return the line for what the hub has told: `user`, `server`, `reason`, and `by` whom it was asked."""
    return Attempt(
        actor=change.get("by"),
        action="session.create",
        target=f"{change['user']}/{change['server']}",
        origin="hub",
        request_id="",
        outcome=Outcome.DENIED,
        reason=change["reason"],
    )
