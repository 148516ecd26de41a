"""The activity clock's way out of the streamer: when a session was last used, by a human or by its own work.

An open socket says nothing about that: it counts neither here nor for the server's own idea of activity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from streamspace_proxy.extension.sessions import OpenSession
from streamspace_proxy.extension.streamer_link import Activity

INTERVAL = 60.0
"""Seconds between two reports."""
LOOK = 5.0
"""Seconds between two looks at the streamers."""


async def look(sessions: Iterable[OpenSession]) -> Activity | None:
    """Return when any of `sessions` was last active, and whether any is awake."""
    seen = [one for one in await asyncio.gather(*(session.link.activity() for session in sessions)) if one is not None]
    return Activity(max(one.last for one in seen), any(one.awake for one in seen)) if seen else None


async def follow(
    sessions: Callable[[], Iterable[OpenSession]],
    report: Callable[[datetime], Awaitable[None]],
    interval: float = INTERVAL,
) -> None:
    """Call `report` with the time of the last activity when it has changed, every `interval` seconds at most; for ever.

    At once when the session wakes: whoever shows it as frozen is to know.
    """
    loop = asyncio.get_running_loop()
    known: datetime | None = None
    awake, due = True, loop.time()
    while True:
        seen = await look(sessions())
        if seen is not None:
            woken, awake = seen.awake and not awake, seen.awake
            if seen.last != known and (woken or loop.time() >= due):
                await report(seen.last)
                known, due = seen.last, loop.time() + interval
        await asyncio.sleep(min(LOOK, interval))
