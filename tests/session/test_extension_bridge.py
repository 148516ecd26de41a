"""The bridge between real sockets: what crosses it, what does not, and that it never fills memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.support.running import PYTHONPATH, ROOT

TOKEN = {"Authorization": "token secret"}
FORGED = {
    "X-Streamspace-User": "root",
    "X-Streamspace-Role": "owner",
    "x-streamspace-role": "owner",
    "Cookie": "other=1",
    "X-Forwarded-User": "root",
    "X-Streamspace-Ice-Servers": '[{"urls": ["turn:evil.example.org"], "username": "a", "credential": "b"}]',
}


@dataclass
class Bridge:
    """A bridge with a fake streamer behind it."""

    folder: Path
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/base/streamspace/here/gimp/"

    @property
    def server(self) -> psutil.Process:
        return psutil.Process(self.processes[0].pid)

    def run(self, module: str, *arguments: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"tests.support.{module}", *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": PYTHONPATH},
        )
        self.processes.append(process)
        return process

    def start_streamer(self) -> subprocess.Popen[bytes]:
        return self.run("fake_streamer", self.folder / "streamer.sock")

    async def sent_by_streamer(self) -> int:
        connector = aiohttp.UnixConnector(str(self.folder / "streamer.sock"))
        async with aiohttp.ClientSession(connector=connector) as client, client.get("http://x/api/v1/stats") as reply:
            return int((await reply.json())["sent"])


@contextlib.contextmanager
def bridge_processes(patience: float = 10, streamer: bool = True) -> Iterator[Bridge]:
    folder = Path(tempfile.mkdtemp(prefix="ss-", dir="/tmp"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        running = Bridge(folder, probe.getsockname()[1])
    running.run("bridge_server", folder / "streamer.sock", running.port, patience)
    if streamer:
        running.start_streamer()
    try:
        yield running
    finally:
        for process in running.processes:
            process.kill()
            process.wait()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shared_bridge() -> Iterator[Bridge]:
    """One bridge for all tests that leave it as it was."""
    with bridge_processes() as running:
        yield running


Client = aiohttp.ClientSession


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Client(headers=TOKEN) as session:
        yield session


@pytest.fixture
async def running(shared_bridge: Bridge, client: Client) -> Bridge:
    await answering(shared_bridge, client)
    return shared_bridge


async def answering(running: Bridge, client: Client) -> None:
    for _ in range(200):
        with contextlib.suppress(aiohttp.ClientConnectorError):
            await client.get(f"{running.base}static/none")
            return
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def bridge(patience: float = 10, streamer: bool = True) -> AsyncIterator[tuple[Bridge, aiohttp.ClientSession]]:
    """A bridge of one test's own."""
    with bridge_processes(patience, streamer) as running:
        async with aiohttp.ClientSession(headers=TOKEN) as client:
            await answering(running, client)
            yield running, client


async def hello(ws: aiohttp.ClientWebSocketResponse) -> Any:
    return json.loads((await ws.receive(timeout=15)).data)


async def test_a_request_reaches_the_streamer_with_our_identity_and_nothing_of_the_browsers(
    running: Bridge, client: Client
) -> None:
    url = f"{running.base}api/v1/open?token=secret&_xsrf=abc&keep=1"
    async with client.post(url, headers=FORGED, json={"path": "/a"}) as reply:
        seen = await reply.json()
        assert reply.status == 200
    assert seen["query"] == {"keep": "1"}
    assert json.loads(seen["body"]) == {"path": "/a"}
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert headers["x-streamspace-role"] == "owner"
    assert headers["x-streamspace-user"] not in ("", "root")
    expected = {"host", "accept", "accept-encoding", "user-agent", "content-type", "content-length"}
    assert set(headers) <= expected | {"x-streamspace-user", "x-streamspace-role"}
    assert "secret" not in json.dumps(seen)


async def test_nothing_but_the_answer_comes_back(running: Bridge, client: Client) -> None:
    async with client.get(f"{running.base}api/v1/status") as reply:
        assert "planted" not in json.dumps(dict(reply.headers))
        assert "X-Inner" not in reply.headers
        assert reply.headers["Cache-Control"] == "no-store"


async def test_view_lowers_the_role_on_request_and_socket(running: Bridge, client: Client) -> None:
    async with client.get(f"{running.base}api/v1/status?view=1", headers=FORGED) as reply:
        assert (await reply.json())["headers"]["X-Streamspace-Role"] == "viewer"
    async with client.ws_connect(f"{running.base}ws?view=1", headers=FORGED) as ws:
        assert (await hello(ws))["headers"]["X-Streamspace-Role"] == "viewer"


