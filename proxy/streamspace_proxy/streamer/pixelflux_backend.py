"""The capture backend that encodes on a GPU: pixelflux (NVENC, VA-API), exactly pinned behind this adapter.

It captures and encodes by itself and hands frames over on threads of its own, one for each change of the screen, each
referring to the one before. One that nobody has asked for is held; when more come, all are thrown away and the next one
asked for is a keyframe. It must not know viewers.

A GPU may look good and fail when it is used: pixelflux then encodes on the CPU, which our own engine does better, or
ends, or hangs. Each of these is told as `CaptureSink.failed`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from streamspace_proxy.streamer.capture import CaptureBackend, CaptureFigures, CaptureSettings, CaptureSink, Quality
from streamspace_proxy.streamer.frames import EncodedFrame, Timings
from streamspace_proxy.streamer.x_thread import XThread

logger = logging.getLogger(__name__)
HELD: Final = 2
LOOK_SECONDS: Final = 1.0
"""How often it is looked at, while somebody watches."""
KEYFRAME_SECONDS: Final = 5.0
"""One that was asked for and has not come within this never will."""
BEST_QP: Final = 16


class PixelfluxCapture(CaptureBackend):
    """See `CaptureBackend`."""

    def __init__(self, settings: CaptureSettings, sink: CaptureSink, gpu: bool) -> None:
        import pixelflux

        self._settings = settings
        self._sink = sink
        self._gpu = gpu
        self._module = pixelflux
        self._lock = threading.RLock()
        self._capture: Any = None
        self._generation = 0
        self._active = False
        self._wanted = self._broken = False
        self._held: deque[EncodedFrame] = deque()
        self._quality = settings.quality
        self._epoch = settings.first_epoch - 1
        self._announced = False
        self._asked_at: float | None = None
        self._has_failed = False
        self._size: tuple[int, int] | None = None
        self._frames = self._keyframes = self._bytes = 0
        self._screen = _Size(settings, self._resized, self._look, sink.lost)

    def start(self) -> None:
        """See `CaptureBackend`."""
        self._screen.start()

    def close(self) -> None:
        """See `CaptureBackend`."""
        self._screen.close()
        with self._lock:
            self._active = False
        self._restart()
        self._screen.join()

    def set_active(self, active: bool) -> None:
        """See `CaptureBackend`."""
        with self._lock:
            changed, self._active = active != self._active, active
        if changed:
            self._screen.post(self._restart)

    def request_frame(self) -> None:
        """See `CaptureBackend`."""
        with self._lock:
            self._wanted = True
            self._hand_over()

    def request_keyframe(self) -> None:
        """See `CaptureBackend`."""
        with self._lock:
            self._held.clear()
            self._broken = True
            self._ask_keyframe()

    def set_quality(self, quality: Quality) -> None:
        """See `CaptureBackend`. The scale stays at 1: what a GPU is there for."""
        with self._lock:
            before, self._quality = self._quality, quality
            if self._capture is not None and before != quality:
                self._capture.update_video_bitrate(quality.bitrate // 1000)
                self._capture.update_framerate(float(quality.fps))

    def figures(self) -> CaptureFigures:
        """See `CaptureBackend`."""
        return CaptureFigures("pixelflux", self._frames, self._keyframes, self._bytes)

    def _resized(self, width: int, height: int) -> None:
        """Learn the screen's size, on the thread that watches it."""
        self._size = (width & ~1, height & ~1)
        self._sink.screen(width, height)
        self._restart()

    def _restart(self) -> None:
        """End what runs, and begin anew where somebody looks. It takes the module's own threads a moment."""
        with self._lock:
            capture, self._capture = self._capture, None
            self._generation += 1
            self._held.clear()
            self._broken = self._announced = False
            self._asked_at = None
        if capture is not None:
            capture.stop_capture()
        with self._lock:
            if not self._active or self._size is None or self._capture is not None or self._has_failed:
                return
            generation = self._generation
            self._epoch = (self._epoch + 1) & 0xFFFF
            self._capture = self._module.ScreenCapture()
            self._asked_at = time.monotonic()  # it begins with one
            try:
                self._capture.start_capture(
                    lambda frame: self._take(frame, generation), self._capture_settings(self._size)
                )
            except Exception as error:  # whatever a driver makes of it
                self._fail(f"{type(error).__name__}: {error}")

    def _look(self) -> float | None:
        """Find out whether it works, on the thread that watches the size; returns when to look again."""
        with self._lock:
            capture, asked_at = self._capture, self._asked_at
        if capture is None or self._has_failed:
            return None
        if (why := self._fault(capture, asked_at)) is not None:
            self._fail(why)
            return None
        return LOOK_SECONDS

    def _fault(self, capture: Any, asked_at: float | None) -> str | None:
        state, why = capture.capture_state()
        if state == "failed":
            return str(why)
        stream = capture.stream_info()
        if self._gpu and stream is not None and not stream["hardware"]:
            return f"no GPU encodes: {stream['encoder_reason']}"
        if asked_at is not None and time.monotonic() - asked_at > KEYFRAME_SECONDS:
            return f"no keyframe came for {KEYFRAME_SECONDS:.0f} s"
        return None

    def _fail(self, reason: str) -> None:
        with self._lock:
            told, self._has_failed = self._has_failed, True
        if not told:
            self._sink.failed(reason)

    def _ask_keyframe(self) -> None:
        """Ask for a keyframe, with the lock held."""
        if self._capture is not None:
            self._asked_at = self._asked_at or time.monotonic()
            self._capture.request_idr_frame()

    def _capture_settings(self, size: tuple[int, int]) -> Any:
        # Where it finds the display; all captures of this process are of the same one.
        os.environ["DISPLAY"] = self._settings.display
        os.environ["XAUTHORITY"] = str(self._settings.xauthority)
        settings = self._module.CaptureSettings()
        settings.use_wayland = False
        settings.capture_width, settings.capture_height = size
        settings.codec = self._settings.codec
        settings.target_fps = float(self._quality.fps)
        settings.video_bitrate_kbps = self._quality.bitrate // 1000
        settings.video_cbr_mode = True
        settings.video_min_qp = BEST_QP
        settings.video_fullframe = True
        settings.omit_stripe_headers = True
        settings.keyframe_interval_s = 0.0
        settings.capture_cursor = False
        settings.use_cpu = not self._gpu
        return settings

    def _take(self, frame: Any, generation: int) -> None:
        """Take a frame on one of the module's threads."""
        data, now = bytes(frame), time.monotonic()
        with self._lock:
            if generation != self._generation or self._size is None or not data:
                return
            keyframe = _is_keyframe(self._settings.codec, data)
            if keyframe and not self._announced:
                self._announced = True
                self._sink.format(self._epoch, _codec_name(self._settings.codec, data), *self._size)
            if keyframe:
                self._held.clear()
                self._broken, self._asked_at = False, None
            elif self._broken or not self._announced:
                return
            self._count(data, keyframe)
            captured, began = frame.capture_ns, frame.encode_start_ns
            timings = Timings(None, None, (frame.encode_end_ns - began) / 1e9, now)
            self._held.append(EncodedFrame(data, keyframe, self._epoch, captured // 1000, *self._size, timings))
            if len(self._held) > HELD:
                self._held.clear()
                self._broken = True
            self._hand_over()

    def _count(self, data: bytes, keyframe: bool) -> None:
        self._frames += 1
        self._keyframes += keyframe
        self._bytes += len(data)

    def _hand_over(self) -> None:
        if not self._wanted:
            return
        if self._held:
            self._wanted = False
            self._sink.frame(self._held.popleft())
        elif self._broken:
            self._ask_keyframe()


class _Size(XThread):
    """Watches the screen's size, which pixelflux does not, and whether the X server and pixelflux live."""

    def __init__(self, settings: CaptureSettings, on_size: Any, look: Callable[[], float | None], on_lost: Any) -> None:
        super().__init__("size", settings.display, settings.xauthority)
        self._on_size = on_size
        self._look = look
        self._on_lost = on_lost
        self._known: tuple[int, int] | None = None
        self._changed = False

    def setup(self, connection: Any) -> None:
        """Ask to be told."""
        import xcffib.xproto

        if self._known is not None:  # another X server: the display attaches anew
            self._on_lost("the X server has ended")
        self._core = connection.core
        self._root = connection.get_setup().roots[connection.pref_screen].root
        mask = xcffib.xproto.EventMask.StructureNotify
        self._core.ChangeWindowAttributes(self._root, xcffib.xproto.CW.EventMask, [mask])
        self._changed = True

    def handle(self, event: Any) -> None:
        """Note that something happened to the root window."""
        self._changed = True

    def settle(self) -> float | None:
        """Tell the size when it is another one, and look whether there is a picture."""
        if self._changed:
            self._changed = False
            geometry = self._core.GetGeometry(self._root).reply()
            if (geometry.width, geometry.height) != self._known:
                self._known = (geometry.width, geometry.height)
                self._on_size(*self._known)
        return self._look()


def _is_keyframe(codec: str, data: bytes) -> bool:
    if codec == "vp8":
        return not data[0] & 1
    return any(data[at + 3] & 31 == 5 for at in _starts(data))


def _codec_name(codec: str, data: bytes) -> str:
    """Return the WebCodecs name: of H.264 what the sequence parameter set says."""
    for at in _starts(data) if codec == "h264" else ():
        if data[at + 3] & 31 == 7:
            return "avc1." + data[at + 4 : at + 7].hex()
    return codec


def _starts(data: bytes) -> list[int]:
    """Return where the start codes of the first NAL units are: what comes before the slices is at the beginning."""
    found: list[int] = []
    at = data.find(b"\0\0\1")
    while 0 <= at < len(data) - 6 and len(found) < 8:
        found.append(at)
        at = data.find(b"\0\0\1", at + 3)
    return found
