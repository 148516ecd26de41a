"""The X server's screen: what changed on it (DAMAGE), its pixels (MIT-SHM) and its size (RANDR).

For one thread. Knows nothing of encoding and of who wants the pixels. The pointer is not in the picture: Xtigervnc
does not draw it into the framebuffer.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xcffib
import xcffib.damage
import xcffib.randr
import xcffib.shm
import xcffib.xproto

from streamspace_proxy.streamer.rect import Rect
from streamspace_proxy.streamer.shm import SharedSegment

Z_PIXMAP: Final = 2
ALL_PLANES: Final = 0xFFFF_FFFF
BYTES_PER_PIXEL: Final = 4


class ScreenLostError(Exception):
    """The X server is gone, or cannot be used; the text says which."""


class ScreenUnreadableError(ScreenLostError):
    """The X server is there, and its screen cannot be read in this way."""


class Screen:
    """The root window over one X connection, which it owns.

    Args:
        connection: to the X server.
        foreign: the server runs under another user of our group, as in a pod, and must reach our shared memory.
    """

    backend: Final = "xdamage"

    def __init__(self, connection: xcffib.Connection, *, foreign: bool = False) -> None:
        self._connection = connection
        self._foreign = foreign
        self._root = connection.get_setup().roots[connection.pref_screen].root
        try:
            self._use_extensions(connection)
            self.width, self.height = self._geometry()
        except (xcffib.XcffibException, xcffib.ConnectionException) as error:
            raise ScreenLostError(f"the X server does not offer what capturing needs: {error!r}") from error
        self._resized = False
        self._damage: int | None = None
        self._segment: SharedSegment | None = None
        self._segment_id = 0
        self._pending: Rect | None = None
        self.pixels: np.ndarray[Any, np.dtype[np.uint8]] = np.empty((0, 0, 4), np.uint8)
        """height x width x BGRX over the shared segment; valid while watching, until the next `grab`."""

    def _use_extensions(self, connection: xcffib.Connection) -> None:
        self._damage_extension = connection(xcffib.damage.key)
        self._shm = connection(xcffib.shm.key)
        randr = connection(xcffib.randr.key)
        self._damage_extension.QueryVersion(1, 1).reply()
        randr.QueryVersion(1, 3).reply()
        randr.SelectInput(self._root, xcffib.randr.NotifyMask.ScreenChange)
        connection.core.ChangeWindowAttributes(
            self._root, xcffib.xproto.CW.EventMask, [xcffib.xproto.EventMask.StructureNotify]
        )

    @property
    def descriptor(self) -> int:
        """The connection's file descriptor, to sleep on."""
        return int(self._connection.get_file_descriptor())

    @property
    def poll_seconds(self) -> float | None:
        """In how many seconds `read_events` wants to be called again: X tells by itself."""
        return None

    @property
    def watching(self) -> bool:
        """Whether changes are being watched."""
        return self._damage is not None

    @property
    def changed(self) -> bool:
        """Whether the screen is known to differ from what `grab` last brought."""
        return self._pending is not None

    def watch(self) -> None:
        """Begin watching; all of the screen counts as changed."""
        try:
            size = self.width * self.height * BYTES_PER_PIXEL
            segment = SharedSegment(size, for_group=self._foreign)
            self._segment, self._segment_id = segment, self._connection.generate_id()
            try:
                self._shm.AttachChecked(self._segment_id, segment.id, False).check()
            finally:
                segment.unlink()
            self.pixels = np.frombuffer(segment.buffer, np.uint8).reshape(self.height, self.width, 4)
            self._damage = self._connection.generate_id()
            self._damage_extension.CreateChecked(
                self._damage, self._root, xcffib.damage.ReportLevel.BoundingBox
            ).check()
        except xcffib.ConnectionException as error:
            self.unwatch()
            raise ScreenLostError("the X server has ended") from error
        except (OSError, xcffib.XcffibException) as error:
            self.unwatch()
            raise ScreenUnreadableError(f"the screen cannot be read through shared memory: {error!r}") from error
        self._pending = Rect(0, 0, self.width, self.height)

    def unwatch(self) -> None:
        """End watching and free the shared memory."""
        try:
            if self._damage is not None:
                self._damage_extension.Destroy(self._damage)
            if self._segment is not None:
                self._shm.Detach(self._segment_id)
            self._connection.flush()
        except xcffib.ConnectionException:
            pass  # the server frees both with the connection
        self._damage = None
        self._pending = None
        self.pixels = np.empty((0, 0, 4), np.uint8)
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def read_events(self) -> bool:
        """Take in what X has said; returns whether the size changed, which ends watching."""
        try:
            while (event := self._connection.poll_for_event()) is not None:
                self._note(event)
            if not self._resized:
                return False
            self._resized = False
            width, height = self._geometry()
        except xcffib.ConnectionException as error:
            raise ScreenLostError("the X server has ended") from error
        except xcffib.XcffibException as error:
            raise ScreenLostError(f"the X server refused a request: {error!r}") from error
        if (width, height) == (self.width, self.height):
            return False
        self.unwatch()
        self.width, self.height = width, height
        return True

    def grab(self) -> Rect | None:
        """Bring `pixels` up to date; returns what changed, or None when the screen is changing its size.

        Damage that X reports after our subtraction comes as a new event, damage before it is in the events that
        `read_events` finds next: nothing is lost, although only what is known by now is fetched.
        """
        changed = self._pending or Rect(0, 0, self.width, self.height)
        self._pending = None
        try:
            self._damage_extension.Subtract(self._damage, xcffib.NONE, xcffib.NONE)
            # Whole rows, so that they land where they belong in the segment.
            self._shm.GetImage(
                self._root, 0, changed.top, self.width, changed.bottom - changed.top, ALL_PLANES, Z_PIXMAP,
                self._segment_id, changed.top * self.width * BYTES_PER_PIXEL,
            ).reply()  # fmt: skip
        except xcffib.ConnectionException as error:
            raise ScreenLostError("the X server has ended") from error
        except xcffib.XcffibException:
            # BadMatch: the screen is smaller than it was; the event that says so is on its way.
            self._pending = changed
            self._resized = True
            return None
        return changed

    def close(self) -> None:
        """End watching and the connection."""
        self.unwatch()
        self._connection.disconnect()

    def _note(self, event: Any) -> None:
        if isinstance(event, xcffib.damage.NotifyEvent):
            area = event.area
            rect = Rect(
                max(area.x, 0),
                max(area.y, 0),
                min(area.x + area.width, self.width),
                min(area.y + area.height, self.height),
            )
            if self._damage is not None and not rect.empty:
                self._pending = rect if self._pending is None else self._pending.union(rect)
        elif isinstance(event, (xcffib.randr.ScreenChangeNotifyEvent, xcffib.xproto.ConfigureNotifyEvent)):
            self._resized = True

    def _geometry(self) -> tuple[int, int]:
        geometry = self._connection.core.GetGeometry(self._root).reply()
        return geometry.width, geometry.height
