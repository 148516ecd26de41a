"""The control socket: one JSON object for each line. Knows the protocol, and of the desktop only `Controlled`.

Described in docs/reference/environment.md, "Desktop control socket".
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from streamspace_proxy.desktop.usage import usage

LINE_LIMIT = 1 << 16
"""Longest line in bytes."""
_BACKLOG_LIMIT = 1 << 18
"""Bytes that may wait for a subscriber that does not read; beyond it the subscriber is dropped."""

_ARGUMENTS = {"open": "path", "hibernate": "folder"}
_Fields = dict[str, Any]
_Operation = Callable[[asyncio.StreamWriter, _Fields], _Fields | Awaitable[_Fields]]


class RefusedError(Exception):
    """A request cannot be carried out; the text is the sentence for the user."""


class Controlled(Protocol):
    """What the socket gives access to."""

    def status_object(self) -> _Fields:
        """Return the status object of now."""

    def restart_app(self) -> Awaitable[None] | None:
        """Start the app again; raises RefusedError."""

    def open_file(self, path: str) -> Awaitable[None] | None:
        """Run the app's command with a file; raises RefusedError."""

    def request_stop(self) -> None:
        """End the app, then the desktop."""


class Sleeper(Protocol):
    """What can be put to sleep; each operation returns the fields of its answer, or raises RefusedError."""

    async def check(self) -> _Fields:
        """Say whether memory can be kept."""

    async def freeze(self) -> _Fields:
        """Stop all processes."""

    async def thaw(self) -> _Fields:
        """Let them go on."""

    async def hibernate(self, folder: str) -> _Fields:
        """Put memory into an image and end all processes."""


def parse_request(line: bytes) -> _Fields:
    """Decode one line into a request with an integer `id`; raises RefusedError with a sentence."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RefusedError("The line is not a JSON object.") from error
    if not isinstance(request, dict):
        raise RefusedError("The line is not a JSON object.")
    number = request.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        raise RefusedError("`id` must be an integer.")
    return request


def check_fields(request: _Fields) -> None:
    """Check everything but `op`; raises RefusedError with a sentence that names the field."""
    fields = {"id", "op"}
    if argument := _ARGUMENTS.get(request["op"]) if isinstance(request.get("op"), str) else None:
        fields.add(argument)
        if not isinstance(request.get(argument), str):
            raise RefusedError(f"`{argument}` must be a string.")
    if unknown := sorted(set(request) - fields):
        raise RefusedError(f"Unknown field `{unknown[0][:40]}`; known are {', '.join(sorted(fields))}.")


class ControlServer:
    """Answers requests and tells subscribers of every change."""

    def __init__(self, desktop: Controlled, sleeper: Sleeper | None = None) -> None:
        self._desktop = desktop
        self._subscribers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._operations: dict[str, _Operation] = {
            "status": self._status,
            "subscribe": self._subscribe,
            "usage": lambda _, request: usage(os.getpid()),
            "restart_app": self._restart_app,
            "open": self._open,
            "stop": self._stop,
        }
        if sleeper is not None:
            self._operations |= {
                "check": lambda _, request: sleeper.check(),
                "freeze": lambda _, request: sleeper.freeze(),
                "thaw": lambda _, request: sleeper.thaw(),
                "hibernate": lambda _, request: sleeper.hibernate(request["folder"]),
            }

    async def start(self, path: Path, *, for_group: bool = False) -> None:
        """Listen on `path`, for its owner only or also for the owner's group."""
        listener = _listen(path, 0o117 if for_group else 0o177)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LINE_LIMIT)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._connections):
            writer.close()

    def publish(self) -> None:
        """Send the status to all subscribers."""
        line = _line({"event": "status", "status": self._desktop.status_object()})
        for writer in list(self._subscribers):
            if writer.transport.get_write_buffer_size() > _BACKLOG_LIMIT:
                writer.transport.abort()
            else:
                writer.write(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while line := await reader.readline():
                writer.write(_line(await self._answer(writer, line)))
                await writer.drain()
        except ValueError:  # readline: no end of line within the limit
            writer.write(_line(_error(None, f"The line is longer than {LINE_LIMIT} bytes.")))
        except ConnectionError:
            pass
        finally:
            self._subscribers.discard(writer)
            self._connections.discard(writer)
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, line: bytes) -> _Fields:
        number: int | None = None
        try:
            request = parse_request(line)
            number = request["id"]
            check_fields(request)
            operation = self._operations.get(request["op"]) if isinstance(request.get("op"), str) else None
            if operation is None:
                raise RefusedError(f"`op` must be one of {', '.join(sorted(self._operations))}.")
            fields = operation(writer, request)
            return {"id": number, "ok": True, **(await fields if inspect.isawaitable(fields) else fields)}
        except RefusedError as refusal:
            return _error(number, str(refusal))

    def _status(self, writer: asyncio.StreamWriter, request: _Fields) -> _Fields:
        return {"status": self._desktop.status_object()}

    def _subscribe(self, writer: asyncio.StreamWriter, request: _Fields) -> _Fields:
        self._subscribers.add(writer)
        return self._status(writer, request)

    async def _restart_app(self, writer: asyncio.StreamWriter, request: _Fields) -> _Fields:
        if (done := self._desktop.restart_app()) is not None:
            await done
        return {}

    async def _open(self, writer: asyncio.StreamWriter, request: _Fields) -> _Fields:
        if (done := self._desktop.open_file(request["path"])) is not None:
            await done
        return {}

    def _stop(self, writer: asyncio.StreamWriter, request: _Fields) -> _Fields:
        self._desktop.request_stop()
        return {}


def _listen(path: Path, umask: int) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(umask)  # the socket must not be open to others for a moment either
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    return listener


def _line(message: _Fields) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _error(number: int | None, sentence: str) -> _Fields:
    return {"id": number, "ok": False, "error": sentence}
