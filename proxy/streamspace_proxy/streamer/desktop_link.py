"""The streamer's end of the desktop's control socket (docs/reference/environment.md): status in, requests out.

Connects again for as long as the streamer lives. Knows no viewers.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

logger = logging.getLogger(__name__)
# A desktop that is woken from its image listens when it is whole, after some tenths of a second.
RETRY_SECONDS: Final = (*[0.05] * 40, 0.25, 0.5, 1.0)
REQUEST_SECONDS: Final = 10.0
LINE_LIMIT: Final = 1 << 16

Status = dict[str, Any]
NO_DESKTOP: Final[Status] = {
    "state": "starting",
    "display": None,
    "message": "Waiting for the desktop",
    "app": {"state": "starting", "pid": None, "exit_code": None, "signal": None, "restarts": 0},
}


class DesktopError(Exception):
    """The desktop refused a request, or cannot be reached; the text is a sentence for the user."""


class DesktopLink:
    """Subscribes to the desktop's status and passes requests on."""

    def __init__(self, path: Path, on_status: Callable[[Status], None]) -> None:
        self._path = path
        self._on_status = on_status
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self.status: Status = NO_DESKTOP

    def start(self) -> asyncio.Task[None]:
        """Begin connecting; the task ends by a fault only."""
        self._task = asyncio.create_task(self._run(), name="desktop-link")
        return self._task

    async def close(self) -> None:
        """End the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def request(self, op: str, **arguments: str) -> dict[str, Any]:
        """Send one request and return its answer; raises DesktopError."""
        if self._writer is None:
            raise DesktopError("The desktop is not running at present. Wait until it is, then try again.")
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._writer.write(json.dumps({"id": number, "op": op, **arguments}).encode() + b"\n")
            async with asyncio.timeout(REQUEST_SECONDS):
                fields = await answer
        except TimeoutError as error:
            raise DesktopError("The desktop does not answer. Try again, or restart the session.") from error
        finally:
            self._waiting.pop(number, None)
        if not fields.get("ok"):
            raise DesktopError(str(fields.get("error", "The desktop refused.")))
        return fields

    async def _run(self) -> None:
        attempt = 0
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path, limit=LINE_LIMIT)
            except OSError:
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
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
            self._set_status(NO_DESKTOP)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        subscription = next(self._ids)
        writer.write(json.dumps({"id": subscription, "op": "subscribe"}).encode() + b"\n")
        while line := await reader.readline():
            try:
                fields = json.loads(line)
            except ValueError:
                logger.warning("desktop: a line that is not JSON was ignored")
                continue
            if not isinstance(fields, dict):
                continue
            if isinstance(fields.get("status"), dict):
                self._set_status(fields["status"])
            answer = self._waiting.get(fields.get("id", 0))
            if answer is not None and not answer.done():
                answer.set_result(fields)

    def _fail_waiting(self) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result({"ok": False, "error": "The desktop ended before it answered."})

    def _set_status(self, status: Status) -> None:
        if status != self.status:
            self.status = status
            self._on_status(status)
