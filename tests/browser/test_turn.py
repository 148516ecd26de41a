"""The viewer page through a real TURN server, and by no other way: over UDP, TCP and TLS, between two networks.

In Chromium and in Debian's Firefox ESR.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aioice import turn

from streamspace_hub.model.turn import TurnSettings, mint_turn
from tests.support.bridge_server import FORWARDED
from tests.support.coturn import HOST, SECRET, TURNSERVER, Coturn, coturn
from tests.support.shaped_link import SERVER, Link, shaped_link, unavailable
from tests.support.tabs import BROWSERS, Tab, Tabs, address, memory, tabs, wait_for_more, wait_for_transport
from tests.support.viewer import KEEP_PEERS
from tests.support.viewer_session import ViewerSession, viewer_session
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.x11,
    pytest.mark.skipif(bool(unavailable()), reason=unavailable()),
    pytest.mark.skipif(not TURNSERVER.exists(), reason="no coturn"),
]
BUSY = ("xterm", "-e", "sh", "-c", "while true; do date +%N; sleep 0.03; done")
WAY = """(async () => {
  const all = [...(await window.peers.at(-1).getStats()).values()];
  const pair = all.find(item => item.type === 'candidate-pair' && item.nominated);
  const local = all.find(item => item.id === pair?.localCandidateId);
  return local ? [local.candidateType, local.relayProtocol] : null;
})()"""

CREDENTIALS = "window.peers.map(peer => peer.getConfiguration().iceServers[0].username)"
OLDER = """(async () => {
  await new Promise(done => setTimeout(done, 1100));
  const now = Date.now;
  Date.now = () => now() + 3600_000;
  dispatchEvent(new Event('online'));
})()"""
"""An hour passes, and the computer gets another network."""


@dataclass
class Setting:
    """A session and coturn on one network; the browsers are on another."""

    link: Link
    folder: Path
    coturn: Coturn

    def session(self, stack: ExitStack, url: str, secret: bytes = SECRET) -> ViewerSession:
        file = self.folder / "secret"
        file.write_bytes(secret)
        settings = TurnSettings(turn_urls=(url,), turn_secret_file=str(file), turn_ttl=600)
        with self.link.server.entered():
            return stack.enter_context(viewer_session(*BUSY, turn=settings))


@pytest.fixture(scope="module")
def setting() -> Iterator[Setting]:
    folder = Path(tempfile.mkdtemp(prefix="ss-", dir="/tmp"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        link = stack.enter_context(shaped_link(delay_ms=5))
        with link.server.entered():
            # TCP from the client's side arrives at loopback, UDP at the address that it was sent to.
            server = stack.enter_context(coturn(folder, [SERVER, "127.0.0.1"], SERVER))
        yield Setting(link, folder, server)


@pytest.fixture(scope="module", params=BROWSERS)
def browser(request: pytest.FixtureRequest, setting: Setting) -> Iterator[Tabs]:
    with tabs(request.param, setting.link, any_certificate=True) as browser:
        yield browser


@contextmanager
def page_of(browser: Tabs, session: ViewerSession, **query: str) -> Iterator[Tab]:
    with browser.page(KEEP_PEERS) as page:
        page.goto(address(session, **query))
        yield page


@pytest.mark.parametrize("protocol", ["udp", "tcp", "tls"])
def test_pictures_come_through_the_relay_alone(setting: Setting, browser: Tabs, protocol: str) -> None:
    relay = {
        "udp": f"turn:{SERVER}:{setting.coturn.port}?transport=udp",
        "tcp": f"turn:{SERVER}:{setting.coturn.port}?transport=tcp",
        # Firefox takes no address there.
        "tls": f"turns:{FORWARDED}:{setting.coturn.tls_port}?transport=tcp",
    }[protocol]
    setting.link.set(block_udp=protocol != "udp")
    with ExitStack() as stack:
        stack.callback(setting.link.set, block_udp=False)
        session = setting.session(stack, relay)
        page = stack.enter_context(page_of(browser, session, transport="webrtc", ice="relay"))
        wait_for_transport(page, "webrtc")
        assert page.evaluate(WAY) == ["relay", protocol]
        wait_for_more(page)


def test_a_new_connection_of_an_old_page_gets_new_credentials(setting: Setting, browser: Tabs) -> None:
    with ExitStack() as stack:
        session = setting.session(stack, f"turn:{SERVER}:{setting.coturn.port}?transport=udp")
        page = stack.enter_context(page_of(browser, session, transport="webrtc", ice="relay"))
        wait_for_transport(page, "webrtc")
        first = page.evaluate(CREDENTIALS)
        assert len(first) == 1
        page.evaluate(OLDER)
        eventually(lambda: page.evaluate(WAY) == ["relay", "udp"] and len(page.evaluate(CREDENTIALS)) == 2, "another")
        second = page.evaluate(CREDENTIALS)[-1]
        assert int(second.partition(":")[0]) > int(first[0].partition(":")[0]), "the time until which they hold"
        wait_for_more(page)
        assert page.evaluate("window.streamspace.transport") == "webrtc"


def test_without_credentials_that_coturn_accepts_the_picture_comes_by_the_websocket(
    setting: Setting, browser: Tabs
) -> None:
    with ExitStack() as stack:
        session = setting.session(stack, f"turn:{SERVER}:{setting.coturn.port}", secret=b"another secret")
        refused = setting.coturn.log.count("401")
        page = stack.enter_context(page_of(browser, session, ice="relay"))
        wait_for_transport(page, "websocket")
        eventually(lambda: (memory(page) or {}).get("failures") == 1, "WebRTC to be given up")
        wait_for_more(page)
        assert page.evaluate("window.streamspace.transport") == "websocket"
        assert setting.coturn.log.count("401") > refused


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
