"""What waits to be written to one viewer's socket: in order, bounded, written by one task."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

from aiohttp import WSMessage

MAX_WAITING: Final = 1000
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
MAX_SOUND: Final = 25
"""Packets of sound: half a second, older sound is of no use."""
FLUSH_SECONDS: Final = 0.5


class Channel(Protocol):
    """Messages both ways: aiohttp's `WebSocketResponse`, or what stands for one (`polling.Polled`)."""

    async def send_str(self, data: str) -> None:
        """Send a text message, as soon as there is room. Raises `ConnectionError`."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message, as soon as there is room. Raises `ConnectionError`."""

    async def close(self) -> object:
        """End it."""

    def __aiter__(self) -> AsyncIterator[WSMessage]:
        """Yield what comes, until it has ended."""


class Outbox:
    """One socket's queue.

    Video is bounded by acknowledgements, sound here; a viewer that lets control messages pile up is dropped.
    """

    def __init__(self, ws: Channel, written: Callable[[int, float | None], None]) -> None:
        """`written` learns of each message that was written: its size, and when it was encoded if it is a frame."""
        self._ws = ws
        self._written = written
        self._items: deque[tuple[str | bytes, bool, float | None]] = deque()
        self._bytes = 0
        self._sound = 0
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._overflow = False
        self.sent_bytes = 0

    @property
    def waiting(self) -> int:
        """Messages not written yet."""
        return len(self._items)

    def put(self, data: str | bytes, *, sound: bool = False, encoded_at: float | None = None) -> None:
        """Queue one message; sound is dropped when there is too much of it already.

        `encoded_at` is a frame's time.monotonic().
        """
        if self._overflow or (sound and self._sound >= MAX_SOUND):
            return
        if len(self._items) >= MAX_WAITING or self._bytes > MAX_WAITING_BYTES:
            self._overflow = True
            self._items.clear()
        else:
            self._items.append((data, sound, encoded_at))
            self._bytes += len(data)
            self._sound += sound
            self._idle.clear()
        self._more.set()

    async def run(self) -> None:
        """Write until the socket ends, or its viewer does not read for too long."""
        while not self._overflow:
            while self._items:
                data, sound, encoded_at = self._items.popleft()
                self._bytes -= len(data)
                self._sound -= sound
                if isinstance(data, str):
                    await self._ws.send_str(data)
                else:
                    await self._ws.send_bytes(data)
                self.sent_bytes += len(data)
                self._written(len(data), encoded_at)
            self._idle.set()
            self._more.clear()
            await self._more.wait()

    async def flush(self) -> None:
        """Wait a moment for what is queued to be written."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), FLUSH_SECONDS)
