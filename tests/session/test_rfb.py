"""The RFB bridge between a real WebSocket and a real Xtigervnc."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import struct
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from streamspace_proxy.streamer import x11
from streamspace_proxy.streamer.messages import Code
from streamspace_proxy.streamer.rfb_filter import bridge_rfb

from tests.support.waiting import PATIENCE
from tests.support.xserver import XServer, x_server

pytestmark = pytest.mark.x11

UPDATE_REQUEST = struct.pack(">BBHHHH", 3, 0, 0, 0, 800, 600)
RAW_ONLY = struct.pack(">BxHi", 2, 1, 0)


@pytest.fixture
def server() -> Iterator[XServer]:
    with x_server() as server:
        yield server


@contextlib.asynccontextmanager
async def bridged(rfb_path: Path, refused: list[Code] | None = None) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A viewer's socket to a streamer that does nothing but bridge, and notes what it refuses."""
    noted = [] if refused is None else refused
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        try:
            await bridge_rfb(ws, rfb_path, lambda size: None, noted.append)
        finally:
            ended.set()
        return ws

    application = web.Application()
    application.router.add_get("/rfb", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    folder = tempfile.mkdtemp(prefix="ss-", dir="/tmp")
    path = f"{folder}/http.sock"
    await web.UnixSite(runner, path).start()
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session,
            session.ws_connect("http://streamer/rfb", max_msg_size=0) as ws,
        ):
            yield ws
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
    finally:
        await runner.cleanup()
        shutil.rmtree(folder)


async def read(ws: aiohttp.ClientWebSocketResponse, size: int, rest: bytearray) -> bytes:
    while len(rest) < size:
        rest += await ws.receive_bytes(timeout=10)
    data = bytes(rest[:size])
    del rest[:size]
    return data


async def shake_hands(ws: aiohttp.ClientWebSocketResponse, rest: bytearray) -> tuple[int, int]:
    assert await read(ws, 12, rest) == b"RFB 003.008\n"
    await ws.send_bytes(b"RFB 003.008\n")
    assert 1 in await read(ws, (await read(ws, 1, rest))[0], rest)
    await ws.send_bytes(b"\x01")
    assert await read(ws, 4, rest) == bytes(4)
    await ws.send_bytes(b"\x00")
    width, height, name_length = struct.unpack(">HH16xI", await read(ws, 24, rest))
    await read(ws, name_length, rest)
    return width, height


async def test_pictures_pass_and_input_does_not(server: XServer) -> None:
    connection = x11.connect(server.display, server.xauthority)
    root = connection.get_setup().roots[0].root
    refused: list[Code] = []
    async with bridged(server.rfb_path, refused) as ws:
        rest = bytearray()
        assert await shake_hands(ws, rest) == (800, 600)
        keys = struct.pack(">BBxxI", 4, 1, 0x61)
        pointer = struct.pack(">BBHH", 5, 1, 7, 8)
        size = struct.pack(">BxHHBxIHHHHI", 251, 320, 240, 1, 0, 0, 0, 320, 240, 0)
        cut = struct.pack(">BxxxI", 6, 5) + b"hello"
        await ws.send_bytes(keys + pointer + RAW_ONLY + size + cut + UPDATE_REQUEST)
        kind, rectangles = struct.unpack(">BxH", await read(ws, 4, rest))
        assert kind == 0
        pixels = 0
        for _ in range(rectangles):
            _x, _y, width, height, encoding = struct.unpack(">HHHHi", await read(ws, 12, rest))
            assert encoding == 0
            await read(ws, width * height * 4, rest)
            pixels += width * height
        assert pixels == 800 * 600
        where = connection.core.QueryPointer(root).reply()
        assert (where.root_x, where.root_y) != (7, 8)
        assert where.mask == 0
        assert not any(connection.core.QueryKeymap().reply().keys)
        assert connection.core.GetGeometry(root).reply().width == 800
        assert refused == ["forbidden"] * 4
    connection.disconnect()


async def test_a_malformed_stream_is_closed_and_the_x_server_lives_on(server: XServer) -> None:
    refused: list[Code] = []
    async with bridged(server.rfb_path, refused) as ws:
        await shake_hands(ws, bytearray())
        await ws.send_bytes(b"\x07nonsense")
        while (message := await ws.receive(timeout=5)).type is aiohttp.WSMsgType.BINARY:
            pass
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert (message.data, message.extra) == (1002, "unknown message type 7")
        assert refused == ["bad_message"]
    async with bridged(server.rfb_path) as ws:
        assert await shake_hands(ws, bytearray()) == (800, 600)


async def test_a_message_beyond_all_measure_closes_the_socket_and_counts(server: XServer) -> None:
    refused: list[Code] = []
    async with bridged(server.rfb_path, refused) as ws:
        await shake_hands(ws, bytearray())
        with contextlib.suppress(ConnectionError):  # it is not taken to the end
            await ws.send_bytes(bytes(5 * 2**20))
        while not ws.closed:
            await ws.receive(timeout=5)
    assert refused == ["too_large"]


async def test_text_on_the_socket_is_refused(server: XServer) -> None:
    async with bridged(server.rfb_path) as ws:
        await ws.receive_bytes()
        await ws.send_str("{}")
        message = await ws.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1002)


async def test_the_viewer_is_told_when_the_x_server_ends(server: XServer) -> None:
    async with bridged(server.rfb_path) as ws:
        await shake_hands(ws, bytearray())
        server.process.terminate()
        message = await ws.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1000)


async def test_without_an_x_server_the_viewer_is_asked_to_come_back(tmp_path: Path) -> None:
    async with bridged(tmp_path / "rfb.sock") as ws:
        message = await ws.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1013)


async def test_a_viewer_that_reads_nothing_stops_the_server_instead_of_filling_memory() -> None:
    written = 0

    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        with contextlib.suppress(ConnectionError):
            while written < 2**28:
                writer.write(bytes(65536))
                await writer.drain()
                written += 65536
        writer.close()

    with tempfile.TemporaryDirectory(prefix="ss-", dir="/tmp") as folder:
        path = Path(folder) / "rfb.sock"
        async with await asyncio.start_unix_server(flood, str(path)), bridged(path):
            await asyncio.sleep(1)
            before = written
            await asyncio.sleep(0.5)
            assert written == before
            assert written < 8 * 2**20
