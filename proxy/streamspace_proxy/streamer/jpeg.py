"""Each picture a JPEG of its own, for viewers that decode no video at all: dear, but every browser shows it.

For one thread. The quantiser follows the ceiling; a picture at rest is sent once more in the best quality.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import av
from av.video.reformatter import ColorRange

from streamspace_proxy.streamer.encoder import Encoded, Picture
from streamspace_proxy.streamer.rect import Rect

BEST, FIRST, WORST = 2, 6, 24
"""FFmpeg's quality scale for JPEG: half the number is twice the detail."""
STEP: Final = 1.25


class JpegEncoder:
    """See `Encoder`."""

    def __init__(self, width: int, height: int, fps: int, bitrate: int) -> None:
        self.codec = "jpeg"
        self._size = (width, height)
        self._scale = float(FIRST)
        self._budget = bitrate / 8 / fps
        self._contexts: dict[int, Any] = {}
        self._count = 0

    def set_rate(self, bitrate: int, fps: int) -> None:
        """See `Encoder`."""
        self._budget = bitrate / 8 / fps

    def encode(self, picture: Picture, keyframe: bool, changed: Rect | None) -> Encoded:
        """See `Encoder`. Every picture stands alone."""
        best = changed is None
        context = self._context(BEST if best else round(self._scale))
        frame = picture.frame()
        frame.pts = self._count
        frame.time_base = context.time_base
        frame.color_range = ColorRange.JPEG
        self._count += 1
        data = b"".join(bytes(packet) for packet in context.encode(frame))
        if not best:
            factor = STEP if len(data) > self._budget else 1 / STEP
            self._scale = min(float(WORST), max(float(BEST), self._scale * factor))
        return Encoded(data, True, crisp=best)

    def _context(self, scale: int) -> Any:
        if scale not in self._contexts:
            context = av.CodecContext.create("mjpeg", "w")
            context.width, context.height = self._size
            context.pix_fmt = "yuvj420p"
            context.color_range = ColorRange.JPEG
            context.time_base = Fraction(1, 60)
            context.qmin = context.qmax = scale
            context.thread_count = 1
            context.open()
            self._contexts[scale] = context
        return self._contexts[scale]

    def close(self) -> None:
        """Free what was made."""
        self._contexts.clear()
