"""The streamer's part in sleep: it lets go of everything in the desktop before that sleeps, and thaws what is frozen.

It decides nothing about when: the desktop's status says what is, and a viewer's coming or input is what wakes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from streamspace_proxy.streamer.desktop_link import DesktopError, DesktopLink, Status

logger = logging.getLogger(__name__)
LETTING_GO = ("hibernating", "asleep")


class Sleeping:
    """Follows the desktop's sleep."""

    def __init__(self, desktop: DesktopLink, *hold: Callable[[bool], None]) -> None:
        """Each of `hold` is told whether it must have no connection to the desktop."""
        self._desktop = desktop
        self._hold = hold
        self._rfb: set[web.WebSocketResponse] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thawing = False

    @property
    def lets_go(self) -> bool:
        """Whether nothing may be connected to the desktop now."""
        return _state(self._desktop.status) in LETTING_GO

    @property
    def is_still(self) -> bool:
        """Whether the X server answers nobody now."""
        return _state(self._desktop.status) != "awake"

    def follow(self, status: Status) -> None:
        """See what has become of the desktop."""
        lets_go = _state(status) in LETTING_GO
        for hold in self._hold:
            hold(lets_go)
        if lets_go:
            for ws in list(self._rfb):
                self._spawn(_close(ws))

    def wake(self) -> None:
        """Have a frozen desktop go on: somebody has come, or has done something."""
        if _state(self._desktop.status) == "frozen" and not self._thawing:
            self._thawing = True
            self._spawn(self._thaw())

    def bridge(self, ws: web.WebSocketResponse) -> None:
        """Know of an RFB viewer whose connection reaches into the desktop."""
        self._rfb.add(ws)

    def unbridge(self, ws: web.WebSocketResponse) -> None:
        """Forget it."""
        self._rfb.discard(ws)

    async def _thaw(self) -> None:
        try:
            await self._desktop.request("thaw")
        except DesktopError as error:
            logger.warning("thaw: %s", error)
        finally:
            self._thawing = False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _state(status: Status) -> str:
    return str((status.get("sleep") or {}).get("state", "awake"))


async def _close(ws: web.WebSocketResponse) -> None:
    await ws.close(message=b"The session is going to sleep.")