async def test_socket_carries_the_chosen_subprotocol_and_no_header_of_the_browser(
    running: Bridge, client: Client
) -> None:
    async with client.ws_connect(
        f"{running.base}ws?token=secret", protocols=["nonsense", "streamspace.v1"], headers=FORGED
    ) as ws:
        assert ws.protocol == "streamspace.v1"
        assert ws.compress == 0
        seen = await hello(ws)
        await ws.send_bytes(b"\x00\xff" * 100_000)
        assert (await ws.receive(timeout=10)).data == b"\x00\xff" * 100_000
        await ws.send_str("čau")
        assert (await ws.receive(timeout=10)).data == "čau"
    assert seen["query"] == {}
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert headers["x-streamspace-role"] == "owner"
    assert not {"cookie", "authorization", "origin", "x-forwarded-user", "sec-websocket-extensions"} & set(headers)
    assert "x-streamspace-ice-servers" not in headers


@pytest.mark.parametrize("path", ["api/v1/status", "api/v1/open", "ws", "rfb", "http/anything"])
async def test_strangers_are_turned_away_on_every_path(running: Bridge, path: str) -> None:
    async with aiohttp.ClientSession() as stranger:
        for url in (f"{running.base}{path}", f"{running.base}{path}?token=wrong"):
            async with stranger.get(url, headers=FORGED) as reply:
                assert reply.status == 403
                assert "Sign in" in (await reply.json())["message"]
            if path in ("ws", "rfb"):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await stranger.ws_connect(url, headers=FORGED)
                assert refused.value.status == 403
        for post in ("api/v1/open", "http", "http/anything"):
            async with stranger.post(f"{running.base}{post}", json={}, headers=FORGED) as reply:
                assert reply.status == 403


async def test_a_stranger_at_the_page_is_sent_to_sign_in(running: Bridge) -> None:
    async with aiohttp.ClientSession() as stranger, stranger.get(running.base, allow_redirects=False) as reply:
        assert reply.status == 302
        assert reply.headers["Location"].startswith("/base/login?next=")


@contextlib.asynccontextmanager
async def signed_in(running: Bridge) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser with the cookie of somebody who has signed in."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        async with browser.get(f"{running.base}?token=secret") as reply:
            assert reply.status == 200
        yield browser


async def test_a_foreign_site_cannot_open_sockets_with_a_users_cookie(running: Bridge) -> None:
    async with signed_in(running) as browser:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await browser.ws_connect(f"{running.base}ws", headers={"Origin": "https://evil.example"})
        assert refused.value.status == 403
        async with browser.ws_connect(
            f"{running.base}ws", headers={"Origin": f"http://127.0.0.1:{running.port}"}
        ) as ws:
            assert (await hello(ws))["headers"]["X-Streamspace-Role"] == "owner"


async def test_a_post_with_a_cookie_needs_the_xsrf_token_of_the_page(running: Bridge) -> None:
    async with signed_in(running) as browser:
        async with browser.post(f"{running.base}api/v1/open", json={"path": "/a"}) as reply:
            assert reply.status == 403
        async with browser.get(running.base) as page:
            config = config_of(await page.text())
        async with browser.post(
            f"{running.base}api/v1/open", json={"path": "/a"}, headers={"X-XSRFToken": config["xsrf"]}
        ) as reply:
            assert reply.status == 200, await reply.text()


def config_of(page: str) -> Any:
    start = page.index(">", page.index('id="streamspace-config"')) + 1
    return json.loads(page[start : page.index("</script>", start)])


async def test_the_page_has_no_inline_script_and_cannot_be_broken_out_of(running: Bridge, client: Client) -> None:
    async with client.get(f"{running.base}?view=1") as reply:
        page, policy = await reply.text(), reply.headers["Content-Security-Policy"]
        assert "<script>alert" not in page
        assert config_of(page)["app"] == {"name": "gimp", "title": 'GIMP </script><script>alert("x")</script>'}
        assert config_of(page)["hub"] is None
        assert config_of(page)["view"] is True
        assert "frame-ancestors 'self'" in policy
        assert "unsafe-inline" not in policy
        assert page.count("<script") == 2


async def test_files_are_cached_for_good_only_under_their_own_hash(running: Bridge, client: Client) -> None:
    page = await (await client.get(running.base)).text()
    start = page.index("static/viewer.js")
    named = page[start : page.index('"', start)]
    async with client.get(running.base + named) as reply:
        assert reply.status == 200
        assert "immutable" in reply.headers["Cache-Control"]
    for other in ("static/viewer.js", "static/viewer.js?v=0"):
        async with client.get(running.base + other) as reply:
            assert reply.headers["Cache-Control"] == "no-cache"
    for outside in ("static/../__init__.py", "static/%2e%2e/__init__.py", "static//etc/passwd"):
        async with client.get(running.base + outside) as reply:
            assert reply.status in (403, 404)


