"""Starting and stopping never hold up the hub's event loop."""

from __future__ import annotations

import json

import pytest

from tests.support.hub import temp_hub

pytestmark = [pytest.mark.hub, pytest.mark.x11]

CPU_LIMIT = 0.005
"""Seconds of the hub's thread (the house's rule)."""
WALL_LIMIT = 0.05
"""Seconds that pass: more, since the machine has other things to do; a program waited for takes longer."""

# Times each stretch of a coroutine between two awaits.
TIMED = """
import time, streamspace_spawner

class Timed:
    def __init__(self, coroutine, name):
        self.steps, self.name = coroutine.__await__(), name
    def __await__(self):
        cpu, wall, value, error = 0.0, 0.0, None, None
        while True:
            begin, began = time.thread_time(), time.perf_counter()
            try:
                step = self.steps.throw(error) if error else self.steps.send(value)
            except StopIteration as end:
                with open(f"{run['folder']}/timings", "a") as file:
                    file.write(json.dumps([self.name, cpu, wall]) + "\\n")
                return end.value
            finally:
                cpu = max(cpu, time.thread_time() - begin)
                wall = max(wall, time.perf_counter() - began)
            try:
                value, error = (yield step), None
            except BaseException as raised:
                error = raised

class TimedSpawner(streamspace_spawner.LocalStreamSpaceSpawner):
    async def start(self):
        return await Timed(super().start(), "start")
    async def prepare_session(self):
        return await Timed(super().prepare_session(), "prepare_session")
    async def poll(self):
        return await Timed(super().poll(), "poll")
    async def stop(self, now=False):
        return await Timed(super().stop(now), "stop")

c.JupyterHub.spawner_class = TimedSpawner
"""


async def test_no_step_of_start_poll_and_stop_takes_long() -> None:
    async with temp_hub(extra=TIMED) as hub:
        for _ in range(4):
            async with hub.session(hub.users[0]):
                pass
        lines = (hub.folder / "timings").read_text().splitlines()
    timings: dict[str, list[tuple[float, float]]] = {}
    for name, cpu, wall in map(json.loads, lines):
        timings.setdefault(name, []).append((cpu, wall))
    assert set(timings) == {"prepare_session", "start", "poll", "stop"}
    for name, values in timings.items():
        assert min(cpu for cpu, _ in values) < CPU_LIMIT, (name, values)
        assert min(wall for _, wall in values) < WALL_LIMIT, (name, values)
