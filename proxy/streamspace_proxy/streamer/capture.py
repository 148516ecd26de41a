"""The seam between the streamer and whatever turns a display into encoded video.

A backend works on threads of its own and captures only when asked: one `request_frame` is answered by at most one
frame, as soon as the screen differs from the last one. It must not know viewers, sockets or asyncio.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from streamspace_proxy.streamer.frames import EncodedFrame


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """What to capture, and how much of it at most."""

    display: str
    xauthority: Path
    max_fps: int
    bitrate: int
    """Ceiling in bit/s to start with."""


class CaptureSink(Protocol):
    """Who gets the results. Called on the backend's thread; must return at once and not raise."""

    def frame(self, frame: EncodedFrame) -> None:
        """Take one frame; it answers the last `request_frame`."""

    def format(self, epoch: int, codec: str, width: int, height: int) -> None:
        """Learn of a new epoch, before its first frame: frames of earlier epochs are void. Even size in pixels."""

    def screen(self, width: int, height: int) -> None:
        """Learn the framebuffer's size in pixels: at the start and at every change."""

    def lost(self, reason: str) -> None:
        """Learn that the display is gone; the backend has ended by itself."""


@dataclass(frozen=True, slots=True)
class CaptureFigures:
    """What a backend measured over its last frames."""

    frames: int = 0
    """Since the start."""
    keyframes: int = 0
    bytes: int = 0
    milliseconds: dict[str, dict[str, float]] = field(default_factory=dict)
    """For `grab`, `convert` and `encode`: p50, p95."""

    def as_json(self) -> dict[str, Any]:
        """For `api/v1/stats`."""
        return {
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
    def set_bitrate(self, bitrate: int) -> None:
        """Change the ceiling in bit/s; the picture goes on without a keyframe."""

    @abstractmethod
    def figures(self) -> CaptureFigures:
        """Return what was measured."""

    @abstractmethod
    def close(self) -> None:
        """End, and free everything: X connection, shared memory, encoder."""
