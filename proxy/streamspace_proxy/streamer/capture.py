"""The seam between the streamer and whatever turns a display into encoded video.

A backend works on threads of its own and captures only when asked: one `request_frame` is answered by at most one
frame, as soon as the screen differs from the last one. It must not know viewers, sockets or asyncio.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from streamspace_proxy.streamer.frames import EncodedFrame

Codec = Literal["h264", "vp8", "jpeg"]
CODECS: Final[tuple[Codec, ...]] = ("h264", "vp8", "jpeg")
"""What can be made of a display, the best first."""
Backend = Literal["pixelflux", "xdamage", "x11grab"]
BACKENDS: Final[tuple[Backend, ...]] = ("pixelflux", "xdamage", "x11grab")
"""Who can do it; each stands in for the one before it."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How much of the display is sent."""

    bitrate: int
    """Ceiling in bit/s."""
    fps: int
    """Most frames per second."""
    scale: float = 1.0
    """Of the screen's width and height: 1, 0.75 or 0.5."""


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """What to capture, into what."""

    display: str
    xauthority: Path
    codec: Codec
    quality: Quality
    """To start with; its bitrate and fps are the most that there will ever be."""
    first_epoch: int


class CaptureSink(Protocol):
    """Who gets the results. Called on the backend's thread; must return at once and not raise."""

    def frame(self, frame: EncodedFrame) -> None:
        """Take one frame; it answers the last `request_frame`."""

    def format(self, epoch: int, codec: str, width: int, height: int) -> None:
        """Learn of a new epoch, before its first frame: frames of earlier epochs are void.

        `codec` as in the protocol's `video`; even size in pixels, smaller than the screen where it is scaled.
        """

    def screen(self, width: int, height: int) -> None:
        """Learn the framebuffer's size in pixels: at the start and at every change."""

    def lost(self, reason: str) -> None:
        """Learn that the display is gone; the backend has ended by itself."""

    def failed(self, reason: str) -> None:
        """Learn that the backend is of no use here, whatever the display is; closing it is the sink's."""


@dataclass(frozen=True, slots=True)
class CaptureFigures:
    """What a backend measured over its last frames."""

    backend: Backend
    frames: int = 0
    """Since the start."""
    keyframes: int = 0
    bytes: int = 0
    milliseconds: dict[str, dict[str, float]] = field(default_factory=dict)
    """For `grab`, `convert` and `encode`: p50, p95."""

    def as_json(self) -> dict[str, Any]:
        """For `api/v1/stats`."""
        return {
            "backend": self.backend,
            "frames": self.frames,
            "keyframes": self.keyframes,
            "bytes": self.bytes,
            "milliseconds": self.milliseconds,
        }


class CaptureBackend(ABC):
    """Display in, `EncodedFrame`s out. All methods may be called from any thread and return at once."""

    @abstractmethod
    def start(self) -> None:
        """Connect to the display. Nothing is captured before `set_active`."""

    @abstractmethod
    def set_active(self, active: bool) -> None:
        """Begin or end watching the screen. Inactive, it costs neither memory for pictures nor traffic with X."""

    @abstractmethod
    def request_frame(self) -> None:
        """Allow one more frame; asking twice before it came is asking once."""

    @abstractmethod
    def request_keyframe(self) -> None:
        """Make the next frame a keyframe, and send it even if the screen did not change."""

    @abstractmethod
    def set_quality(self, quality: Quality) -> None:
        """Send more or less from now on; the picture goes on without a keyframe, unless its scale changes."""

    @abstractmethod
    def figures(self) -> CaptureFigures:
        """Return what was measured."""

    @abstractmethod
    def close(self) -> None:
        """End, and free everything: X connection, shared memory, encoder."""
