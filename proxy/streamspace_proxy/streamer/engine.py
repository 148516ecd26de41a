"""The event-driven capture backend: a thread that sleeps until the screen changes and somebody wants to see it.

XDamage event -> XShm grab of the changed rows -> I420 -> encoder, all on one thread that shares nothing with the event
loop but a few flags and a pipe. It must not know viewers.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import select
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamspace_proxy.streamer.capture import (
    Backend,
    CaptureBackend,
    CaptureFigures,
    CaptureSettings,
    CaptureSink,
    Quality,
)
from streamspace_proxy.streamer.frames import EncodedFrame, Timings
from streamspace_proxy.streamer.pacing import Act, Pacer
from streamspace_proxy.streamer.rect import NOWHERE, Rect

if TYPE_CHECKING:
    from streamspace_proxy.streamer.encoder import Encoder, Picture
    from streamspace_proxy.streamer.screen import Screen
    from streamspace_proxy.streamer.x11grab import PolledScreen

logger = logging.getLogger(__name__)
CLOSE_SECONDS: Final = 2.0
FIGURE_WINDOW: Final = 300
PHASES: Final = ("grab", "convert", "encode")


class EventDrivenCapture(CaptureBackend):
    """Our own engine. See `CaptureBackend` for the contract."""

    def __init__(self, settings: CaptureSettings, sink: CaptureSink, polling: bool = False) -> None:
        self._settings = settings
        self._polling = polling
        self._backend: Backend = "x11grab" if polling else "xdamage"
        self._sink = sink
        self._epoch = settings.first_epoch - 1
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock = threading.Lock()
        # Wishes of other threads, read by ours; under the lock.
        self._closing = False
        self._ended = False
        self._active = False
        self._frame_wanted = False
        self._keyframe_wanted = False
        self._quality = settings.quality
        # The thread's own.
        self._pacer = Pacer(settings.quality.fps)
        self._screen: Screen | PolledScreen | None = None
        self._picture: Picture | None = None
        self._encoder: Encoder | None = None
        self._used = settings.quality
        self._changed = NOWHERE
        self._frames = self._keyframes = self._bytes = 0
        self._timings: deque[tuple[float, float, float]] = deque(maxlen=FIGURE_WINDOW)
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Start the thread, which connects."""
        self._thread.start()

    def set_active(self, active: bool) -> None:
        """See `CaptureBackend`."""
        with self._lock:
            self._active = active
        self._wake()

    def request_frame(self) -> None:
        """See `CaptureBackend`."""
        with self._lock:
            self._frame_wanted = True
        self._wake()

    def request_keyframe(self) -> None:
        """See `CaptureBackend`."""
        with self._lock:
            self._keyframe_wanted = True
        self._wake()

    def set_quality(self, quality: Quality) -> None:
        """See `CaptureBackend`. Takes effect with the next frame."""
        with self._lock:
            rescaled, self._quality = quality.scale != self._quality.scale, quality
        if rescaled:
            self._wake()

    def close(self) -> None:
        """See `CaptureBackend`."""
        with self._lock:
            self._closing = True
        self._wake()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(CLOSE_SECONDS)

    def figures(self) -> CaptureFigures:
        """See `CaptureBackend`."""
        columns = list(zip(*list(self._timings), strict=True)) or [(), (), ()]
        milliseconds = {
            phase: {"p50": _percentile(column, 0.5), "p95": _percentile(column, 0.95)}
            for phase, column in zip(PHASES, columns, strict=True)
        }
        return CaptureFigures(self._backend, self._frames, self._keyframes, self._bytes, milliseconds)

    def _wake(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):  # full: it will wake
            if not self._ended:
                os.write(self._wake_write, b"\0")

    def _run(self) -> None:
        _name_thread("capture")
        reason, tell = "", self._sink.lost
        try:
            self._loop()
        except _Lost as error:
            reason = str(error)
        except Exception as error:
            logger.exception("capture: the engine failed")
            reason, tell = f"{type(error).__name__}: {error}", self._sink.failed
        finally:
            self._free()
            with self._lock:
                closing, self._ended = self._closing, True
                os.close(self._wake_read)
                os.close(self._wake_write)
        if not closing:
            tell(reason)

    def _free(self) -> None:
        self._drop_encoder()
        if self._screen is not None:
            self._screen.close()
            self._screen = None

    def _loop(self) -> None:
        # Numpy and FFmpeg take a while to load: here, while nobody waits for a picture yet.
        from streamspace_proxy.streamer import encoders  # noqa: F401
        from streamspace_proxy.streamer.screen import ScreenLostError, ScreenUnreadableError

        try:
            settings = self._settings
            self._screen = screen = open_screen(settings.display, settings.xauthority, polling=self._polling)
            self._backend = screen.backend
            self._sink.screen(screen.width, screen.height)
            poll = select.poll()
            poll.register(screen.descriptor, select.POLLIN)
            poll.register(self._wake_read, select.POLLIN)
            while self._turn(screen, poll):
                pass
        except ScreenUnreadableError:
            raise
        except (ScreenLostError, ConnectionError) as error:
            raise _Lost(str(error)) from error

    def _turn(self, screen: Screen | PolledScreen, poll: select.poll) -> bool:
        """Do what is to be done now, then sleep; False: end."""
        if not self._take_wishes(screen):
            return False
        if screen.read_events():
            self._drop_encoder()
            self._sink.screen(screen.width, screen.height)
            if self._active:
                screen.watch()
        act, seconds = Act.SLEEP, None
        if screen.watching:
            act, seconds = self._pacer.decide(screen.changed, time.monotonic())
        if act is not Act.SLEEP:
            self._make_frame(screen, act)
            return True
        if (soon := screen.poll_seconds) is not None:
            seconds = soon if seconds is None else min(seconds, soon)
        poll.poll(None if seconds is None else max(seconds * 1000, 0.2))
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        return True

    def _take_wishes(self, screen: Screen | PolledScreen) -> bool:
        with self._lock:
            closing, active = self._closing, self._active
            wanted, self._frame_wanted = self._frame_wanted, False
            keyframe, self._keyframe_wanted = self._keyframe_wanted, False
            quality = self._quality
        self._pacer.requested |= wanted
        self._pacer.keyframe |= keyframe
        if quality.scale != self._used.scale:
            self._drop_encoder()
        if quality.fps != self._used.fps:
            self._pacer.set_fps(quality.fps)
        self._used = quality
        if active and not screen.watching:
            screen.watch()
            self._ensure_encoder(screen)
        elif not active and screen.watching:
            screen.unwatch()
            self._drop_encoder()
        return not closing

    def _make_frame(self, screen: Screen | PolledScreen, act: Act) -> None:
        started = time.monotonic()
        refine, news = act is Act.REFINE, False
        if screen.changed and not refine:
            if (changed := screen.grab()) is None:  # another size, or no news after all: read_events will say which
                return
            self._changed, news = self._changed.union(changed), True
        grabbed = time.monotonic()
        picture, encoder = self._ensure_encoder(screen)
        changed, self._changed = picture.update(screen.pixels, self._changed), NOWHERE
        converted = time.monotonic()
        encoder.set_rate(self._used.bitrate, self._used.fps)
        encoded = encoder.encode(picture, self._pacer.keyframe, None if refine else changed)
        done = time.monotonic()
        self._pacer.captured(started, news, encoded.crisp, encoded.pause)
        self._frames += 1
        self._keyframes += encoded.keyframe
        self._bytes += len(encoded.data)
        if news:
            self._timings.append((grabbed - started, converted - grabbed, done - converted))
        timings = Timings(
            grabbed - started if news else None, converted - grabbed if news else None, done - converted, done
        )
        self._sink.frame(
            EncodedFrame(
                encoded.data, encoded.keyframe, self._epoch, int(started * 1e6), picture.width, picture.height,
                timings, encoded.quantiser, refine,
            )
        )  # fmt: skip

    def _ensure_encoder(self, screen: Screen | PolledScreen) -> tuple[Picture, Encoder]:
        if self._picture is None or self._encoder is None:
            from streamspace_proxy.streamer import encoders

            codec = self._settings.codec
            self._picture = encoders.make_picture(codec, screen.width, screen.height, self._used.scale)
            self._changed = Rect(0, 0, screen.width, screen.height)
            self._encoder = encoders.make_encoder(codec, self._picture, self._settings.quality)
            self._epoch = (self._epoch + 1) & 0xFFFF
            self._pacer.keyframe = True
            self._sink.format(self._epoch, self._encoder.codec, self._picture.width, self._picture.height)
        return self._picture, self._encoder

    def _drop_encoder(self) -> None:
        if self._encoder is not None:
            self._encoder.close()
        self._encoder = self._picture = None
        self._changed = NOWHERE
        self._pacer.reset()


