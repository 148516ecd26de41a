"""Owning X selections: answers other clients' requests for our text, in increments when it is long.

ICCCM sections 2.1 to 2.7 (https://x.org/releases/X11R7.7/doc/xorg-docs/icccm/icccm.html). Runs on one X thread.
"""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from typing import Final

import xcffib
import xcffib.xproto

TEXT_TARGETS: Final = ("UTF8_STRING", "text/plain;charset=utf-8", "text/plain", "TEXT", "STRING")
SELECTIONS: Final = ("CLIPBOARD", "PRIMARY")
TIME_PROPERTY: Final = "_STREAMSPACE_TIME"
CHUNK: Final = 32 * 1024
MAX_TRANSFERS: Final = 16
IDLE_SECONDS: Final = 10.0


@dataclass
class _Transfer:
    """A text that another client takes in increments."""

    type: int
    data: bytes
    sent: int
    deadline: float


class SelectionOwner:
    """Holds one text as the value of CLIPBOARD and PRIMARY, until another client takes them."""

    def __init__(self, connection: xcffib.Connection, window: int) -> None:
        self._core = connection.core
        self._window = window
        names = (*TEXT_TARGETS, *SELECTIONS, TIME_PROPERTY, "TARGETS", "TIMESTAMP", "INCR")
        cookies = [self._core.InternAtom(False, len(name), name) for name in names]
        self._atoms: dict[str, int] = {name: cookie.reply().atom for name, cookie in zip(names, cookies, strict=True)}
        self._text = b""
        self._since = 0
        self._owned: set[int] = set()
        self._transfers: dict[tuple[int, int], _Transfer] = {}

    def own(self, text: bytes) -> None:
        """Take both selections for `text` (UTF-8)."""
        self._text = text
        # ICCCM 2.1: not CurrentTime, so that of two takers the later one wins. The event that this makes has the time.
        self._change(self._window, self._atoms[TIME_PROPERTY], xcffib.xproto.Atom.INTEGER, 32, b"")

    def timestamp(self, atom: int, now: int) -> None:
        """Note the server time of a changed property of our window."""
        if atom != self._atoms[TIME_PROPERTY]:
            return
        self._since = now
        for name in SELECTIONS:
            self._core.SetSelectionOwner(self._window, self._atoms[name], now)
            self._owned.add(self._atoms[name])

    def handle(self, event: xcffib.Event) -> None:
        """Answer requests, go on with increments, and notice what was lost."""
        match event:
            case xcffib.xproto.SelectionRequestEvent():
                self._answer(event)
            case xcffib.xproto.SelectionClearEvent():
                # An event from before we took it again is not about us; then the owner is still our window.
                owner = self._core.GetSelectionOwner(event.selection).reply().owner
                if owner != self._window:
                    self._owned.discard(event.selection)
            case xcffib.xproto.PropertyNotifyEvent() if event.state == xcffib.xproto.Property.Delete:
                self._continue(event.window, event.atom)
            case xcffib.xproto.DestroyNotifyEvent():
                for key in [key for key in self._transfers if key[0] == event.window]:
                    del self._transfers[key]

    def expire(self, now: float) -> float | None:
        """Forget transfers that nobody goes on with; return in how many seconds the next one may be."""
        for key in [key for key, transfer in self._transfers.items() if transfer.deadline <= now]:
            self._forget(key)
        return min((transfer.deadline - now for transfer in self._transfers.values()), default=None)

    def _answer(self, event: xcffib.xproto.SelectionRequestEvent) -> None:
        # An obsolete client names no property and means the target's (ICCCM 2.2).
        destination = event.property or event.target
        answered = event.selection in self._owned and self._put(event.requestor, destination, event.target)
        notification = xcffib.xproto.SelectionNotifyEvent.synthetic(
            event.time, event.requestor, event.selection, event.target, destination if answered else xcffib.NONE
        )
        self._core.SendEvent(False, event.requestor, 0, notification.pack())

    def _put(self, requestor: int, destination: int, target: int) -> bool:
        """Write what `target` asks for into the requestor's property; False: there is no such thing."""
        if target == self._atoms["TARGETS"]:
            targets = [self._atoms[name] for name in ("TARGETS", "TIMESTAMP", *TEXT_TARGETS)]
            self._change(
                requestor, destination, xcffib.xproto.Atom.ATOM, 32, struct.pack(f"={len(targets)}I", *targets)
            )
        elif target == self._atoms["TIMESTAMP"]:
            self._change(requestor, destination, xcffib.xproto.Atom.INTEGER, 32, struct.pack("=I", self._since))
        elif target == self._atoms["STRING"]:
            latin1 = self._text.decode(errors="replace").encode("latin-1", errors="replace")
            return self._put_text(requestor, destination, target, latin1)
        elif target == self._atoms["TEXT"]:  # any text type that the owner likes
            return self._put_text(requestor, destination, self._atoms["UTF8_STRING"], self._text)
        elif target in (self._atoms[name] for name in TEXT_TARGETS):
            return self._put_text(requestor, destination, target, self._text)
        else:
            return False
        return True

    def _put_text(self, requestor: int, destination: int, type_: int, data: bytes) -> bool:
        if len(data) <= CHUNK:
            self._change(requestor, destination, type_, 8, data)
            return True
        if len(self._transfers) >= MAX_TRANSFERS:
            return False
        self._watch(requestor, xcffib.xproto.EventMask.PropertyChange | xcffib.xproto.EventMask.StructureNotify)
        deadline = time.monotonic() + IDLE_SECONDS
        self._transfers[requestor, destination] = _Transfer(type_, data, 0, deadline)
        self._change(requestor, destination, self._atoms["INCR"], 32, struct.pack("=I", len(data)))
        return True

    def _continue(self, window: int, atom: int) -> None:
        transfer = self._transfers.get((window, atom))
        if transfer is None:
            return
        piece = transfer.data[transfer.sent : transfer.sent + CHUNK]
        self._change(window, atom, transfer.type, 8, piece)
        transfer.sent += len(piece)
        transfer.deadline = time.monotonic() + IDLE_SECONDS
        if not piece:  # the empty one says that it was all
            self._forget((window, atom))

    def _forget(self, key: tuple[int, int]) -> None:
        del self._transfers[key]
        if key[0] != self._window and not any(window == key[0] for window, _ in self._transfers):
            self._watch(key[0], 0)

    def _watch(self, window: int, mask: int) -> None:
        if window != self._window:
            self._core.ChangeWindowAttributes(window, xcffib.xproto.CW.EventMask, [mask])

    def _change(self, window: int, atom: int, type_: int, format_: int, data: bytes) -> None:
        units = len(data) * 8 // format_
        self._core.ChangeProperty(xcffib.xproto.PropMode.Replace, window, atom, type_, format_, units, data)
