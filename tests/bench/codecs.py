"""What codecs cost and give on one core without a GPU: a page of text that scrolls, and nothing else.

The table in docs/explanation/streaming.md ("Codecs") comes from here. Those that the streamer has are measured as it
uses them; the others as FFmpeg has them, with what their makers advise for live pictures of a screen.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from streamspace_proxy.streamer.encoder import Encoder, Picture
from streamspace_proxy.streamer.h264 import FfmpegH264Encoder, H264Encoder
from streamspace_proxy.streamer.jpeg import JpegEncoder
from streamspace_proxy.streamer.rect import Rect
from streamspace_proxy.streamer.vp8 import Vp8Encoder

from tests.bench.report import Figure

Plane = np.ndarray[Any, np.dtype[np.uint8]]

SIZES = ((1280, 720), (1920, 1080))
FPS, BITRATE = 60, 8_000_000
FRAMES = 60 if os.environ.get("QUICK") else 300
WARM = 120
"""Frames before any counts: what the first keyframe costs the rate control is not what is compared."""
STEP = 5
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"
WORDS = "the quick brown fox jumps over a lazy dog while 0123456789 {braces} (and) [brackets] = stay; crisp"


@dataclass(frozen=True)
class Candidate:
    """One encoder: as the streamer has it (`own`), or FFmpeg's with options."""

    name: str
    decoder: str
    own: Any = None
    encoder: str = ""
    options: dict[str, str] = field(default_factory=dict)


LIVE_VPX = {"deadline": "realtime", "lag-in-frames": "0", "auto-alt-ref": "0", "static-thresh": "0"}
CANDIDATES = (
    Candidate("x264 as streamed", "h264", own=H264Encoder),
    Candidate("x264 through FFmpeg", "h264", own=FfmpegH264Encoder),
    Candidate("libvpx VP8", "vp8", own=Vp8Encoder),
    Candidate("FFmpeg MJPEG", "mjpeg", own=JpegEncoder),
    Candidate(
        "libvpx VP9", "vp9", encoder="libvpx-vp9", options={**LIVE_VPX, "cpu-used": "8", "tune-content": "screen"}
    ),
    Candidate(
        "SVT-AV1",
        "libdav1d",
        encoder="libsvtav1",
        options={"preset": "13", "svtav1-params": "scm=1:pred-struct=1:rc=2:lp=1:lookahead=0:keyint=-1"},
    ),
    Candidate(
        "x265",
        "hevc",
        encoder="libx265",
        options={
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x265-params": "pools=1:frame-threads=1:keyint=-1:log-level=none:vbv-maxrate=8000:vbv-bufsize=800",
        },
    ),
)


class Generic:
    """One of FFmpeg's encoders behind the streamer's seam, near enough for a bench."""

    def __init__(self, candidate: Candidate, width: int, height: int) -> None:
        context: Any = av.CodecContext.create(candidate.encoder, "w")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = Fraction(1, FPS), Fraction(FPS)
        context.bit_rate, context.gop_size, context.thread_count = BITRATE, 2**20, 1
        context.options = candidate.options
        self._context = context
        self._count = 0
        self.pause = 0.0

    def encode(self, picture: Picture) -> list[bytes]:
        """Return what comes out for one picture."""
        frame = picture.frame()
        frame.pts, frame.time_base = self._count, self._context.time_base
        self._count += 1
        return [bytes(packet) for packet in self._context.encode(frame)]

    def flush(self) -> list[bytes]:
        """Return what it still held."""
        return [bytes(packet) for packet in self._context.encode(None)]


class Own:
    """One of the streamer's."""

    def __init__(self, candidate: Candidate, width: int, height: int) -> None:
        self._encoder: Encoder = candidate.own(width, height, FPS, BITRATE)
        self._all = Rect(0, 0, width, height)
        self._first = True
        self.pause = 0.0

    def encode(self, picture: Picture) -> list[bytes]:
        """Return what comes out for one picture."""
        first, self._first = self._first, False
        encoded = self._encoder.encode(picture, first, self._all)
        self.pause = encoded.pause
        return [encoded.data]

    def flush(self) -> list[bytes]:
        """Hold nothing."""
        return []


def measure() -> Iterator[Figure]:
    """Every candidate at each size, on one core."""
    with one_core():
        for width, height in SIZES:
            page = text(width, height + STEP * (FRAMES + WARM))
            for candidate in CANDIDATES:
                yield from measured(candidate, page, width, height)


def measured(candidate: Candidate, page: Plane, width: int, height: int) -> Iterator[Figure]:
    """CPU, size and likeness of one candidate's pictures."""
    encoder = Own(candidate, width, height) if candidate.own else Generic(candidate, width, height)
    picture = Picture(width, height)
    milliseconds: list[float] = []
    units: list[bytes] = []
    lumas: list[Plane] = []
    begun = ready = time.monotonic()
    for number in range(FRAMES + WARM):
        # In real time, by which the streamer's own encoders keep to the ceiling; they leave out what has no room.
        time.sleep(max(0.0, begun + number / FPS - time.monotonic()))
        if time.monotonic() < ready:
            continue
        picture.update(page[STEP * number : STEP * number + height], Rect(0, 0, width, height))
        lumas.append(picture.planes[0].copy())
        # Of the whole process: some encode on threads of their own even when they are told to use one.
        began = time.process_time()
        units += encoder.encode(picture)
        milliseconds.append((time.process_time() - began) * 1000)
        ready = time.monotonic() + encoder.pause
    units += encoder.flush()
    likeness = [psnr(one, other) for one, other in zip(lumas, decoded(candidate.decoder, units), strict=False)]
    conditions = {
        "size": f"{width}x{height}",
        "bitrate": BITRATE,
        "fps": FPS,
        "pictures": FRAMES + WARM,
        "encoded": len(units),
    }
    kilobytes = sum(map(len, units[WARM:])) / len(units[WARM:]) / 1000
    yield Figure("codec: CPU of a frame", candidate.name, "ms", None, milliseconds[WARM:], conditions)
    yield Figure("codec: size of a frame", candidate.name, "kB", kilobytes, conditions=conditions)
    yield Figure("codec: luma PSNR", candidate.name, "dB", float(np.median(likeness[WARM:])), conditions=conditions)


def decoded(name: str, units: list[bytes]) -> Iterator[Plane]:
    """Yield the luma of each picture."""
    decoder: Any = av.CodecContext.create(name, "r")
    decoder.thread_count = 1
    for unit in (*units, None):
        for picture in decoder.decode(None if unit is None else av.Packet(unit)):
            plane = picture.planes[0]
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            yield rows[: plane.height, : plane.width].copy()


def psnr(one: Plane, other: Plane) -> float:
    """Peak signal to noise ratio in dB."""
    error = float(np.mean((one.astype(np.float32) - other.astype(np.float32)) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-3)))


def text(width: int, height: int) -> Plane:
    """Return a page of text as X has it: height x width x BGRX."""
    image = Image.new("L", (width, height), 255)
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(FONT, 13)
    for line, top in enumerate(range(0, height, 16)):
        start = line * 7 % len(WORDS)
        draw.text((4, top), (WORDS[start:] + " " + WORDS * 4)[: width // 8], fill=0, font=font)
    grey = np.asarray(image, np.uint8)
    return np.ascontiguousarray(np.repeat(grey[:, :, None], 4, axis=2))


@contextmanager
def one_core() -> Iterator[None]:
    """Stay on one core, so that no encoder uses two."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
