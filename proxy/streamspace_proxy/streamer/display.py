"""Everything of the streamer that hangs on one X display: engines, input, clipboard, cursor.

Follows the display that the desktop names: attaches, and when the X server goes away lets go of all of it and attaches
again. It can also be told to let go while the X server lives, so that it can be put to sleep. Knows no viewers; what it
learns goes to `DisplayListener`, on the event loop, and frames to the stream that an engine was opened for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from streamspace_hub.model import Policy
from streamspace_proxy.streamer import backends
from streamspace_proxy.streamer.capture import BACKENDS, Backend, CaptureBackend, CaptureSettings, CaptureSink
from streamspace_proxy.streamer.clipboard import ClipboardBridge
from streamspace_proxy.streamer.cursor import CursorWatcher
from streamspace_proxy.streamer.frames import CursorShape, EncodedFrame
from streamspace_proxy.streamer.input import InputInjector
from streamspace_proxy.streamer.stream import VideoFormat, VideoStream
from streamspace_proxy.streamer.thumbnails import Thumbnails

logger = logging.getLogger(__name__)
RETRY_SECONDS: Final = (0.1, 0.25, 0.5, 1.0)


class DisplayListener(Protocol):
    """Who learns what happens on the display; called on the event loop."""

    def on_attached(self) -> None:
        """Learn that the display can be used."""

    def on_detached(self) -> None:
        """Learn that the display is gone for now."""

    def on_screen(self, width: int, height: int) -> None:
        """Learn the framebuffer's size in pixels."""

    def on_cursor(self, cursor: CursorShape) -> None:
        """Take the cursor's new shape."""

    def on_clipboard(self, text: str) -> None:
        """Take the session's new clipboard text."""

    def on_clipboard_too_large(self) -> None:
        """Learn that a program copied more than the policy's limit."""

    def on_backend_failed(self, backend: Backend) -> None:
        """Learn that a capture backend was of no use, and another one has taken its place, if there is one."""


