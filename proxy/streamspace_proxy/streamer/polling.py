"""The viewer socket over plain HTTP requests, for networks that let no WebSocket through.

What goes down waits here until the page fetches it (a request that is held until there is something), what comes up
is posted in batches. `Polled` is to a viewer what a WebSocket is; it must not know what the messages mean.

A body, either way, is a sequence of messages, each with a header of five bytes: u8 kind (1 text, 2 binary), u32 length.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import struct
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import WSMessage, WSMsgType

from streamspace_hub.model import Role

HEADER: Final = struct.Struct(">BI")
TEXT, BINARY = 1, 2
TYPES: Final = {TEXT: WSMsgType.TEXT, BINARY: WSMsgType.BINARY}
POLL_SECONDS: Final = 15.0
"""How long a request is held: well below the half minute after which proxies give up."""
GONE_SECONDS: Final = 10.0
"""A page that has not asked for so long is gone."""
ROOM: Final = 256 * 1024
"""Bytes that wait here; what is more waits in the viewer's outbox, which knows what may be dropped."""
MAX_BATCH: Final = 1024 * 1024
"""Bytes of one request's body, which is as much as the server in front takes."""
MAX_CLIPBOARD: Final = 128 * 1024
"""Bytes of clipboard text: JSON makes up to six of one, and all must fit in a batch."""


def pack(kind: int, payload: bytes) -> bytes:
    """Return one message as it stands in a body."""
    return HEADER.pack(kind, len(payload)) + payload


def unpack(body: bytes) -> list[WSMessage]:
    """Return the messages in a body; raises `ValueError` with a sentence."""
    messages, at = [], 0
    while at < len(body):
        if len(body) - at < HEADER.size:
            raise ValueError("the body ends within a message's header")
        kind, size = HEADER.unpack_from(body, at)
        at += HEADER.size
        if kind not in TYPES:
            raise ValueError(f"message kind {kind} is unknown; known: {TEXT} text, {BINARY} binary")
        if size > len(body) - at:
            raise ValueError(f"a message of {size} bytes is longer than the body")
        payload = body[at : at + size]
        at += size
        try:
            messages.append(WSMessage(TYPES[kind], payload.decode() if kind == TEXT else payload, None))
        except UnicodeDecodeError:
            raise ValueError("a text message is not UTF-8") from None
    return messages


class Polled:
    """The streamer's end of one connection."""

    def __init__(self) -> None:
        self.closed = False
        self._down: deque[bytes] = deque()
        self._waiting = 0
        self._confirmed = 0
        self._up: asyncio.Queue[WSMessage] = asyncio.Queue()
        self._batches = 0
        self._polls = 0
        self._held = 0
        self._seen = asyncio.get_running_loop().time()
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    # To the viewer

    async def send_str(self, data: str) -> None:
        """Send a text message, as soon as there is room."""
        await self._send(pack(TEXT, data.encode()))

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message, as soon as there is room."""
        await self._send(pack(BINARY, data))

    async def _send(self, message: bytes) -> None:
        while self._waiting > ROOM and not self.closed:
            self._room.clear()
            await self._room.wait()
        if self.closed:
            raise ConnectionResetError("the connection is closed")
        self._down.append(message)
        self._waiting += len(message)
        self._news.set()

    async def close(self) -> None:
        """End it; what waits can still be fetched."""
        self.closed = True
        self._up.put_nowait(WSMessage(WSMsgType.CLOSED, None, None))
        self._news.set()
        self._room.set()

    # From the viewer

    async def __aiter__(self) -> AsyncIterator[WSMessage]:
        """Yield what was posted, until the page is gone."""
        loop = asyncio.get_running_loop()
        while not self.closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    message = await self._up.get()
                if message.type is WSMsgType.CLOSED:
                    return
                yield message
            if not self._held and loop.time() - self._seen > GONE_SECONDS:
                return

    # From the page's requests

    async def fetch(self, after: int) -> bytes | None:
        """Return what waits, or what comes within `POLL_SECONDS`; None: it is closed and all has been fetched.

        `after`: how many messages have arrived at the page. What has not stays, in case the answer gets lost.
        """
        loop = asyncio.get_running_loop()
        self._polls += 1
        this = self._polls
        self._confirm(after)
        self._news.set()  # an earlier request that is still held is a lost one
        self._held += 1
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    while not self._down and not self.closed and this == self._polls:
                        self._news.clear()
                        await self._news.wait()
        finally:
            self._held -= 1
            self._seen = loop.time()
        if this != self._polls:
            return b""
        return None if self.closed and not self._down else b"".join(self._down)

    def _confirm(self, after: int) -> None:
        while self._down and self._confirmed < after:
            self._waiting -= len(self._down.popleft())
            self._confirmed += 1
        self._room.set()

    def take(self, batch: int, body: bytes) -> None:
        """Take posted messages. A batch that comes again is passed over: browsers repeat what got no answer.

        Raises `ValueError` with a sentence.
        """
        if batch < self._batches:
            return
        if batch > self._batches:
            raise ValueError(f"batch {batch} has come before batch {self._batches}")
        messages = unpack(body)
        self._batches += 1
        self._seen = asyncio.get_running_loop().time()
        for message in messages:
            self._up.put_nowait(message)


@dataclass(frozen=True)
class _Connection:
    channel: Polled
    user: str
    role: Role


class PolledConnections:
    """All of a streamer's, by a name that nobody can guess or mistake for one of an earlier streamer's."""

    def __init__(self) -> None:
        self._connections: dict[str, _Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, user: str, role: Role) -> tuple[str, Polled]:
        """Make one."""
        name, channel = secrets.token_urlsafe(16), Polled()
        self._connections[name] = _Connection(channel, user, role)
        return name, channel

    def find(self, name: str, user: str, role: Role) -> Polled | None:
        """Return the one called `name`, if it is this user's in this role: each request is authorised anew."""
        found = self._connections.get(name)
        return found.channel if found is not None and (found.user, found.role) == (user, role) else None

    def serve(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Let one live as long as `work` takes, and a moment longer for its last words to be fetched."""
        task = asyncio.create_task(self._serve(name, work), name=f"polled {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        channel = self._connections[name].channel
        try:
            await work
        finally:
            await channel.close()
        await asyncio.sleep(GONE_SECONDS)
        del self._connections[name]
