"""The pointer's shape, out of band: the viewer draws it, so that it moves without the network.

XFIXES tells when the shape changes. Knows nothing of viewers.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import xcffib
import xcffib.xfixes
import xcffib.xproto

from streamspace_proxy.streamer.frames import CursorShape
from streamspace_proxy.streamer.limits import TokenBucket
from streamspace_proxy.streamer.x_thread import XThread

XFIXES_VERSION: Final = (5, 0)
# Browsers ignore larger cursor images (https://developer.mozilla.org/docs/Web/CSS/cursor).
MAX_SIZE: Final = 128
ALLOWANCE_SECONDS: Final = 0.1
HIDDEN_SECONDS: Final = 0.05

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class CursorWatcher(XThread):
    """Reports the shape at the start and each time that it becomes another one."""

    def __init__(self, display: str, xauthority: Path, on_cursor: Callable[[CursorShape], None]) -> None:
        super().__init__("cursor", display, xauthority)
        self._on_cursor = on_cursor
        self._reported: CursorShape | None = None
        self._changed = False
        self._hidden_at: float | None = None
        # An animated pointer changes 60 times a second: it costs as much as the video when every step is sent.
        self._allowance = TokenBucket(rate=10, burst=5)

    # -- on the thread ---------------------------------------------------------------------------------------------

    def setup(self, connection: xcffib.Connection) -> None:
        """Ask to be told of changes."""
        self._xfixes = connection(xcffib.xfixes.key)
        self._xfixes.QueryVersion(*XFIXES_VERSION).reply()
        root = connection.get_setup().roots[0].root
        self._xfixes.SelectCursorInput(root, xcffib.xfixes.CursorNotifyMask.DisplayCursor)
        self._changed = True

    def handle(self, event: xcffib.Event) -> None:
        """Note a change."""
        self._changed |= isinstance(event, xcffib.xfixes.CursorNotifyEvent)

    def settle(self) -> float | None:
        """Fetch the shape once for any number of changes."""
        now = time.monotonic()
        if not self._changed:
            return None
        if not self._allowance.take(now):
            return ALLOWANCE_SECONDS
        try:
            image = self._xfixes.GetCursorImage().reply()
        except xcffib.xproto.AccessError:
            # The SECURITY extension hides cursors whose maker has gone (xsetroot): the viewer keeps what it has.
            self._changed = False
            return None
        pixels = np.frombuffer(image.cursor_image.raw, np.uint8).reshape(image.height, image.width, 4)
        shape = cursor_shape(pixels, image.xhot, image.yhot)
        if shape.png is None:
            # The server shows an animated pointer as nothing for the moment before its first step.
            self._hidden_at = self._hidden_at or now
            if now - self._hidden_at < HIDDEN_SECONDS:
                return HIDDEN_SECONDS
        self._changed = False
        self._hidden_at = None
        if shape != self._reported:
            self._reported = shape
            self.deliver(lambda: self._on_cursor(shape))
        return None


def cursor_shape(pixels: Pixels, hot_x: int, hot_y: int) -> CursorShape:
    """Make a shape of XFIXES' pixels: height x width x (blue, green, red, alpha), premultiplied."""
    step = max(1, -(-max(pixels.shape[:2]) // MAX_SIZE))
    pixels = pixels[::step, ::step]
    height, width = pixels.shape[:2]
    if not pixels[..., 3].any():
        return CursorShape(width, height, hot_x // step, hot_y // step, None)
    return CursorShape(width, height, hot_x // step, hot_y // step, png(straight_rgba(pixels)))


def straight_rgba(premultiplied: Pixels) -> Pixels:
    """Turn premultiplied BGRA into the straight RGBA that PNG holds."""
    alpha = premultiplied[..., 3:].astype(np.uint16)
    colours = premultiplied[..., 2::-1].astype(np.uint16)
    # Rounded, and cut: some cursors hold colours brighter than their alpha.
    straight = np.minimum(255, (colours * 255 + alpha // 2) // np.maximum(alpha, 1))
    return np.concatenate([straight, alpha], axis=2).astype(np.uint8)


def png(rgba: Pixels) -> bytes:
    """Write a PNG (https://www.w3.org/TR/png-3/): 8-bit RGBA, no filter, not interlaced."""
    height, width = rgba.shape[:2]
    rows = np.concatenate([np.zeros((height, 1), np.uint8), rgba.reshape(height, width * 4)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
