"""`GET /hub/api/streamspace/changes`: the service hears at once whose servers have changed, as server-sent events.

It says whose and which; the service asks the hub's own API for more, except of a start: how the server stands is told
with it, since the hub has no time to be asked just then. Knows JupyterHub's handlers; spawners find what tells them on
the board that `install` puts into the hub's `tornado_settings`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tornado.iostream import StreamClosedError

from streamspace_hub.to_services import ToServices

PATH = r"/api/streamspace/changes"
BOARD, ENTRY = "streamspace", "changes"
KEEPALIVE = 15.0
MOST = 10_000
"""Changes that wait for a listener; one that is slower has to begin again."""


class Changes:
    """Tells all listeners of this hub. For the hub's event loop alone."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[str]] = set()

    def tell(self, user: str, server: str, what: str, **more: Any) -> None:
        """Tell of a user's server.

        Args:
            user: whose it is.
            server: its name.
            what: `state`: it has changed; `accepted`: its start is not refused; `refused`: it is (`refusals` says why).
            more: with `accepted`, `model`: the server as the hub's API would show it.
        """
        if not self._listeners:
            return
        line = json.dumps({"user": user, "server": server, "what": what, **more})
        for listener in list(self._listeners):
            try:
                listener.put_nowait(line)
            except asyncio.QueueFull:
                self._listeners.discard(listener)

    def listen(self) -> asyncio.Queue[str]:
        """Return a queue of what is told from now on."""
        queue: asyncio.Queue[str] = asyncio.Queue(MOST)
        self._listeners.add(queue)
        return queue

    def hears(self, queue: asyncio.Queue[str]) -> bool:
        """Return whether `queue` still gets everything."""
        return queue in self._listeners

    def leave(self, queue: asyncio.Queue[str]) -> None:
        """Tell `queue` nothing more."""
        self._listeners.discard(queue)


class ChangesHandler(ToServices):
    """The stream."""

    def initialize(self) -> None:
        """Be there for spawners from the first listener on."""
        self._changes: Changes = self.settings[BOARD].setdefault(ENTRY, Changes())

    async def get(self) -> None:
        """Stream until the listener goes away, or was too slow."""
        self.check_scopes()
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        queue = self._changes.listen()
        try:
            await self._send(": from here on\n\n")
            while self._changes.hears(queue):
                await self._send(await self._next(queue))
        except StreamClosedError:
            pass
        finally:
            self._changes.leave(queue)

    async def _next(self, queue: asyncio.Queue[str]) -> str:
        try:
            return f"data: {await asyncio.wait_for(queue.get(), KEEPALIVE)}\n\n"
        except TimeoutError:
            return ": still here\n\n"

    async def _send(self, text: str) -> None:
        self.write(text)
        await self.flush()
