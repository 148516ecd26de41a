"""Whether the session works by itself: its load on processors and GPUs, and programs that keep it awake.

In a pod the app runs in another container, so only the desktop sees its processes, and is asked.
What counts is `reason`, pure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from streamspace_hub.model import Policy
from streamspace_proxy.streamer.activity import ActivityClock
from streamspace_proxy.streamer.desktop_link import DesktopError

INTERVAL: Final = 10.0
"""Seconds between two looks: the load of a moment is none, and a look costs the desktop a millisecond or two."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the desktop says of the processes of its app, all together."""

    at: float
    """Seconds of the desktop's clock."""
    cpu: float
    """Seconds of processor time so far; that of programs that have ended included."""
    programs: frozenset[str]
    gpu: float = 0.0
    """Seconds that engines of GPUs have been at work so far, for programs that run."""

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Usage:
        """Read the answer to `usage`."""
        return cls(float(answer["at"]), float(answer["cpu"]), frozenset(answer["programs"]), float(answer["gpu"]))


def reason(before: Usage | None, now: Usage, policy: Policy) -> str | None:
    """Return what the session is busy with, None if it is not, given two looks at it."""
    kept = sorted(now.programs.intersection(policy.busy_processes))
    if kept:
        return f"{kept[0]} is running"
    if before is None or now.at <= before.at:
        return None
    cores, engines = ((new - old) / (now.at - before.at) for new, old in ((now.cpu, before.cpu), (now.gpu, before.gpu)))
    if policy.busy_cpu and cores >= policy.busy_cpu:
        return f"its programs use {cores:.1f} cores"
    if policy.busy_gpu and engines >= policy.busy_gpu:
        return f"its programs use {engines:.1f} engines of a GPU"
    return None


class BusyWatch:
    """Looks at the desktop again and again, and tells the clock."""

    def __init__(self, ask: Callable[[str], Awaitable[dict[str, Any]]], policy: Policy, clock: ActivityClock) -> None:
        self._ask = ask
        self._policy = policy
        self._clock = clock

    async def run(self, interval: float = INTERVAL) -> None:
        """Go on until cancelled."""
        before: Usage | None = None
        while True:
            await asyncio.sleep(interval)
            now = await self._look()
            self._clock.work(None if now is None else reason(before, now, self._policy))
            before = now

    async def _look(self) -> Usage | None:
        try:
            return Usage.of(await self._ask("usage"))
        except (DesktopError, KeyError, TypeError, ValueError):
            return None  # it starts, or has no answer yet
