"""Small pictures of the screen for lists of sessions: made when somebody asks, and then not again so soon.

Between two pictures nothing of it is left, no connection to the X server and no memory: a session that nobody looks
at, or that is put to sleep, knows nothing of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Final

FRESH: Final = 2.0
"""Seconds for which a picture is good enough."""

logger = logging.getLogger(__name__)


class Thumbnails:
    """The pictures of one display, which the caller names each time. For the event loop."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._last: tuple[float, str, bytes] | None = None

    async def get(self, display: str | None, xauthority: Path) -> bytes | None:
        """Return a JPEG of `display`, at most `FRESH` seconds old; None when there is no picture now."""
        async with self._lock:
            if display is None:
                self._last = None
                return None
            if self._last is not None and self._last[1] == display and time.monotonic() - self._last[0] < FRESH:
                return self._last[2]
            jpeg = await asyncio.to_thread(_take, display, xauthority)
            self._last = None if jpeg is None else (time.monotonic(), display, jpeg)
            return jpeg

    async def settle(self) -> None:
        """Wait until none is being made: whoever wants the X server without connections lets go of its name first."""
        async with self._lock:
            pass


def _take(display: str, xauthority: Path) -> bytes | None:
    # Numpy and FFmpeg take a while to load, and a session without viewers may never need them.
    from streamspace_proxy.streamer.screen import ScreenLostError
    from streamspace_proxy.streamer.thumbnail import take

    try:
        return take(display, xauthority)
    except (ScreenLostError, OSError) as error:
        logger.info("no thumbnail: %s", error)
        return None
