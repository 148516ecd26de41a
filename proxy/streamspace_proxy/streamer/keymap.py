"""Room in the X keymap for characters that the session's layout does not have.

Xtigervnc puts an unknown keysym on a keycode without meaning, of which there are 19, and never takes it off again: the
twentieth Cyrillic letter typed on a US layout would be lost, and every further one. Here keycodes are freed again, the
one that was given its keysym first, first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

import xcffib
import xcffib.xproto

from streamspace_proxy.streamer.x_thread import XThread

Keysyms = tuple[int, ...]
NOTHING: Final[Keysyms] = ()
# Media and launcher keys: no web page sends them by keycode, and what is sent by keysym is put back when it comes.
VENDOR_KEYS: Final = range(0x1008FE00, 0x10090000)
LOW: Final = 24
ENOUGH: Final = 48


class SpareKeycodes:
    """Which keycodes may be given to new keysyms, and which are to be freed for it. Pure."""

    def __init__(self) -> None:
        self._mapping: dict[int, Keysyms] = {}
        self._pool: dict[int, None] = {}
        """Keycodes of ours, in the order in which they were filled."""

    def observe(self, mapping: Mapping[int, Keysyms]) -> None:
        """Take the X server's present mapping, keycode -> keysyms (without trailing NoSymbol)."""
        changed = [keycode for keycode, keysyms in mapping.items() if self._mapping.get(keycode) != keysyms]
        if any(keycode not in self._pool for keycode in changed):
            # Another layout: what it gives a meaning to is not ours any more.
            kept = [keycode for keycode in self._pool if keycode not in changed]
            empty = [keycode for keycode, keysyms in mapping.items() if _spare(keysyms)]
            self._pool = dict.fromkeys([*kept, *empty])
        else:
            for keycode in changed:
                del self._pool[keycode]
                self._pool[keycode] = None
        self._mapping = dict(mapping)

    def to_free(self, pressed: Iterable[int]) -> list[int]:
        """Return the keycodes to take the keysyms off; none that is held down now."""
        held = set(pressed)
        filled = [keycode for keycode in self._pool if self._mapping[keycode] != NOTHING and keycode not in held]
        vendor = [keycode for keycode in filled if _spare(self._mapping[keycode])]
        free = sum(self._mapping[keycode] == NOTHING for keycode in self._pool) + len(vendor)
        if free >= LOW:
            return vendor
        others = [keycode for keycode in filled if keycode not in vendor]
        # Half of them stay in any case: a program that lags behind has yet to look up the latest.
        return vendor + others[: max(0, min(ENOUGH - free, len(others) // 2))]


class KeymapRoom(XThread):
    """Keeps some keycodes free. Its callbacks are none: it works for the X server's own key mapping."""

    def __init__(self, display: str, xauthority: Path) -> None:
        super().__init__("keymap", display, xauthority)
        self._spare = SpareKeycodes()
        self._stale = False

    def setup(self, connection: xcffib.Connection) -> None:
        """Every client is told of changes of the keymap without asking."""
        self._core = connection.core
        setup = connection.get_setup()
        self._first, self._count = setup.min_keycode, setup.max_keycode - setup.min_keycode + 1
        self._spare = SpareKeycodes()
        self._stale = True

    def handle(self, event: xcffib.Event) -> None:
        """Note a change of the keymap."""
        if isinstance(event, xcffib.xproto.MappingNotifyEvent):
            self._stale |= event.request == xcffib.xproto.Mapping.Keyboard

    def settle(self) -> float | None:
        """Look at the keymap, and make room in it."""
        if self._stale:
            self._stale = False
            self._spare.observe(self._mapping())
            pressed = self._core.QueryKeymap().reply().keys
            keycodes = self._spare.to_free(code for code in range(256) if pressed[code // 8] >> code % 8 & 1)
            for first, count in runs(keycodes):
                self._core.ChangeKeyboardMapping(count, first, 1, [0] * count)
        return None

    def _mapping(self) -> dict[int, Keysyms]:
        reply = self._core.GetKeyboardMapping(self._first, self._count).reply()
        width = reply.keysyms_per_keycode
        rows = struct.iter_unpack(f"={width}I", reply.keysyms.raw)
        return {keycode: _trimmed(row) for keycode, row in enumerate(rows, self._first)}


def runs(keycodes: Iterable[int]) -> list[tuple[int, int]]:
    """Return the runs of neighbours among `keycodes` as (first, count): each is one event for every client."""
    grouped = groupby(enumerate(sorted(keycodes)), key=lambda item: item[1] - item[0])
    return [(run[0][1], len(run)) for run in (list(group) for _, group in grouped)]


def _trimmed(keysyms: Keysyms) -> Keysyms:
    end = len(keysyms)
    while end and not keysyms[end - 1]:
        end -= 1
    return keysyms[:end]


def _spare(keysyms: Keysyms) -> bool:
    return all(keysym == 0 or keysym in VENDOR_KEYS for keysym in keysyms)
