"""A session's sleep, as far as it is the streamer's: who is warned, what wakes the desktop, what keeps it awake.

When it is time is decided elsewhere (`streamspace_hub.hibernation`); how processes are stopped is the desktop's.
Whoever decides may know too little: each order says for how long the session must have been left alone, and is
refused otherwise.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from streamspace_proxy.streamer.activity import ActivityClock
from streamspace_proxy.streamer.desktop_link import DesktopError, DesktopLink

LONGEST_NOTICE: Final = 86_400
HIBERNATE_LIMIT: Final = 600.0
"""Seconds that memory may take on its way to the disk."""
PACK_LIMIT: Final = 30.0
"""Seconds that are waited for an image to be compressed; it is whole without."""


class Order(BaseModel):
    """Body of `POST api/v1/freeze`, `thaw` and `hibernate`."""

    model_config = ConfigDict(extra="forbid")

    if_idle: float = Field(default=0, ge=0, allow_inf_nan=False)
    """Only when the session has been left alone for so many seconds."""


class Warn(Order):
    """Body of `POST api/v1/warn`: what is to happen to the session, and when."""

    step: Literal["freeze", "hibernate", "stop"] | None
    """None takes a warning back."""
    seconds: float = Field(default=0, ge=0, le=LONGEST_NOTICE, allow_inf_nan=False)
    """Until it happens."""
    keepable: bool = True
    """Whether using the session puts it off."""


class InUseError(Exception):
    """The session is not as idle as whoever gave the order thought."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning that stands."""

    step: str
    at: float
    """On the monotonic clock."""
    keepable: bool


class Sleep:
    """One session's sleep. `tell` reaches all viewers; `wake` has a frozen desktop go on."""

    def __init__(
        self,
        clock: ActivityClock,
        desktop: DesktopLink,
        wake: Callable[[], None],
        tell: Callable[[dict[str, Any]], None],
        folder: str | None = None,
    ) -> None:
        """`folder` is where the desktop's memory is to be kept."""
        self._clock = clock
        self._desktop = desktop
        self._wake = wake
        self._tell = tell
        self._folder = folder
        self._notice: Notice | None = None

    @property
    def state(self) -> str:
        """`awake`, `frozen`, `hibernating` or `asleep`, as the desktop says."""
        return str(self._asleep.get("state", "awake"))

    @property
    def since(self) -> str | None:
        """Since when it has not been awake; ISO 8601, UTC."""
        since = self._asleep.get("since")
        return str(since) if since is not None and self.state != "awake" else None

    @property
    def memory(self) -> bool | None:
        """Whether the desktop's memory can be kept; None: it has not said so yet."""
        found = self._asleep.get("memory")
        return found and self._folder is not None if isinstance(found, bool) else None

    @property
    def why_not(self) -> str | None:
        """Why not: a sentence."""
        said = self._asleep.get("why_not")
        return str(said) if said is not None else None

    @property
    def frozen(self) -> bool:
        """Whether the desktop's processes are stopped, and would go on at once."""
        return self.state == "frozen"

    def used(self) -> None:
        """Note that somebody uses the session: it is awake, and what was said of its sleep is void."""
        self._clock.touch()
        if self._notice is not None and self._notice.keepable:
            self._set_notice(None)
        self._wake()

    def looked_at(self) -> None:
        """Note that a page has come, or has come into sight: whoever looks wants to see something that moves."""
        if self.frozen:
            self.used()

    def warn(self, warning: Warn) -> None:
        """Tell all viewers what is to come; raises InUseError."""
        if warning.step is None:
            self._set_notice(None)
            return
        self._check(warning)
        self._set_notice(Notice(warning.step, time.monotonic() + warning.seconds, warning.keepable))

    async def freeze(self, order: Order) -> None:
        """Stop the desktop's processes; raises InUseError, DesktopError."""
        self._check(order)
        await self._desktop.request("freeze")
        self._set_notice(None)

    async def hibernate(self, order: Order) -> dict[str, Any]:
        """Have the desktop's memory kept and its processes ended; returns `bytes` on disk and the `seconds` it took.

        Asked for again it answers the same. Raises InUseError, DesktopError.
        """
        if self._folder is None:
            raise DesktopError("This session was not told where to keep its memory.")
        if self.state != "asleep":
            self._check(order)
        kept = await self._desktop.request_within(HIBERNATE_LIMIT, "hibernate", folder=self._folder)
        self._set_notice(None)
        deadline = time.monotonic() + PACK_LIMIT
        while not self._asleep.get("packed") and time.monotonic() < deadline:  # noqa: ASYNC110 - it takes a second
            await asyncio.sleep(0.02)
        return {"bytes": self._asleep.get("bytes") or kept["bytes"], "seconds": kept["seconds"]}

    @property
    def _asleep(self) -> dict[str, Any]:
        found: dict[str, Any] = self._desktop.status.get("sleep") or {}
        return found

    async def thaw(self) -> None:
        """Let them go on; raises DesktopError."""
        await self._desktop.request("thaw")
        self._clock.touch()

    def message(self) -> dict[str, Any]:
        """Return the `sleep_warning` message of now."""
        notice = self._notice
        if notice is None:
            return {"type": "sleep_warning", "step": None, "seconds": 0, "keepable": False}
        left = max(0.0, notice.at - time.monotonic())
        return {"type": "sleep_warning", "step": notice.step, "seconds": round(left, 1), "keepable": notice.keepable}

    def _check(self, order: Order) -> None:
        idle = self._clock.idle
        if idle < order.if_idle:
            raise InUseError(f"The session was active {idle:.0f} s ago, and not {order.if_idle:.0f} s or more.")

    def _set_notice(self, notice: Notice | None) -> None:
        if notice != self._notice:
            self._notice = notice
            self._tell(self.message())
