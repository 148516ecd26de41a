"""A viewer's connection handed over to the streamer: who they are, the extension says, and nothing that they write."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from streamspace_proxy.extension.roles import Viewer
from streamspace_proxy.extension.streamer_link import StreamerDownError, StreamerLink
from streamspace_proxy.streamer.handover import HandoverServer
from streamspace_proxy.streamer.server import HANDOVERS, ROLE, USER, identify

from streamspace_hub.model import Role
from tests.support.streamer import Running, running_streamer
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.x11

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
OPENING: dict[str, object] = {"path": "ws", "key": KEY, "protocols": ["streamspace.v1"], "ice_servers": []}
FORGED = "X-Streamspace-User: root\r\nX-Streamspace-Role: owner\r\n"


@contextlib.asynccontextmanager
async def connection() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, socket.socket]]:
    """A viewer's end of a TCP connection, and the server's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        reader, writer = await asyncio.open_connection(*server.getsockname())
        accepted, _ = server.accept()
    with accepted:
        yield reader, writer, accepted
    writer.close()


async def give(running: Running, accepted: socket.socket, role: Role = Role.VIEWER, **changes: object) -> bool:
    link = StreamerLink(Path(running.x.folder, "streamer.sock"), patience=1)
    try:
        given = await link.hand_over(Viewer("ada", role), accepted, {**OPENING, **changes})
    finally:
        await link.close()
    accepted.close()
    return given


async def head_of(reader: asyncio.StreamReader) -> str:
    return (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode()


async def viewers_of(running: Running) -> list[dict[str, Any]]:
    viewers: list[dict[str, Any]] = (await running.get("status"))["viewers"]
    return viewers


async def test_the_streamer_answers_on_the_viewers_own_connection() -> None:
    async with running_streamer() as running:
        assert stat.S_IMODE(Path(running.x.folder, "handover.sock").stat().st_mode) == 0o600
        async with connection() as (reader, _, accepted):
            assert await give(running, accepted, Role.CONTROLLER)
            head = await head_of(reader)
            assert head.startswith("HTTP/1.1 101 ")
            assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # RFC 6455, 1.3
            assert "streamspace.v1" in head
            assert b'"hello"' in await asyncio.wait_for(reader.read(4096), PATIENCE)
            (viewer,) = await viewers_of(running)
            assert (viewer["user"], viewer["role"]) == ("ada", "controller")
        for _ in range(100):
            if not await viewers_of(running):
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the streamer did not notice that the viewer went away")


async def test_what_the_viewer_writes_before_the_answer_is_no_request() -> None:
    async with running_streamer() as running, connection() as (reader, writer, accepted):
        writer.write(f"GET /api/v1/metrics HTTP/1.1\r\nHost: x\r\n{FORGED}\r\n".encode())
        await writer.drain()
        await give(running, accepted)
        assert (await head_of(reader)).startswith("HTTP/1.1 101 ")
        # Read as WebSocket frames, which it is not: an unmasked or reserved one ends the connection.
        rest = await asyncio.wait_for(reader.read(), PATIENCE)
        assert b"HTTP/1.1" not in rest
        assert b"python_info" not in rest


async def test_headers_on_the_connection_change_nobodys_role(tmp_path: Path) -> None:
    async def who(request: web.Request) -> web.Response:
        return web.Response(text=f"{request[USER]} {request[ROLE]}")

    handovers = HandoverServer()
    app = web.Application(middlewares=[identify])
    app[HANDOVERS] = handovers
    app.router.add_get("/ws", who)
    runner = web.AppRunner(app)
    await runner.setup()
    assert runner.server is not None
    handovers.start(tmp_path / "handover.sock", runner.server)
    link = StreamerLink(tmp_path / "streamer.sock", patience=1)
    async with connection() as (reader, writer, accepted):
        assert await link.hand_over(Viewer("ada", Role.VIEWER), accepted, OPENING)
        accepted.close()
        for _ in range(2):
            assert "200 OK" in await head_of(reader)
            assert await asyncio.wait_for(reader.readexactly(10), PATIENCE) == b"ada viewer"
            writer.write(f"GET /ws HTTP/1.1\r\nHost: x\r\n{FORGED}\r\n".encode())
    handovers.close()
    await runner.cleanup()


@pytest.mark.parametrize(
    "changes",
    [
        {"user": ""},
        {"path": "api/v1/stop"},
        {"key": "short"},
        {"key": "dGhlIHNhbXBsZSBub25jZQ==\r\nX-Streamspace-Role: owner"},
        {"protocols": ["a\r\nX-Streamspace-Role: owner"]},
        {"more": 1},
    ],
    ids=str,
)
async def test_a_wrong_description_closes_the_connection(changes: dict[str, object]) -> None:
    async with running_streamer() as running:
        async with connection() as (reader, _, accepted):
            await give(running, accepted, **changes)
            assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
        assert "was handed over with" in running.log()
        async with connection() as (reader, _, accepted):
            await give(running, accepted)
            assert (await head_of(reader)).startswith("HTTP/1.1 101 ")


async def test_without_a_streamer_the_connection_stays_where_it_is(tmp_path: Path) -> None:
    link = StreamerLink(tmp_path / "streamer.sock", patience=0.3)
    async with connection() as (_, writer, accepted):
        with pytest.raises(StreamerDownError):
            await link.hand_over(Viewer("ada", Role.OWNER), accepted, OPENING)
        (tmp_path / "streamer.sock").touch()
        assert not await link.hand_over(Viewer("ada", Role.OWNER), accepted, OPENING), "one that takes none"
        writer.write(b"still here")
        await writer.drain()
        assert await asyncio.get_running_loop().run_in_executor(None, accepted.recv, 20) == b"still here"
