"""A proxy as some networks have it: plain HTTP passes, WebSockets are refused while `blocked` is set."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class BlockingProxy:
    """Passes TCP connections on to `target` on 127.0.0.1, unless they begin with a WebSocket's request."""

    def __init__(self, target: int) -> None:
        self.blocked = True
        self.port = 0
        self._target = target

    async def run(self, ready: threading.Event) -> None:
        """Serve until `stop`; `port` says where, from `ready` on."""
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await self._ended.wait()

    def stop(self) -> None:
        """End it, from another thread."""
        self._loop.call_soon_threadsafe(self._ended.set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if self.blocked and b"upgrade: websocket" in head.lower():
                writer.write(REFUSAL)
                await writer.drain()
                return
            there, to = await asyncio.open_connection("127.0.0.1", self._target)
            with contextlib.closing(to):
                to.write(head)
                ways = [asyncio.create_task(_pass(reader, to)), asyncio.create_task(_pass(there, writer))]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@contextmanager
def blocking_proxy(target: int) -> Iterator[BlockingProxy]:
    """Run one in front of `target`."""
    proxy, ready = BlockingProxy(target), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(proxy.run(ready)), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(5)
