"""The smallest X11 client that we need: it colours the root window and tells when a window has come up.

X Window System Protocol, X Version 11, sections 8 (connection setup), 9 (requests) and appendix B (encoding).
Knows nothing of processes or apps.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable

from streamspace_proxy.desktop.xauth import PROTOCOL

SOCKETS = "/tmp/.X11-unix/X"  # noqa: S108 - fixed by Xlib
BACKGROUND = 0x23272E
"""Colour of the bare screen, 0xRRGGBB: the X server is started with depth 24."""
POKES, POKE_INTERVAL = 100, 0.1
_CHANGE_WINDOW_ATTRIBUTES, _CHANGE_PROPERTY, _CLEAR_AREA = 2, 18, 61
_CW_BACK_PIXEL, _CW_EVENT_MASK = 0x2, 0x800
_SUBSTRUCTURE_NOTIFY = 0x80000
_APPEND, _CUT_BUFFER7, _STRING = 2, 16, 31
_MAP_NOTIFY, _REPARENT_NOTIFY = 19, 21


def setup_request(cookie: bytes) -> bytes:
    """Return the first bytes of a connection, little-endian."""
    # Both names are padded to four bytes.
    head = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(PROTOCOL), len(cookie))
    return head + PROTOCOL + bytes(-len(PROTOCOL) % 4) + cookie + bytes(-len(cookie) % 4)


def root_window(setup: bytes) -> int:
    """Return the first screen's root window from the additional data of the setup's answer."""
    vendor_length, formats = struct.unpack_from("<H", setup, 16)[0], setup[21]
    offset = 32 + vendor_length + (-vendor_length % 4) + 8 * formats
    root: int = struct.unpack_from("<I", setup, offset)[0]
    return root


def root_requests(root: int) -> bytes:
    """Return the requests that give the root window its colour and us its children's events."""
    mask = _CW_BACK_PIXEL | _CW_EVENT_MASK
    change = struct.pack("<BxHIIII", _CHANGE_WINDOW_ATTRIBUTES, 5, root, mask, BACKGROUND, _SUBSTRUCTURE_NOTIFY)
    return change + struct.pack("<BBHIhhHH", _CLEAR_AREA, 0, 4, root, 0, 0, 0, 0)


def poke_request(root: int) -> bytes:
    """Return a request that changes nothing and yet sends an event to whoever watches the root's properties."""
    return struct.pack("<BBHIIIB3xI", _CHANGE_PROPERTY, _APPEND, 6, root, _CUT_BUFFER7, _STRING, 8, 0)


def is_window_up(event: bytes, root: int) -> bool:
    """Whether a 32-byte event says that a window is on screen: mapped by itself, or taken into a manager's frame."""
    code = event[0] & 0x7F
    if code == _MAP_NOTIFY:
        parent, _window, override = struct.unpack_from("<IIB", event, 4)
        return bool(parent == root and not override)
    if code == _REPARENT_NOTIFY:
        listened, _window, parent = struct.unpack_from("<III", event, 4)
        return bool(listened == root and parent != root)
    return False


async def watch_screen(display: str, cookie: bytes, ready: asyncio.Future[None], window_up: Callable[[], None]) -> None:
    """Colour the screen, resolve `ready`, and call `window_up` for each window that comes up.

    Never fails: without this connection the screen is merely black, and apps count as running later. Returns when
    the X server closes the connection.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(SOCKETS + display.removeprefix(":"))
        with contextlib.closing(writer):
            root = await _connect(reader, writer, cookie)
            ready.set_result(None)
            poking = asyncio.create_task(_poke(writer, root))
            try:
                while True:  # only events can come: none of our requests has an answer
                    if is_window_up(await reader.readexactly(32), root):
                        window_up()
            finally:
                poking.cancel()
    except (OSError, asyncio.IncompleteReadError):
        return
    finally:
        if not ready.done():
            ready.set_result(None)


async def _poke(writer: asyncio.StreamWriter, root: int) -> None:
    """Wake the window manager again and again while it starts.

    Openbox 3.6 does not look at what came in while it started before the next event comes: a window mapped in these
    milliseconds would stay invisible until somebody moved the pointer.
    """
    for _ in range(POKES):
        await asyncio.sleep(POKE_INTERVAL)
        writer.write(poke_request(root))


async def _connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cookie: bytes) -> int:
    """Set the connection up and return the root window."""
    writer.write(setup_request(cookie))
    head = await reader.readexactly(8)
    data = await reader.readexactly(4 * struct.unpack_from("<H", head, 6)[0])
    if head[0] != 1:
        raise ConnectionRefusedError(data[: head[1]].decode("latin-1"))
    root = root_window(data)
    writer.write(root_requests(root))
    await writer.drain()
    return root
