"""The activity clock's way out of the streamer: when a human last did something in a session.

An open socket says nothing about that: it counts neither here nor for the server's own idea of activity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from streamspace_proxy.extension.sessions import OpenSession

INTERVAL = 60.0
"""Seconds between two looks at the streamers."""


async def last_input(sessions: Iterable[OpenSession]) -> datetime | None:
    """Return the latest input that any of `sessions` has seen."""
    seen = await asyncio.gather(*(session.link.last_input() for session in sessions))
    return max((moment for moment in seen if moment is not None), default=None)


async def follow(
    sessions: Callable[[], Iterable[OpenSession]],
    report: Callable[[datetime], Awaitable[None]],
    interval: float = INTERVAL,
) -> None:
    """Call `report` with the time of the last input, when it has changed; for ever."""
    known: datetime | None = None
    while True:
        latest = await last_input(sessions())
        if latest is not None and latest != known:
            await report(latest)
            known = latest
        await asyncio.sleep(interval)
