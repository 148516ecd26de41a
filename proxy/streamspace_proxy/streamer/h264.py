"""H.264 through PyAV's libx264: Constrained Baseline, Annex B, no periodic keyframes, one access unit for each picture.

For one thread. What `x264` does better stands in here where it cannot be used. Colours: as `colour` converts them, and
flagged so in the stream.
"""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Final

import av
from av.video.frame import PictureType
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc

from streamspace_proxy.streamer import colour
from streamspace_proxy.streamer.encoder import Encoded, Picture
from streamspace_proxy.streamer.rect import Rect

BUFFER_SECONDS: Final = 0.1
"""The encoder's rate buffer: the longest time that one picture may take on a line of the ceiling's rate."""
BEST_QUANTISER: Final = 16
"""Below it nobody sees a difference: a still picture stops costing bits here."""
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


class H264Encoder:
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
