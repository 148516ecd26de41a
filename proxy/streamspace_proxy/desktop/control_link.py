"""The client's end of a control socket (docs/reference/environment.md): status in, requests out.

Connects again by itself, until it is closed: for a memory image nothing may lead out of the tree. Knows no desktops.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from streamspace_proxy.desktop.control import LINE_LIMIT, RefusedError

logger = logging.getLogger(__name__)
REQUEST_LIMIT = 10.0
"""Seconds that an answer may take."""


class ControlLink:
    """Hands on each status that comes, and passes requests on.

    `lost` is called when a connection has ended. `away` is the sentence for who asks while there is none. `pauses` are
    the seconds before each further attempt to connect; the last one stays.
    """

    def __init__(
        self,
        path: Path,
        on_status: Callable[[dict[str, Any]], None],
        *,
        away: str,
        pauses: Sequence[float],
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._path = path
        self._on_status = on_status
        self._lost = lost
        self._away = away
        self._pauses = pauses
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin connecting; the task ends by a fault only."""
        self._task = asyncio.create_task(self._run(), name="control-link")
        return self._task

    async def close(self) -> None:
        """End the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def request(self, op: str, **arguments: str) -> dict[str, Any]:
        """Send one request and return its answer; raises RefusedError."""
        return await self.request_within(REQUEST_LIMIT, op, **arguments)

    async def request_within(self, seconds: float, op: str, **arguments: str) -> dict[str, Any]:
        """Send a request whose answer may take so many `seconds`; raises RefusedError."""
        if self._writer is None:
            raise RefusedError(self._away)
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            _send(self._writer, number, op, arguments)
            async with asyncio.timeout(seconds):
                fields = await answer
        except TimeoutError as error:
            raise RefusedError("The desktop does not answer. Try again, or restart the session.") from error
        finally:
            self._waiting.pop(number, None)
        if not fields.get("ok"):
            raise RefusedError(str(fields.get("error", "The desktop refused.")))
        return fields

    async def _run(self) -> None:
        attempt = 0
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path, limit=LINE_LIMIT)
            except OSError:
                await asyncio.sleep(self._pauses[min(attempt, len(self._pauses) - 1)])
                attempt += 1
                continue
            attempt = 0
            try:
                await self._serve(reader, writer)
            except (OSError, ValueError) as error:  # ValueError: a line beyond the limit
                logger.warning("desktop: the control socket failed: %r", error)
            finally:
                self._writer = None
                writer.close()
                self._fail_waiting()
            self._lost()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        _send(writer, next(self._ids), "subscribe", {})
        while line := await reader.readline():
            try:
                fields = json.loads(line)
            except ValueError:
                logger.warning("desktop: a line that is not JSON was ignored")
                continue
            if not isinstance(fields, dict):
                continue
            if isinstance(fields.get("status"), dict):
                self._on_status(fields["status"])
            answer = self._waiting.get(fields.get("id", 0))
            if answer is not None and not answer.done():
                answer.set_result(fields)

    def _fail_waiting(self) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result({"ok": False, "error": "The desktop ended before it answered."})


def _send(writer: asyncio.StreamWriter, number: int, op: str, arguments: dict[str, str]) -> None:
    writer.write(json.dumps({"id": number, "op": op, **arguments}).encode() + b"\n")
