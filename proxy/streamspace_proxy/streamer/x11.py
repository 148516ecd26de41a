"""A connection to the session's X server with the cookie of its Xauthority file.

Knows nothing of what is done over the connection. libxcb itself finds the cookie only through `$XAUTHORITY`, which is
one for a whole process; here it is an argument.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# All extensions that any part uses, and here: each registers itself when it is imported, and a connection that another
# thread makes at that moment fails ("dictionary changed size during iteration").
import xcffib
import xcffib.damage
import xcffib.randr
import xcffib.shm
import xcffib.xfixes
import xcffib.xproto
import xcffib.xtest
from xcffib import ffi, lib

MIT_COOKIE: Final = b"MIT-MAGIC-COOKIE-1"


class _AuthorisedConnection(xcffib.Connection):  # type: ignore[misc]
    """Hands libxcb the cookie itself: xcffib's `auth` argument is freed before libxcb reads it, and cut at a colon."""

    def __init__(self, display: str, cookie: bytes) -> None:
        name, data = ffi.new("char[]", MIT_COOKIE), ffi.new("char[]", cookie)
        info = ffi.new(
            "xcb_auth_info_t *", {"name": name, "namelen": len(MIT_COOKIE), "data": data, "datalen": len(cookie)}
        )
        screen = ffi.new("int *")
        self._conn = lib.xcb_connect_to_display_with_auth_info(display.encode(), info, screen)
        self.pref_screen = screen[0]
        self.invalid()
        self._init_x()


def connect(display: str, xauthority: Path) -> xcffib.Connection:
    """Connect to `display` (`:5`). Blocks for a round trip: call it off the event loop.

    Raises `ConnectionError` when the X server does not answer or refuses the cookie.
    """
    cookie = find_cookie(xauthority, display)
    try:
        if cookie is None:
            return xcffib.Connection(display=display)
        return _AuthorisedConnection(display, cookie)
    except (xcffib.ConnectionException, xcffib.XcffibException) as error:
        raise ConnectionError(f"the X server {display} cannot be reached: {type(error).__name__}") from error


def find_cookie(xauthority: Path, display: str) -> bytes | None:
    """Return the cookie for `display`, or the only one that the file holds for any display; None without one."""
    try:
        content = xauthority.read_bytes()
    except FileNotFoundError:
        return None
    number = display.rpartition(":")[2].partition(".")[0].encode()
    for wanted in (number, b""):
        for entry_number, name, data in _entries(content):
            if name == MIT_COOKIE and entry_number == wanted:
                return data
    return None


def _entries(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield (display number, name, data) of an Xauthority file (Xau's FILE FORMAT): counts are u16 big-endian."""
    position = 0
    while position + 2 <= len(content):
        position += 2  # family: the streamer only ever talks to its own machine
        fields: list[bytes] = []
        for _ in range(4):
            if position + 2 > len(content):
                return
            (length,) = struct.unpack_from(">H", content, position)
            fields.append(content[position + 2 : position + 2 + length])
            position += 2 + length
        _address, number, name, data = fields
        yield number, name, data
