"""The streamer's end of the desktop's control socket: what the desktop's status is, also while there is no desktop.

Knows no viewers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from streamspace_proxy.desktop.control import RefusedError as DesktopError
from streamspace_proxy.desktop.control_link import ControlLink

__all__ = ["NO_DESKTOP", "DesktopError", "DesktopLink", "Status"]

# A desktop that is woken from its image listens when it is whole, after some tenths of a second.
RETRY_SECONDS: Final = (*[0.05] * 40, 0.25, 0.5, 1.0)

Status = dict[str, Any]
NO_DESKTOP: Final[Status] = {
    "state": "starting",
    "display": None,
    "message": "Waiting for the desktop",
    "app": {"state": "starting", "pid": None, "exit_code": None, "signal": None, "restarts": 0},
}


class DesktopLink:
    """Subscribes to the desktop's status and passes requests on."""

    def __init__(self, path: Path, on_status: Callable[[Status], None]) -> None:
        self._on_status = on_status
        self._link = ControlLink(
            path,
            self._set_status,
            away="The desktop is not running at present. Wait until it is, then try again.",
            pauses=RETRY_SECONDS,
            lost=lambda: self._set_status(NO_DESKTOP),
        )
        self.status: Status = NO_DESKTOP

    def start(self) -> asyncio.Task[None]:
        """Begin connecting; the task ends by a fault only."""
        return self._link.start()

    async def close(self) -> None:
        """End the connection."""
        await self._link.close()

    async def request(self, op: str, **arguments: str) -> dict[str, Any]:
        """Send one request and return its answer; raises DesktopError."""
        return await self._link.request(op, **arguments)

    async def request_within(self, seconds: float, op: str, **arguments: str) -> dict[str, Any]:
        """Send a request whose answer may take so many `seconds`; raises DesktopError."""
        return await self._link.request_within(seconds, op, **arguments)

    def _set_status(self, status: Status) -> None:
        if status != self.status:
            self.status = status
            self._on_status(status)
