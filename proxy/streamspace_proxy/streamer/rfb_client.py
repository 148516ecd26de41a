"""An RFB 3.8 client (RFC 6143) that only gives: keys, pointer and screen size. It never asks for pictures.

Xtigervnc turns keysyms into keycodes, invents modifiers and adds missing keysyms to its keymap, whatever the layout;
no X client can do that as well from outside. Knows nothing of viewers and roles.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Final

VERSION: Final = b"RFB 003.008\n"
SECURITY_NONE: Final = 1
EXTENDED_DESKTOP_SIZE: Final = -308
# TigerVNC compares every changed pixel with a copy of the last frame as long as a client asks for more than level 1.
COMPRESS_LEVEL_0: Final = -256
# What the X server may leave unread (it is frozen or hung) before the connection is given up: 8000 pointer events.
MAX_UNSENT: Final = 64 * 1024
MAX_STRING: Final = 64 * 1024
MAX_SCREENS: Final = 64


class RfbError(ConnectionError):
    """The RFB server said something that this client does not understand, or refused it."""


class RfbClient(asyncio.Protocol):
    """One connection. `ready` is done after the handshake, and fails when that fails."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ready.add_done_callback(lambda done: done.cancelled() or done.exception())  # whoever waits may be gone
        self.screen_id = 0
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._discard = 0
        self._rectangles = 0
        self._step: Callable[[], bool] = self._read_version

    # -- asyncio.Protocol ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; the server speaks first."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Parse what came as far as it goes; nothing that the server sends makes the buffer grow."""
        if self._discard:
            skipped = min(self._discard, len(data))
            self._discard -= skipped
            data = data[skipped:]
        self._buffer += data
        try:
            while self._buffer and not self._discard and self._step():
                pass
        except RfbError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, once."""
        self._transport = None
        if not self.ready.done():
            self.ready.set_exception(RfbError("the X server closed the RFB connection"))
        self._on_lost()

    # -- what is sent ----------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether input would arrive."""
        return self._transport is not None and self.ready.done() and not self._transport.is_closing()

    def key(self, keysym: int, down: bool) -> None:
        """KeyEvent, RFC 6143 section 7.5.4."""
        self._send(struct.pack(">BBxxI", 4, down, keysym))

    def pointer(self, x: int, y: int, mask: int) -> None:
        """PointerEvent, section 7.5.5; `mask`: bit n is X button n + 1."""
        self._send(struct.pack(">BBHH", 5, mask, x, y))

    def set_desktop_size(self, width: int, height: int) -> None:
        """SetDesktopSize (community specification of RFB, 7.5.10) with one screen that fills the framebuffer."""
        screen = struct.pack(">IHHHHI", self.screen_id, 0, 0, width, height, 0)
        self._send(struct.pack(">BxHHBx", 251, width, height, 1) + screen)

    def close(self) -> None:
        """End the connection; the server lifts the keys that this client still holds."""
        if self._transport is not None:
            self._transport.abort()

    def _send(self, message: bytes) -> None:
        if self._transport is None or not self.connected:
            return
        self._transport.write(message)
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self._transport.abort()

    # -- what is received: each step consumes one item, or returns False to wait for more --------------------------

    def _take(self, size: int) -> bytes | None:
        if len(self._buffer) < size:
            return None
        item = bytes(self._buffer[:size])
        del self._buffer[:size]
        return item

    def _skip(self, size: int) -> None:
        held = min(size, len(self._buffer))
        del self._buffer[:held]
        self._discard = size - held

    def _reply(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _fail(self, error: RfbError) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)
        self._buffer.clear()
        self.close()

    def _read_version(self) -> bool:
        if (version := self._take(12)) is None:
            return False
        if not version.startswith(b"RFB 003.00") or version < VERSION:
            raise RfbError(f"the RFB server speaks {version!r}; 3.8 is needed")
        self._reply(VERSION)
        self._step = self._read_security_types
        return True

    def _read_security_types(self) -> bool:
        if len(self._buffer) < 1 + self._buffer[0]:
            return False
        types = self._buffer[1 : 1 + self._buffer[0]]
        if SECURITY_NONE not in types:
            raise RfbError("the RFB server asks for a password; start it with -SecurityTypes None")
        del self._buffer[: 1 + len(types)]
        self._reply(bytes([SECURITY_NONE]))
        self._step = self._read_security_result
        return True

    def _read_security_result(self) -> bool:
        if (result := self._take(4)) is None:
            return False
        if result != b"\0\0\0\0":
            raise RfbError("the RFB server refused the connection")
        self._reply(b"\1")  # ClientInit: shared, so that noVNC viewers stay connected
        self._step = self._read_server_init
        return True

    def _read_server_init(self) -> bool:
        if len(self._buffer) < 24:
            return False
        (name_length,) = struct.unpack_from(">I", self._buffer, 20)
        if name_length > MAX_STRING:
            raise RfbError("the RFB server's name is too long")
        del self._buffer[:24]
        self._skip(name_length)
        self._reply(struct.pack(">BxHii", 2, 2, EXTENDED_DESKTOP_SIZE, COMPRESS_LEVEL_0))
        self._step = self._read_message
        self.ready.set_result(None)
        return True

    def _read_message(self) -> bool:
        kind = self._buffer[0]
        if kind == 0:  # FramebufferUpdate: without a request only pseudo-rectangles come
            if (header := self._take(4)) is None:
                return False
            self._rectangles = struct.unpack(">xxH", header)[0]
            self._step = self._read_rectangle if self._rectangles else self._read_message
        elif kind == 1:  # SetColourMapEntries
            if (header := self._take(6)) is None:
                return False
            self._skip(6 * struct.unpack(">xxxxH", header)[0])
        elif kind == 2:  # Bell
            self._take(1)
        elif kind == 3:  # ServerCutText: the clipboard goes another way
            if (header := self._take(8)) is None:
                return False
            self._skip(abs(struct.unpack(">xxxxi", header)[0]))
        else:
            raise RfbError(f"unexpected RFB message type {kind}")
        return True

    def _read_rectangle(self) -> bool:
        if len(self._buffer) < 16:
            return False
        (encoding,) = struct.unpack_from(">i", self._buffer, 8)
        if encoding != EXTENDED_DESKTOP_SIZE:
            raise RfbError(f"unexpected RFB encoding {encoding}")
        screens = self._buffer[12]
        if screens > MAX_SCREENS:
            raise RfbError("the RFB server has too many screens")
        if len(self._buffer) < 16 + 16 * screens:
            return False
        if screens:
            (self.screen_id,) = struct.unpack_from(">I", self._buffer, 16)
        del self._buffer[: 16 + 16 * screens]
        self._rectangles -= 1
        if not self._rectangles:
            self._step = self._read_message
        return True
