"""The session's clipboard, as text, both ways: a well-behaved X client (ICCCM section 2) for CLIPBOARD and PRIMARY.

Knows no policy and no viewers: whoever calls has asked the policy. Text only, at most `limit` bytes of UTF-8.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import xcffib
import xcffib.xfixes
import xcffib.xproto

from streamspace_proxy.streamer.selection_owner import SelectionOwner
from streamspace_proxy.streamer.x_thread import XThread

XFIXES_VERSION: Final = (5, 0)
# Text, the best first; STRING is Latin-1.
TEXTS: Final = ("UTF8_STRING", "text/plain;charset=utf-8", "STRING")
# Late answers to a request that was given up must not be taken for answers to the next one.
PROPERTIES: Final = tuple(f"_STREAMSPACE_CLIPBOARD_{number}" for number in range(8))
CHUNK: Final = 32 * 1024
OWNER_SECONDS: Final = 3.0
# An app that takes the clipboard all the time is heard ten times a second.
PAUSE_SECONDS: Final = 0.1


class ClipboardBridge(XThread):
    """Reports texts that programs of the session copy, and hands them texts to paste."""

    def __init__(
        self,
        display: str,
        xauthority: Path,
        limit: int,
        on_text: Callable[[str], None],
        on_too_large: Callable[[], None] | None = None,
    ) -> None:
        super().__init__("clipboard", display, xauthority)
        self._limit = limit
        self._on_text = on_text
        self._on_too_large = on_too_large
        self._owner: SelectionOwner | None = None
        self._from_viewer: str | None = None
        self._request: _Request | None = None
        self._changed = False
        self._not_before = 0.0
        self._serial = 0

    def set_text(self, text: str) -> None:
        """Make `text` what programs of the session paste, by Ctrl+V as by the middle button or Shift+Insert."""

        def own() -> None:
            self._from_viewer = text
            self._request = None
            self._changed = False
            if self._owner is not None:
                self._owner.own(text.encode(errors="replace"))

        self.post(own)

    # -- on the thread ---------------------------------------------------------------------------------------------

    def setup(self, connection: xcffib.Connection) -> None:
        """Watch CLIPBOARD; what was owned over an earlier connection is owned again."""
        self._connection = connection
        self._core = connection.core
        xfixes = connection(xcffib.xfixes.key)
        xfixes.QueryVersion(*XFIXES_VERSION).reply()
        root = connection.get_setup().roots[0].root
        self._window = connection.generate_id()
        self._core.CreateWindow(
            0, self._window, root, -1, -1, 1, 1, 0, xcffib.xproto.WindowClass.InputOnly, 0,
            xcffib.xproto.CW.EventMask, [xcffib.xproto.EventMask.PropertyChange],
        )  # fmt: skip
        names = ("CLIPBOARD", "INCR", "TARGETS", *TEXTS, *PROPERTIES)
        cookies = [self._core.InternAtom(False, len(name), name) for name in names]
        self._atoms = {name: cookie.reply().atom for name, cookie in zip(names, cookies, strict=True)}
        xfixes.SelectSelectionInput(
            self._window, self._atoms["CLIPBOARD"], xcffib.xfixes.SelectionEventMask.SetSelectionOwner
        )
        self._owner = SelectionOwner(connection, self._window)
        self._request = None
        if self._from_viewer is not None:
            self._owner.own(self._from_viewer.encode(errors="replace"))

    def handle(self, event: xcffib.Event) -> None:
        """Tell the kinds of events apart."""
        assert self._owner is not None
        match event:
            case xcffib.xfixes.SelectionNotifyEvent():
                self._changed = event.owner not in (self._window, xcffib.NONE)
            case xcffib.xproto.SelectionNotifyEvent():
                self._answered(event.property)
            case xcffib.xproto.PropertyNotifyEvent() if event.window == self._window:
                if event.state == xcffib.xproto.Property.NewValue:
                    self._owner.timestamp(event.atom, event.time)
                    self._more(event.atom)
            case _:
                self._owner.handle(event)

    def settle(self) -> float | None:
        """Begin the next request when the last one has ended, and give up on owners that do not answer."""
        assert self._owner is not None
        now = time.monotonic()
        wait = self._owner.expire(now)
        if self._request is not None and now >= self._request.deadline:
            self._end()
        if self._request is not None:
            return _earlier(wait, self._request.deadline - now)
        if not self._changed:
            return wait
        if now < self._not_before:
            return _earlier(wait, self._not_before - now)
        self._changed = False
        self._not_before = now + PAUSE_SECONDS
        self._serial = (self._serial + 1) % len(PROPERTIES)
        self._ask(_Request(self._atoms[PROPERTIES[self._serial]]), "TARGETS")
        return _earlier(wait, OWNER_SECONDS)

    def _ask(self, request: _Request, target: str) -> None:
        self._request = request
        request.deadline = time.monotonic() + OWNER_SECONDS
        request.target = target
        request.data.clear()
        request.incremental = False
        clipboard, wanted = self._atoms["CLIPBOARD"], self._atoms[target]
        self._core.ConvertSelection(self._window, clipboard, wanted, request.property, xcffib.CurrentTime)

    def _answered(self, answer: int) -> None:
        request = self._request
        if answer == xcffib.NONE and request is not None and not request.incremental:
            if request.target == "TARGETS":  # an owner that cannot say what it has may still have text
                self._ask(request, TEXTS[0])
            else:
                self._end()
        elif request is None or answer != request.property:
            if answer != xcffib.NONE:
                self._core.DeleteProperty(self._window, answer)
        else:
            self._read(request)

    def _more(self, atom: int) -> None:
        request = self._request
        if request is not None and request.incremental and atom == request.property:
            request.deadline = time.monotonic() + OWNER_SECONDS
            self._read(request)

    def _read(self, request: _Request) -> None:
        """Take the property's value, which deletes it: the owner's sign to go on when it sends in increments."""
        reply = self._property(request, 0)
        if reply.type == self._atoms["INCR"]:
            request.incremental = True
            return
        size = len(reply.value.raw) + int(reply.bytes_after)
        if len(request.data) + size > self._limit:
            self._end()  # an owner that sends in increments is left to its patience: nothing more is deleted
            if self._on_too_large is not None:
                self.deliver(self._on_too_large)
            return
        request.data += reply.value.raw
        offset = len(reply.value.raw)
        while reply.bytes_after:
            reply = self._property(request, offset)
            request.data += reply.value.raw
            offset += len(reply.value.raw)
        if not request.incremental or not size:
            self._finish(request)

    def _property(self, request: _Request, offset: int) -> Any:
        return self._core.GetProperty(
            True, self._window, request.property, xcffib.xproto.GetPropertyType.Any, offset // 4, CHUNK // 4
        ).reply()

    def _finish(self, request: _Request) -> None:
        if request.target == "TARGETS":
            # Asked first because some owners of a picture (xclip) hand it out under every name that is asked for.
            offered = {atom for (atom,) in struct.iter_unpack("=I", request.data[: len(request.data) // 4 * 4])}
            target = next((name for name in TEXTS if self._atoms[name] in offered), None)
            if target is None:
                self._end()
            else:
                self._ask(request, target)
            return
        self._end()
        encoding = "latin-1" if request.target == "STRING" else "utf-8"
        text = request.data.rstrip(b"\0").decode(encoding, errors="replace")
        # A clipboard manager takes over what a viewer has just sent: that is no news to the viewer.
        if text and text != self._from_viewer:
            self._from_viewer = None
            self.deliver(lambda: self._on_text(text))

    def _end(self) -> None:
        self._request = None


class _Request:
    """The conversations with one owner of CLIPBOARD: what it has, then its text."""

    def __init__(self, property_: int) -> None:
        self.property = property_
        self.target = ""
        self.data = bytearray()
        self.incremental = False
        self.deadline = 0.0


def _earlier(left: float | None, right: float) -> float:
    return right if left is None else min(left, right)
