"""The control socket: one JSON object for each line. Knows the protocol, and of the desktop only `Controlled`.

Described in docs/reference/environment.md, "Desktop control socket".
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

LINE_LIMIT = 1 << 16
"""Longest line in bytes."""
_BACKLOG_LIMIT = 1 << 18
"""Bytes that may wait for a subscriber that does not read; beyond it the subscriber is dropped."""


class RefusedError(Exception):
    """A request cannot be carried out; the text is the sentence for the user."""


class Controlled(Protocol):
    """What the socket gives access to."""

    def status_object(self) -> dict[str, Any]:
        """Return the status object of now."""

    def restart_app(self) -> None:
        """Start the app again; raises RefusedError."""

    def open_file(self, path: str) -> None:
        """Run the app's command with a file; raises RefusedError."""

    def request_stop(self) -> None:
        """End the app, then the desktop."""


def parse_request(line: bytes) -> dict[str, Any]:
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


def check_fields(request: dict[str, Any]) -> None:
    """Check everything but `op`; raises RefusedError with a sentence that names the field."""
    fields = {"id", "op"}
    if request.get("op") == "open":
        fields.add("path")
        if not isinstance(request.get("path"), str):
            raise RefusedError("`path` must be a string.")
    if unknown := sorted(set(request) - fields):
        raise RefusedError(f"Unknown field `{unknown[0][:40]}`; known are {', '.join(sorted(fields))}.")


class ControlServer:
    """Answers requests and tells subscribers of every change."""

    def __init__(self, desktop: Controlled) -> None:
        self._desktop = desktop
        self._subscribers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._operations: dict[str, Callable[[asyncio.StreamWriter, dict[str, Any]], dict[str, Any]]] = {
            "status": self._status,
            "subscribe": self._subscribe,
            "restart_app": self._restart_app,
            "open": self._open,
            "stop": self._stop,
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
                writer.write(_line(self._answer(writer, line)))
                await writer.drain()
        except ValueError:  # readline: no end of line within the limit
            writer.write(_line(_error(None, f"The line is longer than {LINE_LIMIT} bytes.")))
        except ConnectionError:
            pass
        finally:
            self._subscribers.discard(writer)
            self._connections.discard(writer)
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, line: bytes) -> dict[str, Any]:
        number: int | None = None
        try:
            request = parse_request(line)
            number = request["id"]
            check_fields(request)
            operation = self._operations.get(request["op"]) if isinstance(request.get("op"), str) else None
            if operation is None:
                raise RefusedError(f"`op` must be one of {', '.join(sorted(self._operations))}.")
            return {"id": number, "ok": True, **operation(writer, request)}
        except RefusedError as refusal:
            return _error(number, str(refusal))

    def _status(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> dict[str, Any]:
        return {"status": self._desktop.status_object()}

    def _subscribe(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> dict[str, Any]:
        self._subscribers.add(writer)
        return self._status(writer, request)

    def _restart_app(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> dict[str, Any]:
        self._desktop.restart_app()
        return {}

    def _open(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> dict[str, Any]:
        self._desktop.open_file(request["path"])
        return {}

    def _stop(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> dict[str, Any]:
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


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _error(number: int | None, sentence: str) -> dict[str, Any]:
    return {"id": number, "ok": False, "error": sentence}
