"""How a program tells its starter that it is ready: one line on a pipe. Knows no program."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator


class Announcement:
    """A pipe on which a program says, in one line, that it is ready."""

    def __init__(self, reader: int, writer: int) -> None:
        self.reader, self.writer = reader, writer

    def close_writer(self) -> None:
        """Leave the writing end to the program alone, so that its end is seen as end of file."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    async def read(self, limit: float) -> str:
        """Return the line; empty when the program ended or `limit` seconds passed without one."""
        self.close_writer()
        loop = asyncio.get_running_loop()
        said = b""
        deadline = loop.time() + limit
        while not said.endswith(b"\n") and loop.time() < deadline:
            readable = asyncio.Event()
            loop.add_reader(self.reader, readable.set)
            try:
                await asyncio.wait_for(readable.wait(), deadline - loop.time())
            except TimeoutError:
                return ""
            finally:
                loop.remove_reader(self.reader)
            if not (part := os.read(self.reader, 4096)):
                return ""
            said += part
        return said.decode().strip()


@contextlib.contextmanager
def announcement() -> Iterator[Announcement]:
    """Make a pipe for one announcement."""
    pipe = Announcement(*os.pipe2(os.O_CLOEXEC))
    try:
        yield pipe
    finally:
        pipe.close_writer()
        os.close(pipe.reader)
