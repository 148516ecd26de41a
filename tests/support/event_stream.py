"""A user's events as a client follows them that is cut off now and then: from where it was, at another replica."""

from __future__ import annotations

import asyncio
import contextlib
import json

import httpx

from tests.support.service import LIMIT, Api


class Events:
    """Follows a user's events at one replica, and goes on at the other one when it is cut off."""

    def __init__(self, *apis: Api) -> None:
        self._apis = list(apis)
        self.seen: list[tuple[int, str, str]] = []
        """Of each event its number, the session's name, and its state; `removed` when it is off the list."""
        self._last: str | None = None
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def begin(self, last: str | None = None) -> None:
        """Connect, to go on after event `last`, and wait until connected."""
        self._last = last
        self._task = asyncio.create_task(self._follow())
        await asyncio.wait_for(self._connected.wait(), LIMIT)

    async def until(self, state: str) -> None:
        """Wait until an event with `state` was seen."""
        while state not in [seen for _, _, seen in self.seen]:
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        """Disconnect."""
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _follow(self) -> None:
        while True:
            api = self._apis[0]
            with contextlib.suppress(httpx.TransportError):
                await self._read(api)
            self._apis.append(self._apis.pop(0))
            await asyncio.sleep(0.05)

    async def _read(self, api: Api) -> None:
        headers = {"Last-Event-ID": self._last} if self._last else {}
        event: dict[str, str] = {}
        async with api.client.stream("GET", "/events", headers=headers) as stream:
            async for line in stream.aiter_lines():
                name, _, value = line.partition(": ")
                if line:
                    event[name] = value
                    continue
                self._last = event.get("id", self._last)
                self._connected.set()
                if event.get("event") in ("session", "removed"):
                    session = json.loads(event["data"])
                    state = session["state"] if event["event"] == "session" else "removed"
                    self.seen.append((int(event["id"]), session["name"], state))
                event = {}
