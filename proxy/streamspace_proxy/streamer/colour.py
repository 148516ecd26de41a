"""BGRX to I420: the colours of a screen as H.264 4:2:0 wants them. BT.601, limited range.

libyuv (Debian package `libyuv0`) does it five times as fast as FFmpeg's swscale (1.2 against 5.9 ms of CPU for
1920 x 1080), which comes with PyAV and stands in where libyuv is not installed. Both compute the same.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

logger = logging.getLogger(__name__)
Plane = np.ndarray[Any, np.dtype[np.uint8]]
Converter = Callable[[Plane, Plane, Plane, Plane], None]
"""Takes pixels (height x width x 4, both even) and the y, u and v planes to fill; rows may be apart, pixels not."""

MATRIX: Final = 6
"""ITU-T H.273 MatrixCoefficients of BT.601 (SMPTE 170M): what the stream is flagged with."""


@cache
def _libyuv() -> Any:
    try:
        convert = ctypes.CDLL("libyuv.so.0").ARGBToI420
    except (OSError, AttributeError):
        logger.warning("colour: libyuv is not installed; converting takes five times the CPU time without it")
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_int
    convert.argtypes = (pointer, number, pointer, number, pointer, number, pointer, number, number, number)
    convert.restype = number
    return convert


def make_converter() -> Converter:
    """Return the fastest converter that there is here."""
    return with_libyuv if _libyuv() is not None else make_swscale()


def with_libyuv(pixels: Plane, y: Plane, u: Plane, v: Plane) -> None:
    """Convert with libyuv, which calls this byte order ARGB, as it is in a little-endian word."""
    height, width, _ = pixels.shape
    planes = [value for plane in (pixels, y, u, v) for value in (plane.ctypes.data, plane.strides[0])]
    if _libyuv()(*planes, width, height) != 0:
        raise ValueError(f"libyuv refused {width} x {height} pixels")


def make_swscale() -> Converter:
    """Return a converter of its own for each thread: it keeps the scaler's tables."""
    scaler = VideoReformatter()

    def convert(pixels: Plane, y: Plane, u: Plane, v: Plane) -> None:
        height, width, _ = pixels.shape
        converted = scaler.reformat(
            av.VideoFrame.from_numpy_buffer(pixels, format="bgra"),
            width,
            height,
            "yuv420p",
            dst_colorspace=Colorspace.ITU601,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        for target, plane in zip((y, u, v), converted.planes, strict=True):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            target[:] = rows[: plane.height, : plane.width]

    return convert