class _Lost(Exception):  # noqa: N818
    """The display is gone."""


def _percentile(values: tuple[float, ...], share: float) -> float:
    if not values:
        return 0.0
    ordered = sorted(values)
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


def _name_thread(name: str) -> None:
    """Give the calling thread a name that `top -H` shows."""
    libc = ctypes.CDLL(None)
    libc.prctl(15, ctypes.c_char_p(name.encode()), 0, 0, 0)


def open_screen(display: str, xauthority: Path, *, polling: bool = False) -> Screen | PolledScreen:
    """Return the screen of an X server, read in the best way that it offers, or polled. Blocks for some round trips.

    Raises:
        ScreenLostError: the X server cannot be used.
        ConnectionError: it does not answer, or refuses the cookie.
    """
    from streamspace_proxy.streamer import backends, x11, x11grab
    from streamspace_proxy.streamer.screen import Screen

    connection = x11.connect(display, xauthority)
    extensions = [str(item.name.to_string()) for item in connection.core.ListExtensions().reply().names]
    if backends.choose_screen("x11grab" if polling else "auto", extensions) == "xdamage":
        return Screen(connection, foreign=_is_foreign(xauthority))
    connection.disconnect()
    logger.warning("capture: polling the screen, which costs more; its X server has %s", ", ".join(extensions))
    return x11grab.PolledScreen(display, xauthority)


def _is_foreign(xauthority: Path) -> bool:
    """Return whether the X server, which has written this file, runs under another user."""
    try:
        return xauthority.stat().st_uid != os.geteuid()
    except FileNotFoundError:
        return False  # an X server that asks for no cookie
