"""Starting and stopping never hold up the hub's event loop."""

from __future__ import annotations

import json

import pytest

from tests.support.hub import temp_hub

pytestmark = [pytest.mark.hub, pytest.mark.x11]

LIMIT = 0.005
"""Seconds (the house's rule)."""

# Times each stretch of a coroutine between two awaits. Wall-clock time, so the best of several starts counts: this
# machine has other things to do.
TIMED = """
import time, streamspace_spawner

class Timed:
    def __init__(self, coroutine, name):
        self.steps, self.name = coroutine.__await__(), name
    def __await__(self):
        longest, value, error = 0.0, None, None
        while True:
            begin = time.perf_counter()
            try:
                step = self.steps.throw(error) if error else self.steps.send(value)
            except StopIteration as end:
                with open(f"{run['folder']}/timings", "a") as file:
                    file.write(json.dumps([self.name, longest]) + "\\n")
                return end.value
            finally:
                longest = max(longest, time.perf_counter() - begin)
            try:
                value, error = (yield step), None
            except BaseException as raised:
                error = raised

class TimedSpawner(streamspace_spawner.LocalStreamSpaceSpawner):
    async def start(self):
        return await Timed(super().start(), "start")
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
    timings: dict[str, list[float]] = {}
    for name, longest in map(json.loads, lines):
        timings.setdefault(name, []).append(longest)
    assert set(timings) == {"start", "poll", "stop"}
    best = {name: min(values) for name, values in timings.items()}
    assert max(best.values()) < LIMIT, timings