class _LoopSink(CaptureSink):
    """Brings one engine's results to the event loop; silent once the engine is let go of."""

    def __init__(
        self,
        stream: VideoStream[Any],
        listener: DisplayListener,
        on_lost: Callable[[str], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._stream = stream
        self._listener = listener
        self._on_lost = on_lost
        self._on_failed = on_failed
        self.open = True

    def _post(self, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(lambda: call() if self.open else None)

    def frame(self, frame: EncodedFrame) -> None:
        self._post(lambda: self._stream.on_frame(frame))

    def format(self, epoch: int, codec: str, width: int, height: int) -> None:
        self._post(lambda: self._stream.on_format(VideoFormat(epoch, codec, width, height)))

    def screen(self, width: int, height: int) -> None:
        self._post(lambda: self._listener.on_screen(width, height))

    def lost(self, reason: str) -> None:
        self._post(lambda: self._on_lost(reason))

    def failed(self, reason: str) -> None:
        self._post(lambda: self._on_failed(reason))


class Display:
    """The session's display, for as long as there is one."""

    def __init__(
        self,
        rfb_path: Path,
        xauthority: Path,
        policy: Policy,
        listener: DisplayListener,
        wanted: backends.Wanted = "auto",
    ) -> None:
        self._rfb_path = rfb_path
        self._xauthority = xauthority
        self._policy = policy
        self._listener = listener
        self._target: str | None = None
        self._changed = asyncio.Event()
        self._lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._epochs = 0
        self._wanted = wanted
        self._machine = backends.Machine()
        self._captures: dict[CaptureBackend, _LoopSink] = {}
        self._failed: set[Backend] = set()
        """Backends that are of no use on this display, although they looked good."""
        self._replaced: set[asyncio.Task[None]] = set()
        self.input: InputInjector | None = None
        self._clipboard: ClipboardBridge | None = None
        self._cursor: CursorWatcher | None = None
        self._attached: str | None = None
        self._thumbnails = Thumbnails()
        self._detached = asyncio.Event()
        self._detached.set()

    def start(self) -> asyncio.Task[None]:
        """Begin following; the task ends by a fault only."""
        self._task = asyncio.create_task(self._run(), name="display")
        return self._task

    def follow(self, display: str | None) -> None:
        """Attach to `display` (`:5`); None: there is none at present."""
        if display != self._target:
            self._target = display
            self._changed.set()

    async def release(self) -> None:
        """Let go of the display until `follow` names one again; on return nothing of ours is connected to it."""
        self.follow(None)
        await self._detached.wait()

    @property
    def attached(self) -> bool:
        """Whether there is a display to capture."""
        return self._attached is not None

    @property
    def ready(self) -> bool:
        """Whether input arrives there, too."""
        return self._attached is not None and self.input is not None and self.input.connected

    def open_capture(self, stream: VideoStream[Any]) -> CaptureBackend:
        """Start an engine for `stream`, which gets its frames. Only while attached."""
        assert self._attached is not None
        # Epochs go on counting: a viewer must never take a new frame for one of an earlier engine.
        self._epochs = (self._epochs + 1000) & 0xFFFF
        settings = CaptureSettings(self._attached, self._xauthority, stream.codec, stream.most, self._epochs)
        backend = backends.choose(self._wanted, stream.codec, self._machine, self._failed) or BACKENDS[-1]
        sink = _LoopSink(stream, self._listener, self._on_lost, lambda reason: self._on_failed(stream, backend, reason))
        engine = backends.make(backend, self._machine, settings, sink)
        self._captures[engine] = sink
        engine.start()
        return engine

    async def close_capture(self, engine: CaptureBackend) -> None:
        """End an engine; nothing comes from it any more."""
        sink = self._captures.pop(engine, None)
        if sink is not None:
            sink.open = False
            await asyncio.to_thread(engine.close)  # it waits for its thread

    async def thumbnail(self) -> bytes | None:
        """Return a small JPEG of the screen; None while there is no display."""
        return await self._thumbnails.get(self._attached, self._xauthority)

    def set_clipboard(self, text: str) -> None:
        """Put text onto the session's clipboard."""
        if self._clipboard is not None:
            self._clipboard.set_text(text)

    async def close(self) -> None:
        """Let go of the display, for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._detach()

    async def _run(self) -> None:
        attempt = 0
        self._machine = await asyncio.to_thread(backends.probe)
        while True:
            self._changed.clear()
            self._lost.clear()
            if self._target is None:
                await self._changed.wait()
                attempt = 0
                continue
            try:
                await self._attach(self._target)
            except OSError as error:
                await self._detach()
                self._listener.on_detached()
                if attempt == 0:
                    logger.warning("display %s: %s; trying again", self._target, error)
                pause = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
                attempt += 1
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), pause)
                continue
            attempt = 0
            await _first(self._changed, self._lost)
            await self._detach()
            self._listener.on_detached()
            if self._lost.is_set():
                # An X server that has just died is not back at once.
                await asyncio.sleep(RETRY_SECONDS[0])

    async def _attach(self, display: str) -> None:
        logger.info("display %s: attaching", display)
        self.input = InputInjector(self._rfb_path, display, self._xauthority)
        self._detached.clear()
        # The engines begin while input connects: a viewer waits for the picture.
        self._attached = display
        self._listener.on_attached()
        await self.input.connect()
        self._cursor = CursorWatcher(display, self._xauthority, self._listener.on_cursor)
        self._cursor.start()
        self._clipboard = ClipboardBridge(
            display,
            self._xauthority,
            self._policy.clipboard_limit,
            self._listener.on_clipboard,
            self._listener.on_clipboard_too_large,
        )
        self._clipboard.start()

    async def _detach(self) -> None:
        clipboard, cursor, injector = self._clipboard, self._cursor, self.input
        self._clipboard = self._cursor = self.input = self._attached = None
        if injector is not None:
            injector.close()
        for part in (clipboard, cursor):
            if part is not None:
                part.close()
        await asyncio.gather(*(self.close_capture(engine) for engine in list(self._captures)), *self._replaced)
        self._failed.clear()
        await self._thumbnails.settle()
        for thread in (clipboard, cursor, injector):
            if thread is not None:
                await asyncio.to_thread(thread.join)
        self._detached.set()

    def _on_lost(self, reason: str) -> None:
        logger.warning("display %s: %s", self._target, reason)
        self._lost.set()

    def _on_failed(self, stream: VideoStream[Any], backend: Backend, reason: str) -> None:
        """Put the next backend in the place of one that failed; display, input and viewers stay as they are."""
        if self._attached is None or stream.engine is None:
            return  # nobody needs it any more
        self._failed.add(backend)
        following = backends.choose(self._wanted, stream.codec, self._machine, self._failed)
        logger.warning("capture: %s failed (%s); next: %s", backend, reason, following or "all once more")
        self._listener.on_backend_failed(backend)
        if following is None:
            self._lost.set()
            return
        if (engine := stream.detach()) is not None:
            task = asyncio.create_task(self.close_capture(engine), name="capture-close")
            self._replaced.add(task)
            task.add_done_callback(self._replaced.discard)
        stream.attach(self.open_capture(stream))


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of `events` is set."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
