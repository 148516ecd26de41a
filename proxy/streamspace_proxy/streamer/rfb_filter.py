"""RFB for noVNC viewers, without input: what a viewer sends is parsed, and only what asks for pictures goes on.

`ClientFilter` is pure; `bridge_rfb` is the thin shell that moves bytes between a WebSocket and the X server's RFB
socket. Neither knows roles: on this socket nobody has input. Message layouts: RFC 6143 section 7.5 and the community
specification of RFB (github.com/rfbproto/rfbproto), which names the extensions.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from streamspace_proxy.streamer.messages import Code, code_of_close

logger = logging.getLogger(__name__)

VERSION: Final = b"RFB 003.008\n"
SECURITY_NONE: Final = 1
MAX_ENCODINGS: Final = 1024
MAX_FENCE: Final = 64
FENCE_REQUEST: Final = 1 << 31
# With this encoding a PointerEvent has 6 or 7 bytes, depending on what the server has said: never let it be agreed on.
EXTENDED_MOUSE_BUTTONS: Final = -316
CHUNK: Final = 64 * 1024
CONNECT_SECONDS: Final = 5.0


class ProtocolViolation(Exception):  # noqa: N818 - the protocol's word
    """The viewer sent what RFB does not allow, or what this bridge cannot measure."""


class Message(IntEnum):
    """Types of client messages."""

    SET_PIXEL_FORMAT = 0
    SET_ENCODINGS = 2
    FRAMEBUFFER_UPDATE_REQUEST = 3
    KEY_EVENT = 4
    POINTER_EVENT = 5
    CLIENT_CUT_TEXT = 6
    ENABLE_CONTINUOUS_UPDATES = 150
    CLIENT_FENCE = 248
    XVP = 250
    SET_DESKTOP_SIZE = 251
    GII = 253
    QEMU = 255


FIXED: Final = {
    Message.SET_PIXEL_FORMAT: 20,
    Message.FRAMEBUFFER_UPDATE_REQUEST: 10,
    Message.KEY_EVENT: 8,
    Message.POINTER_EVENT: 6,
    Message.ENABLE_CONTINUOUS_UPDATES: 10,
    Message.XVP: 4,
}
# How many bytes must be there before the length of the whole message is known.
HEADER: Final = {
    Message.SET_ENCODINGS: 4,
    Message.CLIENT_CUT_TEXT: 8,
    Message.CLIENT_FENCE: 9,
    Message.SET_DESKTOP_SIZE: 8,
    Message.GII: 4,
    Message.QEMU: 4,
}
INPUT: Final = frozenset(
    {
        Message.KEY_EVENT,
        Message.POINTER_EVENT,
        Message.CLIENT_CUT_TEXT,
        Message.XVP,
        Message.SET_DESKTOP_SIZE,
        Message.GII,
        Message.QEMU,
    }
)
PASSED: Final = frozenset(
    {
        Message.SET_PIXEL_FORMAT,
        Message.SET_ENCODINGS,
        Message.FRAMEBUFFER_UPDATE_REQUEST,
        Message.ENABLE_CONTINUOUS_UPDATES,
        Message.CLIENT_FENCE,
    }
)


class ClientFilter:
    """Takes the viewer's bytes in any pieces and returns those that may go on to the server.

    Only whole messages of the types in `PASSED` are ever returned, so that the server cannot read a message into them
    that was not seen here. Holds at most one such message; all others are discarded as they come.
    """

    def __init__(self) -> None:
        self.refused = 0
        """Messages of input so far, none of which went on."""
        self._buffer = bytearray()
        self._discard = 0
        self._step: Callable[[], bytes | None] = self._version
        self._violation: ProtocolViolation | None = None

    def feed(self, data: bytes) -> bytes:
        """Return what of `data`, and of what was held back before, goes on. Raises `ProtocolViolation` for good."""
        if self._violation is not None:
            raise self._violation
        self._buffer += data
        passed = bytearray()
        try:
            while self._buffer:
                if self._discard:
                    self._drop()
                elif (piece := self._step()) is None:
                    break
                else:
                    passed += piece
        except ProtocolViolation as violation:
            self._violation = violation
            self._buffer.clear()
            raise
        return bytes(passed)

    def _drop(self) -> None:
        dropped = min(self._discard, len(self._buffer))
        self._discard -= dropped
        del self._buffer[:dropped]

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    # Each step returns what goes on (perhaps nothing), or None when more bytes are needed.

    def _version(self) -> bytes | None:
        if not VERSION.startswith(self._buffer[: len(VERSION)]):
            raise ProtocolViolation("the viewer's first message must be RFB version 3.8")
        if len(self._buffer) < len(VERSION):
            return None
        self._step = self._security
        return self._take(len(VERSION))

    def _security(self) -> bytes | None:
        if self._buffer[0] != SECURITY_NONE:
            raise ProtocolViolation("security type: only 1 (None) is offered")
        self._step = self._client_init
        return self._take(1)

    def _client_init(self) -> bytes | None:
        self._take(1)
        self._step = self._message
        return b"\1"  # always shared: a viewer must not be able to put the others out

    def _message(self) -> bytes | None:
        try:
            kind = Message(self._buffer[0])
        except ValueError:
            raise ProtocolViolation(f"unknown message type {self._buffer[0]}") from None
        length = FIXED.get(kind)
        if length is None:
            if len(self._buffer) < HEADER[kind]:
                return None
            length = self._length(kind)
        if kind not in PASSED:
            self.refused += kind in INPUT
            self._discard = length
            return b""
        if len(self._buffer) < length:
            return None
        message = self._take(length)
        if kind is Message.SET_ENCODINGS:
            return without_extended_mouse_buttons(message)
        if kind is Message.CLIENT_FENCE and struct.unpack_from(">I", message, 4)[0] & FENCE_REQUEST:
            return b""
        return message

    def _length(self, kind: Message) -> int:
        header = self._buffer
        match kind:
            case Message.SET_ENCODINGS:
                (count,) = struct.unpack_from(">H", header, 2)
                if count > MAX_ENCODINGS:
                    raise ProtocolViolation(f"SetEncodings: {count} encodings; at most {MAX_ENCODINGS} are accepted")
                return 4 + 4 * int(count)
            case (
                Message.CLIENT_CUT_TEXT
            ):  # negative: the extended clipboard's own layout, as long as the absolute value
                return 8 + abs(int(struct.unpack_from(">i", header, 4)[0]))
            case Message.CLIENT_FENCE:
                if header[8] > MAX_FENCE:
                    raise ProtocolViolation(
                        f"ClientFence: {header[8]} bytes of payload; at most {MAX_FENCE} are allowed"
                    )
                return 9 + header[8]
            case Message.SET_DESKTOP_SIZE:
                return 8 + 16 * header[6]
            case Message.GII:  # the top bit of the sub-type says in which byte order the rest comes
                return 4 + int(struct.unpack_from(">H" if header[1] & 0x80 else "<H", header, 2)[0])
            case _:
                return _qemu_length(header)


def _qemu_length(header: bytearray) -> int:
    subtype, operation = header[1], int.from_bytes(header[2:4], "big")
    if subtype == 0:  # extended key event
        return 12
    if subtype == 1 and operation in (0, 1):  # sound on, off
        return 4
    if subtype == 1 and operation == 2:  # sound format
        return 10
    raise ProtocolViolation(f"unknown QEMU message {subtype}/{operation}")


def without_extended_mouse_buttons(message: bytes) -> bytes:
    """Return this SetEncodings message without the encoding that makes PointerEvent ambiguous."""
    encodings = [item for (item,) in struct.iter_unpack(">i", message[4:]) if item != EXTENDED_MOUSE_BUTTONS]
    return struct.pack(f">BxH{len(encodings)}i", Message.SET_ENCODINGS, len(encodings), *encodings)


async def bridge_rfb(
    ws: web.WebSocketResponse, rfb_path: Path, sent: Callable[[int], None], refused: Callable[[Code], None]
) -> None:
    """Carry RFB between a viewer's prepared WebSocket and the X server until either ends; then close both.

    Each direction waits until the other side has taken what it was given, so that neither can make the streamer's
    memory grow. `sent` learns how many bytes went to the viewer, `refused` of each message that did not go on.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(rfb_path))
    except OSError as error:
        logger.warning("rfb: the X server cannot be reached: %s", error)
        await ws.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"the desktop is not ready")
        return
    code, reason = WSCloseCode.OK, b""
    directions = {
        asyncio.create_task(_to_server(ws, writer, refused), name="rfb to the server"),
        asyncio.create_task(_to_viewer(reader, ws, sent), name="rfb to the viewer"),
    }
    try:
        done, _ = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            failure = task.exception()
            if isinstance(failure, ProtocolViolation):
                logger.info("rfb: closed a viewer: %s", failure)
                refused("bad_message")
                code, reason = WSCloseCode.PROTOCOL_ERROR, str(failure).encode()[:120]
            elif failure is not None and not isinstance(failure, OSError):
                raise failure
    finally:
        for task in directions:
            task.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await ws.close(code=code, message=reason)


async def _to_server(ws: web.WebSocketResponse, writer: asyncio.StreamWriter, refused: Callable[[Code], None]) -> None:
    filtered = ClientFilter()
    async for message in ws:
        if message.type is WSMsgType.ERROR:
            if (code := code_of_close(message.data)) is not None:
                refused(code)
            return
        if message.type is not WSMsgType.BINARY:
            raise ProtocolViolation("RFB travels in binary messages only")
        before = filtered.refused
        passed = filtered.feed(message.data)
        for _ in range(filtered.refused - before):
            refused("forbidden")
        if passed:
            writer.write(passed)
            await writer.drain()


async def _to_viewer(reader: asyncio.StreamReader, ws: web.WebSocketResponse, sent: Callable[[int], None]) -> None:
    while data := await reader.read(CHUNK):
        await ws.send_bytes(data)
        sent(len(data))
