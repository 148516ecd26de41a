"""A small picture of the screen, once: everything that it takes is let go of again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from streamspace_proxy.streamer.colour import Scaler
from streamspace_proxy.streamer.engine import open_screen
from streamspace_proxy.streamer.screen import ScreenLostError

WIDTH: Final = 320
QUALITY: Final = 5
"""FFmpeg's scale: 2 is best."""

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def take(display: str, xauthority: Path) -> bytes:
    """Return a JPEG of the screen, `WIDTH` pixels wide or less. Blocks for some milliseconds.

    Raises:
        ScreenLostError: the X server cannot be used.
        OSError: it does not answer.
    """
    screen = open_screen(display, xauthority)
    try:
        screen.watch()
        if screen.grab() is None:
            raise ScreenLostError("the screen is changing its size")
        width, height = size_for(screen.width, screen.height)
        return encode(Scaler(width, height)(screen.pixels))
    finally:
        screen.close()


def size_for(width: int, height: int) -> tuple[int, int]:
    """Return the picture's size for a screen's: of the same shape, both numbers even."""
    new_width = min(WIDTH, width) & ~1
    return new_width, max(2, round(height * new_width / width) & ~1)


def encode(pixels: Pixels) -> bytes:
    """Return `pixels` (height x width x BGRX) as a JPEG."""
    height, width, _ = pixels.shape
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="bgra").reformat(
        format="yuvj420p",
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.AREA,
    )
    context: Any = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuvj420p"
    context.color_range = ColorRange.JPEG
    context.time_base = frame.time_base = Fraction(1, 1)
    context.qmin = context.qmax = QUALITY
    context.thread_count = 1
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
