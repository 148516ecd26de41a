"""What the hub tells as it happens, so that nobody waits for our next look at it.

A hub without `streamspace_hub.changes` tells nothing; then sessions are known by looking, a little later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from streamspace_hub.service.hub import Hub, HubError

RETRY = 1.0
ABSENT = 60.0
"""Seconds until a hub that has no such thing is asked again: it may have been restarted with it."""

log = logging.getLogger("streamspace.service")


class Told(asyncio.Event):
    """Set when the hub has told what was expected."""

    model: Mapping[str, Any] | None = None
    """The server as the hub would show it, if it has told that too; read it once."""


class HubChanges:
    """The hub's word, heard by one replica."""

    def __init__(
        self,
        hub: Hub,
        on_change: Callable[[str, Mapping[str, Any] | None], None],
        on_found: Callable[[], None],
        on_refused: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._on_found = on_found
        self._on_change = on_change
        self._on_refused = on_refused
        self._expected: dict[tuple[str, str, str], set[Told]] = {}
        self.heard = False
        """Whether the hub tells what happens, at present."""

    async def run(self) -> None:
        """Listen until cancelled, through restarts of the hub."""
        while True:
            pause = RETRY
            try:
                async for change in self._hub.changes():
                    self.heard = True
                    if change is None:
                        self._on_found()
                        continue
                    self._take(change)
            except HubError as error:
                if error.status in (403, 404):
                    pause = ABSENT
                log.info("the hub does not tell of changes: %s", error)
            self.heard = False
            await asyncio.sleep(pause)

    @contextmanager
    def expect(self, user: str, server: str, what: str) -> Iterator[Told]:
        """Give an event that is set when the hub tells `what` of a server."""
        event, key = Told(), (user, server, what)
        self._expected.setdefault(key, set()).add(event)
        try:
            yield event
        finally:
            self._expected[key].discard(event)
            if not self._expected[key]:
                del self._expected[key]

    def _take(self, change: Mapping[str, Any]) -> None:
        user, server, what = change["user"], change["server"], change["what"]
        if what == "refused":
            self._on_refused()
            return
        for event in self._expected.get((user, server, what), ()):
            event.model = change.get("model")
            event.set()
        self._on_change(user, change.get("model"))
