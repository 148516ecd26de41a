"""Pointer input that RFB cannot carry: relative motion, and the back and forward buttons. X XTEST extension.

Synchronous and cheap: it never waits for the X server, and drops what a stopped X server would not take.
"""

from __future__ import annotations

import asyncio
import select
from typing import Final

import xcffib
import xcffib.xproto
import xcffib.xtest

BUTTON_PRESS: Final = 4
BUTTON_RELEASE: Final = 5
MOTION_NOTIFY: Final = 6
RELATIVE: Final = 1
MAX_STEP: Final = 32767


class XTestPointer:
    """XTEST over a connection of its own; must be made and used on the event loop's thread."""

    def __init__(self, connection: xcffib.Connection) -> None:
        self._connection = connection
        self._xtest = connection(xcffib.xtest.key)
        self._loop = asyncio.get_running_loop()
        self._descriptor: int | None = connection.get_file_descriptor()
        # Events that nobody reads (every keymap change is one) would pile up in the X server.
        self._loop.add_reader(self._descriptor, self._drain)

    def motion(self, dx: int, dy: int) -> None:
        """Move by whole pixels, without acceleration."""
        self._fake(MOTION_NOTIFY, RELATIVE, max(-MAX_STEP, min(MAX_STEP, dx)), max(-MAX_STEP, min(MAX_STEP, dy)))

    def button(self, button: int, down: bool) -> None:
        """Press or release an X button (1..9)."""
        self._fake(BUTTON_PRESS if down else BUTTON_RELEASE, button, 0, 0)

    def close(self) -> None:
        """End the connection."""
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            self._descriptor = None
            self._connection.disconnect()

    def _fake(self, kind: int, detail: int, x: int, y: int) -> None:
        if self._descriptor is None or not select.select([], [self._descriptor], [], 0)[1]:
            return
        try:
            self._xtest.FakeInput(kind, detail, 0, xcffib.NONE, x, y, 0)
            self._connection.flush()
        except xcffib.ConnectionException:
            self.close()

    def _drain(self) -> None:
        try:
            while self._connection.poll_for_event() is not None:
                pass
        except xcffib.ConnectionException:
            self.close()
        except xcffib.XcffibException:
            pass  # an X error about a fake event: there is nobody to tell
