"""What an idle session costs the hub, and how long twenty take to start at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil

from tests.bench.processes import cpu_seconds
from tests.bench.report import Figure
from tests.support.demo import Demo, running_demo

SESSIONS = 20
WATCH = 30.0


def measure() -> Iterator[Figure]:
    """Start twenty terminal sessions over REST, all at once, then leave them idle."""
    with running_demo() as demo:
        demo.token()
        hub = psutil.Process(demo.hub_pid())
        time.sleep(5)
        empty = hub.memory_info().rss
        idle_before = _cpu_share(hub)
        start = time.perf_counter()
        ready = _start_all(demo)
        yield Figure("20 sessions started at once: each ready after", "streamspace", "s", samples=ready)
        yield Figure("20 sessions started at once: all ready", "streamspace", "s", value=time.perf_counter() - start)
        time.sleep(10)
        yield Figure(
            "hub memory for each idle session",
            "streamspace",
            "MB",
            value=(hub.memory_info().rss - empty) / SESSIONS / 1e6,
        )
        share = (_cpu_share(hub) - idle_before) / SESSIONS
        yield Figure("hub CPU for each idle session", "streamspace", "% of a core", value=share)


def _start_all(demo: Demo) -> list[float]:
    def one(number: int) -> float:
        begun = time.perf_counter()
        demo.start("terminal", name=f"bench-{number}", wait=300)
        return time.perf_counter() - begun

    with ThreadPoolExecutor(SESSIONS) as pool:
        return list(pool.map(one, range(SESSIONS)))


def _cpu_share(process: psutil.Process) -> float:
    before = cpu_seconds([process])
    time.sleep(WATCH)
    return (cpu_seconds([process]) - before) / WATCH * 100
