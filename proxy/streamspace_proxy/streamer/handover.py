"""Takes viewers' own sockets from the Jupyter extension, so that no process stands between a viewer and the streamer.

The extension has read a WebSocket request, authorised it, and sends the connection itself (SCM_RIGHTS, unix(7)) with
one JSON object that says whose it is. Here the request is made up anew from what is known and answered as if it had
just been read. The identity belongs to the connection: whatever else a viewer may write on it, headers included,
changes nothing about who they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from pathlib import Path
from typing import Annotated, Final, Literal
from weakref import WeakKeyDictionary

from aiohttp import web
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from streamspace_hub.model import Role
from streamspace_hub.model.turn import IceServer

logger = logging.getLogger(__name__)
LARGEST: Final = 64 * 1024


class Handover(BaseModel):
    """What the extension says of a connection."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: Annotated[str, StringConstraints(min_length=1)]
    role: Role
    path: Literal["ws", "rfb"]
    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{22}==$")]
    """`Sec-WebSocket-Key` (RFC 6455, 4.1)."""
    protocols: tuple[Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$")], ...] = ()
    ice_servers: tuple[IceServer, ...] = ()

    def request(self) -> bytes:
        """Return the head of the request that opens the WebSocket."""
        lines = [
            f"GET /{self.path} HTTP/1.1",
            "Host: streamer",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {self.key}",
        ]
        if self.protocols:
            lines.append(f"Sec-WebSocket-Protocol: {', '.join(self.protocols)}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")


class HandoverServer:
    """Listens for connections that are handed over; `of` tells whose a request's is."""

    def __init__(self) -> None:
        self._identities: WeakKeyDictionary[asyncio.BaseTransport, Handover] = WeakKeyDictionary()
        self._listener: socket.socket | None = None
        self._path: Path | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def of(self, request: web.Request) -> Handover | None:
        """Return what is known of the request's connection; None: it came over the streamer's own socket."""
        return None if request.transport is None else self._identities.get(request.transport)

    def start(self, path: Path, server: web.Server) -> None:
        """Listen on `path`, mode 0600; `server` answers on the connections."""
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(128)
        self._listener, self._path = listener, path
        asyncio.get_running_loop().add_reader(listener, self._accept, listener, server)

    def close(self) -> None:
        """Listen no more; what was taken is the server's to end."""
        if self._listener is not None and self._path is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._path.unlink(missing_ok=True)
        for task in self._tasks:
            task.cancel()

    def _accept(self, listener: socket.socket, server: web.Server) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            task = asyncio.create_task(self._take(connection, server))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take(self, connection: socket.socket, server: web.Server) -> None:
        """Take the one connection that is sent, and have it served."""
        with connection:
            await _readable(connection)
            data, descriptors, _, _ = socket.recv_fds(connection, LARGEST, 1)
        viewers = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        try:
            handover = Handover.model_validate_json(data)
            (viewer,) = viewers
        except (ValidationError, ValueError) as error:
            count = error.error_count() if isinstance(error, ValidationError) else 1
            logger.warning("a connection was handed over with %d errors in its description", count)
            for viewer in viewers:
                viewer.close()
            return
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # gone already
            await loop.connect_accepted_socket(lambda: _Opening(self, handover, server), viewer)

    def know(self, transport: asyncio.BaseTransport, handover: Handover) -> None:
        """Note whose the connection is."""
        self._identities[transport] = handover


class _Opening(asyncio.Protocol):
    """Has the server read the request before anything that the viewer sends, and steps aside."""

    def __init__(self, handovers: HandoverServer, handover: Handover, server: web.Server) -> None:
        self._handovers = handovers
        self._handover = handover
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._handovers.know(transport, self._handover)
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(self._handover.request())


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection)
