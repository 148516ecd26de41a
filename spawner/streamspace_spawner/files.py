"""How much users' files take on this machine: measured off the event loop, and remembered. Knows nothing of the hub.

The disk is the truth: what was measured is kept in memory alone, and measured again after a restart. A walk through a
home takes seconds to minutes, so it is done when a server of the user has ended, at the lowest priority, and never
twice at the same time for one folder.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from typing import Final

AT_ONCE: Final = 2
LONGEST: Final = 1800.0
"""Seconds after which a walk is given up."""


async def disk_usage(folder: str) -> int | None:
    """Return the bytes that a folder takes on its file system, as du(1); None when they cannot be told.

    Neither links nor mounts lead elsewhere (`-x`); what is in a folder that cannot be read does not count.
    """
    idle = ["ionice", "-c3"] if shutil.which("ionice") else []
    real = await asyncio.to_thread(os.path.realpath, folder)
    command = [*idle, "nice", "-n19", "du", "-s", "-x", "-B1", "--", real]
    try:
        # A process and no thread: a hub that is ended does not wait for it.
        du = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, cwd="/")
    except OSError:
        return None
    try:
        told, _ = await asyncio.wait_for(du.communicate(), LONGEST)
        return int(told.partition(b"\t")[0])
    except (TimeoutError, ValueError):
        return None
    finally:
        with suppress(ProcessLookupError):
            du.kill()


class Measured:
    """What was measured, and what is being measured. For one event loop."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._once_more: set[str] = set()
        self._room = asyncio.Semaphore(AT_ONCE)

    def known(self, folder: str) -> int | None:
        """Return what was measured last."""
        return self._known.get(folder)

    def measure(self, folder: str) -> asyncio.Task[None]:
        """Measure a folder, from now on: a walk that is under way already is followed by another."""
        if folder in self._under_way:
            self._once_more.add(folder)
        else:
            task = asyncio.ensure_future(self._measure(folder))
            self._under_way[folder] = task
            task.add_done_callback(lambda _: self._under_way.pop(folder, None))
        return self._under_way[folder]

    async def within(self, folder: str, patience: float) -> int | None:
        """Measure a folder and wait at most `patience` seconds; return what is known then. The walk goes on."""
        await asyncio.wait({self.measure(folder)}, timeout=patience)
        return self.known(folder)

    async def _measure(self, folder: str) -> None:
        while True:
            async with self._room:
                self._once_more.discard(folder)
                size = await disk_usage(folder)
            if size is not None:
                self._known[folder] = size
            if folder not in self._once_more:
                return
