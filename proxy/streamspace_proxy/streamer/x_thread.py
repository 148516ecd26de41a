"""A thread with an X connection of its own, for work that must wait for the X server's replies.

Sleeps until the X server or another thread has something for it; connects again when the X server comes back. Knows
nothing of what its subclasses do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import xcffib

from streamspace_proxy.streamer import x11

logger = logging.getLogger(__name__)
JOIN_SECONDS: Final = 2.0
RETRY_SECONDS: Final = (0.1, 0.5, 1.0, 2.0)


class XThread(ABC):
    """One such thread. `setup`, `handle` and what is given to `post` run on it, everything else on the event loop."""

    def __init__(self, name: str, display: str, xauthority: Path) -> None:
        self._display = display
        self._xauthority = xauthority
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake_read = self._wake_write = -1
        self._lock = threading.Lock()
        self._posted: deque[Callable[[], None]] = deque()
        self._closing = False
        self._running = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread, which connects; callbacks will come on the running event loop. Once is enough."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._running = True
            self._thread.start()

    def close(self) -> None:
        """Let the thread end its connection and itself; does not wait. No callback comes afterwards."""
        self._closing = True
        self._wake()

    def join(self) -> None:
        """Wait until the connection has ended, after `close`. Blocks: call it off the event loop."""
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)

    @abstractmethod
    def setup(self, connection: xcffib.Connection) -> None:
        """Use a new connection; whatever belonged to an earlier one is void."""

    @abstractmethod
    def handle(self, event: xcffib.Event) -> None:
        """Handle one event."""

    def settle(self) -> float | None:
        """Do what is due after a batch of events; return in how many seconds to be called again at the latest.

        Called after every wake-up too, so it may ask for replies only when it knows of something to ask for.
        """
        return None

    def post(self, task: Callable[[], None]) -> None:
        """Have `task` run on the thread, when there is a connection."""
        self._posted.append(task)
        self._wake()

    def deliver(self, callback: Callable[[], None]) -> None:
        """Have `callback` run on the event loop. For the thread."""

        def unless_closed() -> None:
            if not self._closing:
                callback()

        with contextlib.suppress(RuntimeError):  # the loop has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(unless_closed)

    def _wake(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):  # full: it will wake
            if self._running:
                os.write(self._wake_write, b"\0")

    def _run(self) -> None:
        attempt = 0
        try:
            while not self._closing:
                with contextlib.suppress(ConnectionError, xcffib.ConnectionException):
                    connection = x11.connect(self._display, self._xauthority)
                    attempt = 0
                    self._serve(connection)
                self._sleep(None, RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
        except Exception:
            logger.exception("%s: the thread failed", self._thread.name)
        finally:
            with self._lock:
                self._running = False
                os.close(self._wake_read)
                os.close(self._wake_write)

    def _serve(self, connection: xcffib.Connection) -> None:
        try:
            self.setup(connection)
            while not self._closing:
                # Waiting for a reply reads events too, into libxcb's memory: only when none is left may we sleep.
                busy = self._handle_events(connection) | self._run_posted()
                seconds = self.settle()
                connection.flush()
                if not busy:
                    self._sleep(connection.get_file_descriptor(), seconds)
        finally:
            connection.disconnect()

    def _handle_events(self, connection: xcffib.Connection) -> bool:
        busy = False
        while not self._closing:
            try:
                event = connection.poll_for_event()
                if event is None:
                    break
                busy = True
                self.handle(event)
            except xcffib.Error as error:  # a window that went away meanwhile, as other clients' windows do
                busy = True
                logger.debug("%s: %r", self._thread.name, error)
        return busy

    def _run_posted(self) -> bool:
        busy = False
        while self._posted:
            busy = True
            try:
                self._posted.popleft()()
            except xcffib.Error as error:
                logger.debug("%s: %r", self._thread.name, error)
        return busy

    def _sleep(self, descriptor: int | None, seconds: float | None) -> None:
        if self._closing or self._posted:
            seconds = 0
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
        poll.poll(None if seconds is None else max(0.0, seconds) * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
