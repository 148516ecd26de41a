"""BGRX to I420: the colours of a screen as video wants them. BT.601; limited range, for JPEG full range.

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
BOX: Final = 3
"""libyuv's FilterMode: each pixel is the mean of those that it stands for."""


@cache
def _libyuv() -> Any:
    pointer, number = ctypes.c_void_p, ctypes.c_int
    try:
        library = ctypes.CDLL("libyuv.so.0")
        for convert in (library.ARGBToI420, library.ARGBToJ420):
            convert.argtypes = (pointer, number, pointer, number, pointer, number, pointer, number, number, number)
            convert.restype = number
        library.ARGBScale.argtypes = (pointer, number, number, number, pointer, number, number, number, number)
        library.ARGBScale.restype = number
    except (OSError, AttributeError):
        logger.warning("colour: libyuv is not installed; converting takes five times the CPU time without it")
        return None
    return library


def make_converter(full_range: bool = False) -> Converter:
    """Return the fastest converter that there is here."""
    if _libyuv() is None:
        return make_swscale(full_range)
    return with_libyuv_full if full_range else with_libyuv


def with_libyuv(pixels: Plane, y: Plane, u: Plane, v: Plane) -> None:
    """Convert with libyuv, which calls this byte order ARGB, as it is in a little-endian word."""
    _convert(_libyuv().ARGBToI420, pixels, y, u, v)


def with_libyuv_full(pixels: Plane, y: Plane, u: Plane, v: Plane) -> None:
    """Convert with libyuv to full range."""
    _convert(_libyuv().ARGBToJ420, pixels, y, u, v)


def _convert(function: Any, pixels: Plane, y: Plane, u: Plane, v: Plane) -> None:
    height, width, _ = pixels.shape
    planes = [value for plane in (pixels, y, u, v) for value in (plane.ctypes.data, plane.strides[0])]
    if function(*planes, width, height) != 0:
        raise ValueError(f"libyuv refused {width} x {height} pixels")


def make_swscale(full_range: bool = False) -> Converter:
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
            dst_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        for target, plane in zip((y, u, v), converted.planes, strict=True):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            target[:] = rows[: plane.height, : plane.width]

    return convert


class Scaler:
    """Makes a smaller picture of a screen, always in the same memory."""

    def __init__(self, width: int, height: int) -> None:
        self._scaled = np.empty((height, width, 4), np.uint8)
        self._reformatter = VideoReformatter()

    def __call__(self, pixels: Plane) -> Plane:
        """Return `pixels` (height x width x 4) in the smaller size; valid until the next call."""
        (height, width, _), (new_height, new_width, _) = pixels.shape, self._scaled.shape
        library = _libyuv()
        if library is not None:
            source, target = pixels, self._scaled
            failed = library.ARGBScale(
                source.ctypes.data, source.strides[0], width, height,
                target.ctypes.data, target.strides[0], new_width, new_height, BOX,
            )  # fmt: skip
            if failed:
                raise ValueError(f"libyuv refused to scale {width} x {height} pixels")
            return self._scaled
        frame = self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(pixels, format="bgra"),
            new_width, new_height, "bgra", interpolation=Interpolation.AREA, threads=1,
        )  # fmt: skip
        self._scaled[:] = frame.to_ndarray()
        return self._scaled