async def test_unknown_paths_and_apps_are_not_found(running: Bridge, client: Client) -> None:
    for path in ("api/v1/../../etc", "api/v2/status", "metrics", "api/v1/%2e%2e/x"):
        async with client.get(running.base + path) as reply:
            assert reply.status == 404, path
    async with client.get(running.base.replace("gimp", "qgis") + "api/v1/status") as reply:
        assert reply.status == 404
        assert "qgis" in (await reply.json())["message"]


async def test_a_large_body_is_refused_with_a_sentence(running: Bridge, client: Client) -> None:
    async with client.post(f"{running.base}api/v1/open", data=b"x" * 70_000) as reply:
        assert reply.status == 413
        assert "65536" in (await reply.json())["message"]


async def test_without_a_streamer_requests_get_503_and_sockets_1013() -> None:
    async with bridge(patience=0.2, streamer=False) as (running, client):
        async with client.get(f"{running.base}api/v1/status") as reply:
            assert reply.status == 503
            assert reply.headers["Retry-After"] == "1"
            assert "starting again" in (await reply.json())["message"]
        async with client.ws_connect(f"{running.base}ws", protocols=["streamspace.v1"]) as ws:
            message = await ws.receive(timeout=5)
            assert (message.type, ws.close_code) == (aiohttp.WSMsgType.CLOSE, 1013)
        async with client.get(running.base) as page:
            assert page.status == 200


async def test_a_streamer_that_starts_late_is_waited_for() -> None:
    async with bridge(streamer=False) as (running, client):
        waiting = asyncio.create_task(client.ws_connect(f"{running.base}ws"))
        await asyncio.sleep(0.5)
        running.start_streamer()
        async with await waiting as ws:
            assert "headers" in await hello(ws)


async def test_a_streamer_that_dies_closes_its_sockets_with_1013_and_its_successor_is_found() -> None:
    async with bridge() as (running, client):
        async with client.ws_connect(f"{running.base}ws") as ws:
            await hello(ws)
            await ws.send_str("die")
            await ws.receive(timeout=5)
            assert ws.close_code == 1013
        running.start_streamer()
        async with client.ws_connect(f"{running.base}ws") as ws:
            assert "headers" in await hello(ws)


@pytest.mark.parametrize(("sent", "received"), [(4001, 4001), (1000, 1000), (1008, 1008), (1011, 1013), (1001, 1013)])
async def test_the_streamers_close_codes_reach_the_browser(
    running: Bridge, client: Client, sent: int, received: int
) -> None:
    async with client.ws_connect(f"{running.base}ws") as ws:
        await hello(ws)
        await ws.send_str(f"close {sent} because")
        message = await ws.receive(timeout=5)
        assert ws.close_code == received
        if sent == received:
            assert message.extra == "because"


async def test_a_refused_handshake_keeps_its_status(running: Bridge, client: Client) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect(f"{running.base}rfb")
    assert refused.value.status == 403


async def test_a_browser_that_does_not_read_stops_the_streamer_and_costs_no_memory() -> None:
    async with bridge() as (running, client), client.ws_connect(f"{running.base}ws", max_msg_size=0) as ws:
        await hello(ws)
        before = running.server.memory_info().rss
        await ws.send_str("flood")
        await asyncio.sleep(3)
        grown = running.server.memory_info().rss - before
        # What is under way: socket buffers of the kernel, and one message in each process.
        assert await running.sent_by_streamer() < 24 * 2**20
        assert grown < 16 * 2**20, f"grew by {grown / 2**20:.0f} MiB"
        for number in range(600):  # 37.5 MiB: more than was under way, and in order
            data = (await ws.receive(timeout=10)).data
            assert data[:4] == number.to_bytes(4, "big") == data[-4:]


async def test_a_streamer_that_does_not_read_stops_the_browser_and_costs_no_memory() -> None:
    async with bridge() as (running, client), client.ws_connect(f"{running.base}ws", max_msg_size=0) as ws:
        await hello(ws)
        before = running.server.memory_info().rss
        await ws.send_str("deaf")
        sent = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3):
                while sent < 1 << 30:
                    await ws.send_bytes(bytes(65536))
                    sent += 65536
        grown = running.server.memory_info().rss - before
        assert sent < 48 * 2**20
        assert grown < 16 * 2**20, f"grew by {grown / 2**20:.0f} MiB"


async def test_a_browser_that_goes_away_frees_the_streamers_side() -> None:
    async with bridge() as (running, client):
        for _ in range(20):
            ws = await client.ws_connect(f"{running.base}ws")
            await hello(ws)
            assert ws._response is not None
            ws._response.close()  # without a closing handshake
        for _ in range(100):
            if len(running.server.net_connections("unix")) <= 2:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(running.server.net_connections("unix"))
