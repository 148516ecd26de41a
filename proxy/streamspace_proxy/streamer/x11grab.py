"""The X server's screen by FFmpeg's x11grab: the last resort, where DAMAGE or MIT-SHM is missing.

Nothing tells when the screen changes, so it is fetched `POLLS` times a second and compared. Used by the same engine as
`screen.Screen`, whose methods it has. For one thread. The pointer is left out.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import xcffib
import xcffib.xproto

from streamspace_proxy.streamer import x11
from streamspace_proxy.streamer.rect import Rect
from streamspace_proxy.streamer.screen import BYTES_PER_PIXEL, ScreenLostError

POLLS: Final = 30

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class PolledScreen:
    """See the module, and `screen.Screen`."""

    backend: Final = "x11grab"

    def __init__(self, display: str, xauthority: Path) -> None:
        self._display = display
        # libxcb in FFmpeg finds its cookie by this alone; all X connections of this process are to the same server.
        os.environ["XAUTHORITY"] = str(xauthority)
        self._connection = x11.connect(display, xauthority)
        self._root = self._connection.get_setup().roots[self._connection.pref_screen].root
        mask = xcffib.xproto.EventMask.StructureNotify
        self._connection.core.ChangeWindowAttributes(self._root, xcffib.xproto.CW.EventMask, [mask])
        self.width, self.height = self._geometry()
        self._input: Any = None
        self._next_poll = 0.0
        self._pending: Rect | None = None
        self._fetched: Pixels = np.empty((0, 0, 4), np.uint8)
        self.pixels: Pixels = self._fetched

    @property
    def descriptor(self) -> int:
        """See `Screen`."""
        return int(self._connection.get_file_descriptor())

    @property
    def watching(self) -> bool:
        """See `Screen`."""
        return self._input is not None

    @property
    def changed(self) -> bool:
        """See `Screen`."""
        return self._pending is not None

    @property
    def poll_seconds(self) -> float | None:
        """In how many seconds `read_events` wants to be called again."""
        return max(0.0, self._next_poll - time.monotonic()) if self.watching else None

    def watch(self) -> None:
        """See `Screen`."""
        options = {
            "video_size": f"{self.width}x{self.height}", "framerate": "1000", "draw_mouse": "0", "probesize": "32",
            "analyzeduration": "0",
        }  # fmt: skip
        try:
            self._input = av.open(self._display, format="x11grab", options=options)
        except (av.error.FFmpegError, OSError) as error:
            raise ScreenLostError(f"the screen cannot be read: {error}") from error
        self.pixels = np.zeros((self.height, self.width, BYTES_PER_PIXEL), np.uint8)
        self._next_poll = 0.0
        self._pending = Rect(0, 0, self.width, self.height)
        self._fetch()

    def unwatch(self) -> None:
        """See `Screen`."""
        if self._input is not None:
            self._input.close()
        self._input = self._pending = None

    def read_events(self) -> bool:
        """Fetch the screen when it is time to; returns whether its size changed, which ends watching."""
        try:
            resized = False
            while (event := self._connection.poll_for_event()) is not None:
                resized |= isinstance(event, xcffib.xproto.ConfigureNotifyEvent)
            size = self._geometry() if resized else (self.width, self.height)
        except (xcffib.ConnectionException, xcffib.XcffibException) as error:
            raise ScreenLostError("the X server has ended") from error
        if size != (self.width, self.height):
            self.unwatch()
            self.width, self.height = size
            return True
        if self.watching and time.monotonic() >= self._next_poll:
            self._fetch()
            rows = (self._fetched != self.pixels).any(axis=(1, 2)).nonzero()[0]
            if len(rows):
                rect = Rect(0, int(rows[0]), self.width, int(rows[-1]) + 1)
                self._pending = rect if self._pending is None else self._pending.union(rect)
        return False

    def grab(self) -> Rect | None:
        """See `Screen`."""
        changed = self._pending
        self._pending = None
        if changed is not None:
            rows = slice(changed.top, changed.bottom)
            self.pixels[rows] = self._fetched[rows]
        return changed

    def close(self) -> None:
        """See `Screen`."""
        self.unwatch()
        self._connection.disconnect()

    def _fetch(self) -> None:
        self._next_poll = time.monotonic() + 1 / POLLS
        try:
            packet = next(self._input.demux(video=0))
        except (av.error.FFmpegError, StopIteration) as error:
            raise ScreenLostError(f"the screen cannot be read: {error}") from error
        pixels = np.frombuffer(packet, np.uint8)
        if pixels.size != self.width * self.height * BYTES_PER_PIXEL:
            raise ScreenLostError("the screen is not in 32 bits for each pixel")
        self._fetched = pixels.reshape(self.height, self.width, BYTES_PER_PIXEL)

    def _geometry(self) -> tuple[int, int]:
        geometry = self._connection.core.GetGeometry(self._root).reply()
        return geometry.width, geometry.height
