"""A desktop whose supervisor notes what its event loop did while memory was kept and compressed.

`WATCHED` is what is started in place of the desktop; `watched` reads what was noted.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from tests.support.running import Running

_SOURCE = """
import asyncio, json, os, sys, threading, time
from streamspace_proxy.desktop import supervisor

# What waits for a program, the disk or the network, or reads through many files (Python's audit events).
BLOCKING = {
    "subprocess.Popen", "os.posix_spawn", "os.fork", "os.system", "time.sleep", "socket.connect", "shutil.rmtree",
    "os.scandir", "os.listdir", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "open",
}
Supervisor, inside, seen, held = supervisor.Supervisor, False, [], []
hibernate, packed = Supervisor._hibernate, Supervisor._on_packed

def audit(event, arguments):
    if inside and event in BLOCKING and threading.current_thread() is threading.main_thread():
        seen.append(f"{event} {arguments[:1]}")

async def beat():
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        held.append(time.perf_counter() - began - 0.001)

async def watched_hibernate(self, folder):
    global inside
    self.beating, inside = asyncio.create_task(beat()), True
    return await hibernate(self, folder)

def watched_packed(self, size):
    global inside
    packed(self, size)
    self.beating.cancel()
    inside = False
    with open(os.environ["HOME"] + "/watched", "a") as file:
        file.write(json.dumps([seen, max(held)]) + "\\n")
    seen.clear()
    held.clear()

sys.addaudithook(audit)
Supervisor._hibernate, Supervisor._on_packed = watched_hibernate, watched_packed
import streamspace_proxy.desktop.__main__
"""
WATCHED = (sys.executable, "-c", _SOURCE)


@dataclass(frozen=True)
class Watch:
    """What was noted of one sleep."""

    blocking: tuple[str, ...]
    """What was waited for on the event loop."""
    held: float
    """Seconds for which a callback that was due did not run, at the worst."""


def watched(running: Running) -> list[Watch]:
    """Return what was noted of each sleep so far, whose image is as small as it gets."""
    path = running.home / "watched"
    lines = path.read_text().splitlines() if path.exists() else []
    return [Watch(tuple(blocking), held) for blocking, held in map(json.loads, lines)]
