"""Encoded test pictures as the engine makes them: moving stripes, keyframes on demand."""

from __future__ import annotations

import time
from fractions import Fraction

import av
import numpy as np
from streamspace_proxy.streamer.frames import EncodedFrame


class TestPicture:
    """libx264 on a picture whose brightness and noise change with every frame."""

    __test__ = False

    def __init__(self, width: int = 320, height: int = 240, noise: int = 0) -> None:
        self.width, self.height = width, height
        self.keyframe_wanted = False
        self.keyframes = 0
        self._noise = noise
        self.count = 0
        self._random = np.random.default_rng(1)
        codec = av.CodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
        codec.time_base = Fraction(1, 1_000_000)
        codec.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x264-params": "keyint=infinite:scenecut=0:repeat-headers=1:annexb=1",
            "profile": "baseline",
            "crf": "20",
            "forced-idr": "1",
        }
        self._codec = codec

    def next(self) -> EncodedFrame:
        """Encode the next picture."""
        plane = np.full((self.height * 3 // 2, self.width), 128, np.uint8)
        plane[: self.height] = (np.arange(self.width)[None, :] + self.count * 3) % 200 + 20
        if self._noise:
            plane[: self.height] += self._random.integers(0, self._noise, (self.height, self.width), np.uint8)
        frame = av.VideoFrame.from_ndarray(plane, format="yuv420p")
        frame.pts = int(time.monotonic() * 1e6)
        frame.time_base = Fraction(1, 1_000_000)
        keyframe = self.keyframe_wanted or not self.count
        frame.pict_type = av.video.frame.PictureType.I if keyframe else av.video.frame.PictureType.NONE
        self.keyframe_wanted = False
        self.count += 1
        data = b"".join(bytes(packet) for packet in self._codec.encode(frame))
        self.keyframes += keyframe
        return EncodedFrame(data, keyframe, 1, frame.pts, self.width, self.height)

    def want_keyframe(self) -> None:
        self.keyframe_wanted = True
