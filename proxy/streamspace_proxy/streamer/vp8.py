"""VP8 through PyAV's libvpx, for viewers without H.264, as Firefox's WebRTC without its plugin.

For one thread. Realtime settings, no periodic keyframes, no hidden (alternate reference) frames: one frame a picture.
"""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any, Final

import av
from av.video.frame import PictureType

from streamspace_proxy.streamer.encoder import Encoded, Picture
from streamspace_proxy.streamer.rect import Rect

SPEED: Final = 12
"""libvpx's cpu-used: above it nothing gets faster, and text gets worse."""
BEST_QUANTISER, WORST_QUANTISER = 4, 56
RATE_STEP: Final = 1.25
"""libvpx takes a new bitrate only with a new encoder, and that with a keyframe: not for less than this factor."""
BUFFER_SECONDS: Final = 0.25
CRISP_REPEATS: Final = 3
TINY: Final = 64


class Vp8Encoder:
    """See `Encoder`."""

    def __init__(self, width: int, height: int, fps: int, bitrate: int) -> None:
        self.codec = "vp8"
        self._size = (width, height)
        self._fps = fps
        self._bitrate = self._made_for = bitrate
        self._count = 0
        self._repeats = 0
        self._context = self._open()

    def _open(self) -> Any:
        context = av.CodecContext.create("libvpx", "w")
        context.width, context.height = self._size
        context.pix_fmt = "yuv420p"
        context.time_base, context.framerate = Fraction(1, self._fps), Fraction(self._fps)
        context.bit_rate = self._bitrate
        context.gop_size = 2**30
        context.qmin, context.qmax = BEST_QUANTISER, WORST_QUANTISER
        context.thread_count = max(1, min(4, len(os.sched_getaffinity(0)) // 2))
        context.options = {
            "deadline": "realtime",
            "cpu-used": str(SPEED),
            "lag-in-frames": "0",
            "auto-alt-ref": "0",
            "minrate": str(self._bitrate),
            "maxrate": str(self._bitrate),
            "bufsize": str(int(self._bitrate * BUFFER_SECONDS)),
            "static-thresh": "100",
            "error-resilient": "0",
        }
        context.open()
        self._made_for = self._bitrate
        return context

    def set_rate(self, bitrate: int, fps: int) -> None:
        """See `Encoder`."""
        self._bitrate = max(50_000, bitrate * self._fps // fps)

    def encode(self, picture: Picture, keyframe: bool, changed: Rect | None) -> Encoded:
        """See `Encoder`."""
        low, high = sorted((self._bitrate, self._made_for))
        if high > low * RATE_STEP and changed is not None:
            self._context = self._open()
        frame = picture.frame()
        frame.pts = self._count
        frame.time_base = self._context.time_base
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        self._count += 1
        packets = self._context.encode(frame)
        data = b"".join(bytes(packet) for packet in packets)
        self._repeats = self._repeats + 1 if changed is None and len(data) < TINY else 0
        return Encoded(data, any(p.is_keyframe for p in packets), crisp=self._repeats >= CRISP_REPEATS)

    def close(self) -> None:
        """Free the encoder; dropping the context does it."""
        del self._context
