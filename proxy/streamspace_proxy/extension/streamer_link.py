"""The way to one session's streamer: HTTP and WebSocket over its unix socket.

Knows the headers by which the streamer is told who asks, and that it may be starting, restarting or gone. Must not
know tornado, users' credentials or the hub.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import aiohttp

from streamspace_hub.model import Role
from streamspace_proxy.extension.roles import Viewer

T = TypeVar("T")

NOTHING: Mapping[str, str] = MappingProxyType({})
PATIENCE = 10.0
"""Seconds to wait for a streamer that is not there yet: it starts beside the server that asks for it."""
RETRY_INTERVAL = 0.05
HANDOVER = "handover.sock"
LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes in one WebSocket message from the streamer: above any frame, below any harm."""


class StreamerDownError(Exception):
    """The streamer does not answer, or went away in the middle."""


@dataclass(frozen=True)
class Request:
    """What is asked of the streamer over HTTP."""

    method: str
    path: str
    """Without a leading slash."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further ones; none of a browser's."""


@dataclass(frozen=True)
class Activity:
    """How active a session is."""

    last: datetime
    awake: bool
    """False while its desktop's processes are stopped."""


class StreamerLink:
    """One session's streamer. Connections are made on demand; `close` ends them."""

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self.socket = path
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None

    async def request(self, viewer: Viewer, request: Request) -> aiohttp.ClientResponse:
        """Send `request` and return the response, its body unread."""
        headers = {**request.headers, **_headers(viewer)} | (
            {"Content-Type": request.content_type} if request.content_type else {}
        )
        return await self._patiently(
            lambda: self._client().request(
                request.method,
                _url(request.path),
                params=request.query,
                data=request.body,
                headers=headers,
                allow_redirects=False,
            )
        )

    async def socket_to(
        self, viewer: Viewer, path: str, protocols: Sequence[str] = (), more_headers: Mapping[str, str] = NOTHING
    ) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket to `path`; a refusal raises `aiohttp.WSServerHandshakeError`."""
        return await self._patiently(
            lambda: self._client().ws_connect(
                _url(path),
                protocols=protocols,
                headers={**more_headers, **_headers(viewer)},
                compress=0,
                max_msg_size=LARGEST_MESSAGE,
            )
        )

    async def hand_over(self, viewer: Viewer, connection: socket.socket, opening: Mapping[str, object]) -> bool:
        """Give a viewer's connection to the streamer, which answers the WebSocket request that `opening` tells of.

        False: this streamer takes none. Once given, `connection` is to be closed here, and not shut down.
        """
        description = json.dumps({"user": viewer.user, "role": viewer.role.value, **opening}).encode()
        deadline = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as streamer:
                    streamer.setblocking(False)
                    streamer.connect(str(self.socket.with_name(HANDOVER)))
                    socket.send_fds(streamer, [description], [connection.fileno()])
                return True
            except OSError as error:
                if isinstance(error, FileNotFoundError) and self.socket.exists():
                    return False
                if asyncio.get_running_loop().time() >= deadline:
                    raise StreamerDownError(str(error)) from error
            await asyncio.sleep(RETRY_INTERVAL)

    async def activity(self) -> Activity | None:
        """Return when the session was last active, as its streamer knows; None while that is away."""
        asker = Viewer(user="jupyter", role=Role.VIEWER)
        try:
            async with await self.request(asker, Request("GET", "api/v1/activity")) as response:
                seen = await response.json() if response.status == 200 else {}
            return Activity(datetime.fromisoformat(seen["last_activity"]).astimezone(UTC), seen.get("sleep") == "awake")
        except (StreamerDownError, aiohttp.ClientError, OSError, ValueError, KeyError):
            return None

    async def close(self) -> None:
        """End all connections."""
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A streamed answer may take for ever; only the connection itself has a limit. No cookies are kept.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(self.socket), limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run `attempt` until the streamer accepts a connection or patience ends.

        Only a refused connection is tried again: once connected the request may have had its effect.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        while True:
            try:
                return await attempt()
            except aiohttp.WSServerHandshakeError:
                raise
            except aiohttp.ClientConnectorError as error:
                if loop.time() >= deadline:
                    raise StreamerDownError(str(error)) from error
            except (aiohttp.ClientError, ConnectionError) as error:
                raise StreamerDownError(str(error)) from error
            await asyncio.sleep(RETRY_INTERVAL)


def _url(path: str) -> str:
    return f"http://streamer/{path}"


def _headers(viewer: Viewer) -> dict[str, str]:
    return {"X-Streamspace-User": viewer.user, "X-Streamspace-Role": viewer.role.value}
