"""One measurement at a time on a machine that several people or jobs share, and how quiet it was meanwhile."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from tests.bench.processes import cpu_seconds, tree
from tests.bench.streaming.variant import Target


@contextmanager
def quiet() -> Iterator[None]:
    """Hold the lock named by BENCH_LOCK while measuring; without one there is nothing to wait for."""
    path = os.environ.get("BENCH_LOCK")
    if not path:
        yield
        return
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass
class Disturbance:
    """What else the machine did while something was measured: figures taken beside other work compare badly."""

    target: Target

    def __post_init__(self) -> None:
        self._begun = time.monotonic()
        self._before = self._seconds()

    def __str__(self) -> str:
        """Processor time of other programs, and what the hypervisor gave to other machines, in % of a core."""
        elapsed = time.monotonic() - self._begun
        others, stolen = ((now - then) / elapsed * 100 for now, then in zip(self._seconds(), self._before, strict=True))
        return f"{max(0.0, others):.0f} + {stolen:.0f} stolen"

    def _seconds(self) -> tuple[float, float]:
        total = psutil.cpu_times()
        busy = total.user + total.nice + total.system + total.irq + total.softirq
        ours = {process.pid: process for process in tree(os.getpid())}
        for processes in self.target.parts().values():
            ours |= {process.pid: process for process in processes}
        return busy - cpu_seconds(ours.values()), total.steal
