"""Plain data that crosses the boundaries inside the streamer: encoded video, encoded sound, cursor shapes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of one frame went: seconds, and for `done` the time.monotonic() at which it was encoded."""

    grab: float | None
    """None, as `convert`: nothing had changed, the picture was refined."""
    convert: float | None
    encode: float
    done: float


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One encoded picture of the display."""

    data: bytes
    """H.264: one access unit, Annex B, parameter sets before every keyframe. VP8: one frame. JPEG: one picture."""
    keyframe: bool
    epoch: int
    """Counts encoder restarts (resize, X server restart): frames of different epochs do not reference each other."""
    capture_us: int
    """CLOCK_MONOTONIC in microseconds when the capture began."""
    width: int
    height: int
    timings: Timings | None = None
    """None where the backend does not measure."""
    quantiser: int = 0
    """As H.264 counts it (0 to 51, six more halve the detail); 0: not known."""
    refined: bool = False
    """Shows what the frame before it shows, finer: the screen is at rest."""


@dataclass(frozen=True, slots=True)
class OpusPacket:
    """20 ms of sound, 48 kHz stereo."""

    data: bytes
    capture_us: int
    """CLOCK_MONOTONIC in microseconds of the first sample."""


@dataclass(frozen=True, slots=True)
class CursorShape:
    """The pointer's picture, as it is drawn by the viewer and not into the video."""

    width: int
    height: int
    hot_x: int
    hot_y: int
    png: bytes | None
    """None: the cursor is hidden."""
