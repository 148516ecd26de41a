"""The supervisor's connection to the root of the tree (`tree.sock`, spoken as the desktop's control socket).

Is closed before the tree's memory is kept: nothing may lead out of the tree then.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamspace_proxy.desktop.control import LINE_LIMIT, RefusedError

RETRY = 0.01
"""Seconds between attempts to connect: the tree's root listens some milliseconds after its start."""
REQUEST_LIMIT = 10.0
"""Seconds that an answer may take."""


class TreeLink:
    """Keeps the tree's status, and passes requests on."""

    def __init__(self, path: Path, on_status: Callable[[dict[str, Any]], None]) -> None:
        self._path = path
        self._on_status = on_status
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin connecting."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def request(self, op: str, **arguments: str) -> None:
        """Have the tree do something; raises RefusedError."""
        if self._writer is None:
            raise RefusedError("The desktop is not running yet. Wait until it is, then try again.")
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._send(self._writer, number, op, arguments)
            async with asyncio.timeout(REQUEST_LIMIT):
                fields = await answer
        except TimeoutError as error:
            raise RefusedError("The desktop does not answer. Try again, or restart the session.") from error
        finally:
            self._waiting.pop(number, None)
        if not fields.get("ok"):
            raise RefusedError(str(fields.get("error")))

    @staticmethod
    def _send(writer: asyncio.StreamWriter, number: int, op: str, arguments: dict[str, str]) -> None:
        writer.write(json.dumps({"id": number, "op": op, **arguments}).encode() + b"\n")

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_unix_connection(self._path, limit=LINE_LIMIT)
                self._writer = writer
                try:
                    await self._serve(reader, writer)
                finally:
                    self._writer = None
                    writer.close()
                    self._fail_waiting()
            await asyncio.sleep(RETRY)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._send(writer, next(self._ids), "subscribe", {})
        while line := await reader.readline():
            fields = json.loads(line)
            if "status" in fields:
                self._on_status(fields["status"])
            answer = self._waiting.get(fields.get("id", 0))
            if answer is not None and not answer.done():
                answer.set_result(fields)

    def _fail_waiting(self) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result({"ok": False, "error": "The desktop ended before it answered."})
