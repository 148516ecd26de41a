"""Pixels in, H.264 out: libx264 through PyAV, over a picture of which only what changed is converted.

For one thread. Knows nothing of X and of viewers. Constrained Baseline, Annex B, no periodic keyframes, one access
unit for each picture and no delay.

Sizes: 4:2:0 has one colour sample for 2 x 2 pixels, so sizes are even; the last column or row of an odd screen is cut.
Colours: as `colour` converts them, and flagged so in the stream.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc

from streamspace_proxy.streamer import colour
from streamspace_proxy.streamer.screen import Rect

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

BUFFER_SECONDS: Final = 0.1
"""The encoder's rate buffer: the longest time that one picture may take on a line of the ceiling's rate."""
BEST_QUANTISER: Final = 16
"""Below it nobody sees a difference: a still picture stops costing bits here."""
SNAP: Final = 32
"""Changed rectangles grow to multiples of this, so that the scaler meets few different sizes."""

# ITU-T H.264 table A-1: level, macroblocks per second, macroblocks per picture.
_LEVELS: Final = (
    (40, 245_760, 8_192),
    (42, 522_240, 8_704),
    (50, 589_824, 22_080),
    (51, 983_040, 36_864),
    (52, 2_073_600, 36_864),
    (60, 4_177_920, 139_264),
    (61, 8_355_840, 139_264),
    (62, 16_711_680, 139_264),
)


def level_for(width: int, height: int, fps: int) -> int:
    """Return ten times the lowest H.264 level, from 4.0 on, that allows this size and rate."""
    macroblocks = -(-width // 16) * -(-height // 16)
    for level, per_second, per_picture in _LEVELS:
        if macroblocks <= per_picture and macroblocks * fps <= per_second:
            return level
    return _LEVELS[-1][0]


def codec_string(level: int) -> str:
    """Return the WebCodecs name (RFC 6381) of Constrained Baseline at `level`."""
    return f"avc1.42e0{level:02x}"


def encoder_threads(width: int, height: int) -> int:
    """Return how many slices to encode at once: one for each 700,000 pixels, and half of the cores at most.

    The app needs the other half; browsers' decoders dislike more than four slices.
    """
    cores = len(os.sched_getaffinity(0))
    return max(1, min(4, cores // 2, width * height // 700_000))


class Picture:
    """The screen as I420, kept between frames so that only what changed is converted."""

    def __init__(self, width: int, height: int, convert: colour.Converter | None = None) -> None:
        self.width = width & ~1
        self.height = height & ~1
        # The frame's own memory: PyAV takes an array for one only where the height is a multiple of four.
        self._frame = av.VideoFrame(self.width, self.height, "yuv420p")
        self._y, self._u, self._v = (_rows(plane) for plane in self._frame.planes)
        for plane in (self._y, self._u, self._v):
            plane[:] = 0
        self._convert = convert or colour.make_converter()

    def update(self, pixels: Pixels, changed: Rect) -> None:
        """Convert the changed rectangle of `pixels` (height x width x BGRX)."""
        rect = changed.snapped(SNAP, self.width, self.height)
        if rect.empty:
            return
        place = (slice(rect.top, rect.bottom), slice(rect.left, rect.right))
        half = (slice(rect.top // 2, rect.bottom // 2), slice(rect.left // 2, rect.right // 2))
        self._convert(pixels[place], self._y[place], self._u[half], self._v[half])

    def frame(self) -> av.VideoFrame:
        """Return it as a frame, always the same one: use it up before the next `update`."""
        return self._frame


def _rows(plane: Any) -> Pixels:
    """Return a plane as rows of its pixels, in place."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


@dataclass(frozen=True, slots=True)
class Encoded:
    """One access unit."""

    data: bytes
    keyframe: bool


class H264Encoder:
    """libx264 for one size of picture."""

    def __init__(self, width: int, height: int, fps: int, bitrate: int) -> None:
        level = level_for(width, height, fps)
        self.codec = codec_string(level)
        self._count = 0
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = Fraction(1, fps), Fraction(fps)
        context.bit_rate = bitrate
        context.gop_size, context.max_b_frames = 2**30, 0
        context.qmin = BEST_QUANTISER
        context.thread_count = encoder_threads(width, height)
        context.color_range = ColorRange.MPEG
        context.colorspace = colour.MATRIX
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "profile": "baseline",
            "level": f"{level / 10:.1f}",
            "forced-idr": "1",
            # The ceiling equals the average: only then does x264 let its ceiling follow `bit_rate` live.
            "maxrate": str(bitrate),
            "bufsize": str(max(int(bitrate * BUFFER_SECONDS), 2 * bitrate // fps)),
            "x264-params": "scenecut=0:repeat-headers=1:annexb=1",
        }
        context.open()
        self._context = context
        self._most = bitrate

    def set_bitrate(self, bitrate: int) -> None:
        """Lower the ceiling, or raise it again up to the one that the encoder was made with. Takes effect at once."""
        self._context.bit_rate = max(50_000, min(bitrate, self._most))

    def encode(self, picture: Picture, keyframe: bool) -> Encoded:
        """Encode the picture as it is now."""
        frame = picture.frame()
        # x264's budget for one picture is rate / fps whatever the clock says, so that the ceiling holds at full speed.
        frame.pts = self._count
        frame.time_base = self._context.time_base
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        self._count += 1
        packets = self._context.encode(frame)
        return Encoded(b"".join(bytes(packet) for packet in packets), any(p.is_keyframe for p in packets))

    def close(self) -> None:
        """Free the encoder; dropping the context does it."""
        del self._context
