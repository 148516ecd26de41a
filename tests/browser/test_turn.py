"""The viewer page through a real TURN server, and by no other way: over UDP, TCP and TLS, between two networks."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aioice import turn
from playwright.sync_api import Browser, Page

from streamspace_hub.model.turn import TurnSettings, mint_turn
from tests.support.chromium import chromium
from tests.support.coturn import HOST, SECRET, TURNSERVER, Coturn, coturn
from tests.support.shaped_link import CHROMIUM_ARGUMENTS, SERVER, Link, shaped_link, unavailable
from tests.support.viewer import stats, wait_for_transport
from tests.support.viewer_session import ViewerSession, viewer_session

pytestmark = [
    pytest.mark.browser,
    pytest.mark.x11,
    pytest.mark.skipif(bool(unavailable()), reason=unavailable()),
    pytest.mark.skipif(not TURNSERVER.exists(), reason="no coturn"),
]
BUSY = ("xterm", "-e", "sh", "-c", "while true; do date +%N; sleep 0.03; done")
KEEP_PEERS = """
window.peers = [];
const Native = RTCPeerConnection;
window.RTCPeerConnection = class extends Native { constructor(...given) { super(...given); window.peers.push(this); } };
"""
WAY = """async () => {
  const all = [...(await window.peers.at(-1).getStats()).values()];
  const pair = all.find(item => item.type === 'candidate-pair' && item.nominated);
  const local = all.find(item => item.id === pair?.localCandidateId);
  return local ? [local.candidateType, local.relayProtocol] : null;
}"""


@dataclass
class Setting:
    """A session and coturn on one network, a browser on another."""

    link: Link
    folder: Path
    coturn: Coturn
    browser: Browser

    def session(self, stack: ExitStack, url: str, secret: bytes = SECRET) -> ViewerSession:
        file = self.folder / "secret"
        file.write_bytes(secret)
        settings = TurnSettings(turn_urls=(url,), turn_secret_file=str(file), turn_ttl=600)
        with self.link.server.entered():
            return stack.enter_context(viewer_session(*BUSY, turn=settings))

    def page(self, session: ViewerSession, **query: str) -> Page:
        page = self.browser.new_page()
        page.add_init_script(KEEP_PEERS)
        page.goto(session.url(**query))
        return page


@pytest.fixture(scope="module")
def setting() -> Iterator[Setting]:
    folder = Path(tempfile.mkdtemp(prefix="ss-", dir="/tmp"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        link = stack.enter_context(shaped_link(delay_ms=5))
        with link.server.entered():
            # TCP from the client's side arrives at loopback, UDP at the address that it was sent to.
            server = stack.enter_context(coturn(folder, [SERVER, "127.0.0.1"], SERVER))
        with link.client.entered():
            browser = stack.enter_context(chromium(*CHROMIUM_ARGUMENTS, "--ignore-certificate-errors"))
        yield Setting(link, folder, server, browser)


@pytest.mark.parametrize("protocol", ["udp", "tcp", "tls"])
def test_pictures_come_through_the_relay_alone(setting: Setting, protocol: str) -> None:
    address = {
        "udp": f"turn:{SERVER}:{setting.coturn.port}?transport=udp",
        "tcp": f"turn:{SERVER}:{setting.coturn.port}?transport=tcp",
        "tls": f"turns:{SERVER}:{setting.coturn.tls_port}?transport=tcp",
    }[protocol]
    setting.link.set(block_udp=protocol != "udp")
    with ExitStack() as stack:
        stack.callback(setting.link.set, block_udp=False)
        session = setting.session(stack, address)
        page = setting.page(session, transport="webrtc", ice="relay")
        wait_for_transport(page, "webrtc")
        assert page.evaluate(WAY) == ["relay", protocol]
        frames = stats(page)["frames"]
        time.sleep(1)
        assert stats(page)["frames"] > frames + 5
        page.close()


def test_without_credentials_that_coturn_accepts_the_picture_comes_by_the_websocket(setting: Setting) -> None:
    with ExitStack() as stack:
        session = setting.session(stack, f"turn:{SERVER}:{setting.coturn.port}", secret=b"another secret")
        page = setting.page(session, ice="relay")
        wait_for_transport(page, "websocket")
        time.sleep(3)
        assert page.evaluate("window.streamspace.transport") == "websocket"
        page.close()
        assert "401" in setting.coturn.log


def test_tls_to_the_relay_holds_with_its_certificate_checked(setting: Setting) -> None:
    """The browser above was told to take any certificate; here aioice's client takes coturn's own and no other."""
    settings = TurnSettings(turn_urls=(f"turn:{HOST}",), turn_secret_file="/x")
    (server,) = mint_turn(settings, SECRET, "ann", time.time()).ice_servers
    with setting.link.client.entered(), ThreadPoolExecutor(1) as thread:
        # Playwright keeps a loop of its own running in this one.
        work = relay_something(setting, server.username, server.credential)
        thread.submit(asyncio.run, work).result(30)


async def relay_something(setting: Setting, username: str, password: str) -> None:
    """Allocate a relay by TLS and reach an echo on the server's side through it."""
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context(cafile=str(setting.coturn.certificate))
    with setting.link.server.entered():
        echo, _ = await loop.create_datagram_endpoint(Echo, local_addr=(SERVER, 0))
    received: asyncio.Future[bytes] = loop.create_future()
    relay, _ = await turn.create_turn_endpoint(
        lambda: Receiver(received),
        server_addr=(SERVER, setting.coturn.tls_port),
        username=username,
        password=password,
        ssl=context,
        transport="tcp",
    )
    try:
        relay.sendto(b"through the relay", echo.get_extra_info("sockname"))
        assert await asyncio.wait_for(received, 10) == b"through the relay"
    finally:
        relay.close()
        echo.close()
        await asyncio.sleep(0.1)


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


class Receiver(asyncio.DatagramProtocol):
    def __init__(self, received: asyncio.Future[bytes]) -> None:
        self.received = received

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.received.done():
            self.received.set_result(data)
