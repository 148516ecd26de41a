"""A hub whose spawner notes what each of its steps did on the event loop: a step is a stretch between two awaits.

`WATCHED` goes into the hub's configuration; `steps` reads what was noted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.support.hub import TempHub

WATCHED = """
import sys, threading, time, streamspace_spawner

# What waits for a program, the disk or the network while the hub waits for it (Python's audit events).
BLOCKING = {
    "subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.system", "time.sleep", "socket.getaddrinfo",
    "glob.glob", "shutil.rmtree", "os.scandir", "os.listdir", "os.mkdir", "os.rename", "os.remove", "os.chown",
}
inside, blocked = False, []

def audit(event, arguments):
    if inside and event in BLOCKING and threading.current_thread() is threading.main_thread():
        blocked.append(f"{event} {arguments[:1]}")

sys.addaudithook(audit)

class Watched:
    def __init__(self, coroutine, name):
        self.steps, self.name = coroutine.__await__(), name
    def __await__(self):
        global inside, blocked
        cpu, wall, seen, value, error = 0.0, 0.0, [], None, None
        while True:
            begin, began = time.thread_time(), time.perf_counter()
            inside, blocked = True, []
            try:
                step = self.steps.throw(error) if error else self.steps.send(value)
            except StopIteration as end:
                inside = False
                with open(f"{run['folder']}/steps", "a") as file:
                    file.write(json.dumps([self.name, cpu, wall, seen + blocked]) + "\\n")
                return end.value
            finally:
                inside = False
                seen += blocked
                cpu = max(cpu, time.thread_time() - begin)
                wall = max(wall, time.perf_counter() - began)
            try:
                value, error = (yield step), None
            except BaseException as raised:
                error = raised

class WatchedSpawner(streamspace_spawner.LocalStreamSpaceSpawner):
    async def start(self):
        return await Watched(super().start(), "start")
    async def prepare_session(self):
        return await Watched(super().prepare_session(), "prepare_session")
    async def poll(self):
        return await Watched(super().poll(), "poll")
    async def stop(self, now=False):
        return await Watched(super().stop(now), "stop")

c.JupyterHub.spawner_class = WatchedSpawner
"""


@dataclass(frozen=True)
class Steps:
    """What the steps of one call did."""

    call: str
    cpu: float
    """Seconds of the hub's thread that the longest step took."""
    wall: float
    """Seconds that passed during the longest step."""
    blocking: tuple[str, ...]
    """What was waited for on the event loop."""


def steps(hub: TempHub) -> list[Steps]:
    """Return what was noted of each call so far."""
    lines = (hub.folder / "steps").read_text().splitlines()
    return [Steps(call, cpu, wall, tuple(blocking)) for call, cpu, wall, blocking in map(json.loads, lines)]
