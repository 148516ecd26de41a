"""The seam between a picture and the codecs, and the picture itself, of which only what changed is converted.

For one thread. Knows nothing of X and of viewers.

Sizes: 4:2:0 has one colour sample for 2 x 2 pixels, so sizes are even; the last column or row of an odd screen is cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import av
import numpy as np

from streamspace_proxy.streamer import colour
from streamspace_proxy.streamer.rect import Rect

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

SNAP: Final = 32
"""Changed rectangles grow to multiples of this, so that the scaler meets few different sizes."""


class Picture:
    """The screen as I420, kept between frames so that only what changed is converted."""

    def __init__(self, width: int, height: int, convert: colour.Converter | None = None, scale: float = 1.0) -> None:
        self.width = int(width * scale) & ~1
        self.height = int(height * scale) & ~1
        # The frame's own memory: PyAV takes an array for one only where the height is a multiple of four.
        self._frame = av.VideoFrame(self.width, self.height, "yuv420p")
        self.planes = tuple(_rows(plane) for plane in self._frame.planes)
        """y, u and v, each rows of pixels."""
        for plane in self.planes:
            plane[:] = 0
        self._convert = convert or colour.make_converter()
        self._scaler = None if scale == 1.0 else colour.Scaler(self.width, self.height)

    def update(self, pixels: Pixels, changed: Rect) -> Rect:
        """Convert the changed rectangle of `pixels` (height x width x BGRX); returns which of this picture changed."""
        if self._scaler is not None:
            # All of it: what a pixel becomes depends on its neighbours, and this is for motion anyway.
            pixels, changed = self._scaler(pixels), Rect(0, 0, self.width, self.height)
        rect = changed.snapped(SNAP, self.width, self.height)
        if rect.empty:
            return rect
        y, u, v = self.planes
        place = (slice(rect.top, rect.bottom), slice(rect.left, rect.right))
        half = (slice(rect.top // 2, rect.bottom // 2), slice(rect.left // 2, rect.right // 2))
        self._convert(pixels[place], y[place], u[half], v[half])
        return rect

    def frame(self) -> av.VideoFrame:
        """Return it as a frame, always the same one: use it up before the next `update`."""
        return self._frame


def _rows(plane: Any) -> Pixels:
    """Return a plane as rows of its pixels, in place."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


@dataclass(frozen=True, slots=True)
class Encoded:
    """One picture, encoded."""

    data: bytes
    keyframe: bool
    quantiser: int = 0
    """As in `EncodedFrame`."""
    crisp: bool = False
    """Encoding the same picture again would add nothing that can be seen."""
    pause: float = 0.0
    """Seconds that the next picture has to wait, for the ceiling's sake."""


class Encoder(Protocol):
    """One codec for pictures of one size."""

    codec: str
    """As the protocol's `video` names it."""

    def set_rate(self, bitrate: int, fps: int) -> None:
        """Take another ceiling (bit/s), for pictures that come at `fps` at most. Takes effect at once."""

    def encode(self, picture: Picture, keyframe: bool, changed: Rect | None) -> Encoded:
        """Encode the picture as it is now.

        `changed`: where it differs from the last one that was encoded; None: nowhere, it is to become finer.
        """

    def close(self) -> None:
        """Free it."""
