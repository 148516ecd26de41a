"""H.264 by libx264: Constrained Baseline, Annex B, no periodic keyframes, one access unit for each picture.

For one thread. Two ways to the same library: directly, which takes half of the time, and where it is not as `x264`
knows it, through PyAV. Colours: as `colour` converts them, and flagged so in the stream.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc

from streamspace_proxy.streamer import colour
from streamspace_proxy.streamer.encoder import Encoded, Encoder, Picture
from streamspace_proxy.streamer.rate_control import BEST, NEW_SHARE, WORST, Content, RateControl
from streamspace_proxy.streamer.rect import NOWHERE, Rect
from streamspace_proxy.streamer.x264 import UNCHANGED, X264, X264Error, quick_instructions

logger = logging.getLogger(__name__)

BUFFER_SECONDS: Final = 0.1
"""The encoder's rate buffer: the longest time that one picture may take on a line of the ceiling's rate."""
REFINE_STEP: Final = 4
"""Quantiser steps by which a picture at rest becomes finer at once: no more than what it takes can be foreseen."""
REFINE_BOOST: Final = 8
CRISP_REPEATS: Final = 4

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


def make_h264(width: int, height: int, fps: int, bitrate: int) -> Encoder:
    """Return the better of the two that works here."""
    try:
        return H264Encoder(width, height, fps, bitrate)
    except X264Error as error:
        logger.warning("h264: %s; encoding through FFmpeg takes twice the processor time", error)
        return FfmpegH264Encoder(width, height, fps, bitrate)


class H264Encoder:
    """See `Encoder`: libx264 with a quantiser of our own for each picture."""

    def __init__(
        self, width: int, height: int, fps: int, bitrate: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        level = level_for(width, height, fps)
        self.codec = codec_string(level)
        self._clock = clock
        self._x264 = X264(
            width,
            height,
            {
                # x264 holds each picture's quantiser between those of I and B pictures, which these ratios, the largest
                # that it takes, lay at `BEST` and `WORST`.
                "qp": 36, "ipratio": 10, "pbratio": 10,
                "fps": fps, "keyint": "infinite", "scenecut": 0, "bframes": 0, "level": f"{level / 10:.1f}",
                "threads": encoder_threads(width, height), "sliced-threads": 1, "force-cfr": 1, "log": 0,
                "annexb": 1, "repeat-headers": 1, "fullrange": "off",
                "colorprim": "bt709", "transfer": "bt709", "colormatrix": "smpte170m",
                **quick_instructions(),
            },
        )  # fmt: skip
        self._control = RateControl(bitrate, fps)
        self._shown = np.full_like(self._x264.unchanged, WORST)
        """The quantiser at which each macroblock is shown."""

    def set_rate(self, bitrate: int, fps: int) -> None:
        """See `Encoder`."""
        self._control.set_rate(bitrate, fps)

    def encode(self, picture: Picture, keyframe: bool, changed: Rect | None) -> Encoded:
        """See `Encoder`."""
        now = self._clock()
        news = self._news(changed or NOWHERE)
        self._x264.unchanged[:] = UNCHANGED
        self._x264.unchanged[news] = 0
        others = np.bincount(self._shown.ravel(), minlength=WORST + 1)
        others -= np.bincount(self._shown[news].ravel(), minlength=WORST + 1)
        content = Content(self._shown[news].size, others, keyframe)
        quantiser = self._control.choose(content, now)
        if changed is None:
            coarsest = int(self._shown.max())
            quantiser = max(BEST, coarsest - REFINE_STEP, min(quantiser, coarsest - 1))
        data, is_key = self._x264.encode(picture.planes, quantiser, keyframe)
        new = keyframe or content.changed > NEW_SHARE * content.all
        while new and quantiser < WORST and self._control.too_large(8 * len(data)):
            # The picture that it would refer to has gone by: made again, it stands alone.
            quantiser = self._control.coarser(8 * len(data), quantiser)
            data, is_key = self._x264.encode(picture.planes, quantiser, True)
        self._control.note(8 * len(data), quantiser, Content(content.changed, others, is_key), now)
        if is_key:
            self._shown[:] = quantiser
        else:
            self._shown[news] = quantiser
            np.minimum(self._shown, quantiser, out=self._shown)
        return Encoded(data, is_key, quantiser, int(self._shown.max()) <= BEST, self._control.pause())

    def _news(self, changed: Rect) -> tuple[slice, slice]:
        """Return the macroblocks of a rectangle."""
        return slice(changed.top // 16, -(-changed.bottom // 16)), slice(changed.left // 16, -(-changed.right // 16))

    def close(self) -> None:
        """See `Encoder`."""
        self._x264.close()


class FfmpegH264Encoder:
    """See `Encoder`."""

    def __init__(self, width: int, height: int, fps: int, bitrate: int) -> None:
        level = level_for(width, height, fps)
        self.codec = codec_string(level)
        self._count = 0
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = Fraction(1, fps), Fraction(fps)
        context.bit_rate = bitrate
        context.gop_size, context.max_b_frames = 2**30, 0
        context.qmin = BEST
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
        self._most = self._bitrate = bitrate
        self._fps = fps
        self._repeats = 0

    def set_rate(self, bitrate: int, fps: int) -> None:
        """See `Encoder`. At most what it was made with."""
        self._bitrate = max(50_000, min(bitrate * self._fps // fps, self._most))

    def encode(self, picture: Picture, keyframe: bool, changed: Rect | None) -> Encoded:
        """See `Encoder`."""
        # Repeats of a picture at rest come at a third of the frame rate and leave most of their budget unused.
        self._context.bit_rate = min(self._most, self._bitrate * (REFINE_BOOST if changed is None else 1))
        frame = picture.frame()
        # x264's budget for one picture is rate / fps whatever the clock says, so that the ceiling holds at full speed.
        frame.pts = self._count
        frame.time_base = self._context.time_base
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        self._count += 1
        packets = self._context.encode(frame)
        data = b"".join(bytes(packet) for packet in packets)
        # Skipped macroblocks cost next to nothing; one repeat without news may be x264 taking its breath.
        idle = changed is None and len(data) < 100 + picture.width * picture.height // 16_384
        self._repeats = self._repeats + 1 if idle else 0
        return Encoded(data, any(p.is_keyframe for p in packets), crisp=self._repeats >= CRISP_REPEATS)

    def close(self) -> None:
        """Free the encoder; dropping the context does it."""
        del self._context
