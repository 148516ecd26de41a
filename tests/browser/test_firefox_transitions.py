"""The transitions of `test_transitions` in Debian's Firefox ESR, on a link that can be shaped and cut.

Its WebRTC has no H.264 (a plugin that it downloads), so VP8 goes there: a second encode beside the WebSocket's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.browser.test_firefox import wait_for_transport
from tests.browser.test_loss import KEEP_PEERS
from tests.browser.test_transitions import COUNTER, MOVING
from tests.support.bridge_server import FORWARDED
from tests.support.firefox import Firefox, FirefoxPage, firefox
from tests.support.no_websockets import blocking_proxy
from tests.support.shaped_link import SERVER, Link, shaped_link, unavailable
from tests.support.viewer_session import ViewerSession, viewer_session
from tests.support.waiting import PATIENCE, STALL, eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.x11,
    pytest.mark.skipif(unavailable() != "", reason=unavailable()),
]
FRAMES = "window.streamspace.stats().frames"
RECEIVED_CODECS = """window.peers.at(-1).getStats().then(all => [...all.values()]
  .filter(one => one.type === 'inbound-rtp' && one.kind === 'video' && one.framesDecoded > 0)
  .map(one => all.get(one.codecId).mimeType))"""


@pytest.fixture(scope="module")
def shaped() -> Iterator[tuple[Link, ViewerSession, Firefox]]:
    with shaped_link(delay_ms=10) as link, ExitStack() as stack:
        with link.server.entered():
            session = stack.enter_context(viewer_session(*MOVING, "sh", "-c", COUNTER))
        with link.client.entered():
            # It looks up no address and not `localhost`, but other names below that; those are secure contexts as well.
            browser = stack.enter_context(firefox(network__dns__forceResolve=SERVER))
        yield link, session, browser


@pytest.fixture
def link(shaped: tuple[Link, ViewerSession, Firefox]) -> Iterator[Link]:
    link = shaped[0]
    yield link
    link.set(delay_ms=10, rate_bps=0, loss=0, up=True, block_udp=False, udp_loss=0)


@pytest.fixture
def session(shaped: tuple[Link, ViewerSession, Firefox]) -> ViewerSession:
    return shaped[1]


@pytest.fixture
def page(shaped: tuple[Link, ViewerSession, Firefox]) -> Iterator[FirefoxPage]:
    with shaped[2].page(KEEP_PEERS) as page:
        yield page


def address(session: ViewerSession, port: int = 0, **query: str) -> str:
    """The page's address from the client's side; `port` of a proxy, if there is one."""
    return session.url(**query).replace(f"127.0.0.1:{session.port}", f"{FORWARDED}:{port or session.port}")


def failures(page: FirefoxPage) -> Any:
    return page.evaluate("JSON.parse(localStorage.getItem('streamspace.webrtc /base/'))?.failures")


def wait_for_more(page: FirefoxPage, count: int = 10, limit: float = STALL) -> None:
    """Until `count` further pictures have been shown."""
    page.wait_for(f"{FRAMES} >= {page.evaluate(FRAMES) + count}", limit)


def test_webrtc_carries_vp8(page: FirefoxPage, link: Link, session: ViewerSession) -> None:
    page.goto(address(session, transport="webrtc"))
    wait_for_transport(page, "webrtc")
    assert page.evaluate("window.streamspace.stats().codec") == "vp8"
    assert page.evaluate(RECEIVED_CODECS) == ["video/VP8"]


def test_without_udp_the_websocket_stays_and_is_remembered(
    page: FirefoxPage, link: Link, session: ViewerSession
) -> None:
    link.set(block_udp=True)
    page.goto(address(session))
    wait_for_transport(page, "websocket")
    eventually(lambda: failures(page) == 1, "WebRTC to be given up", 30)
    wait_for_more(page)
    assert page.evaluate("window.streamspace.transport") == "websocket"
    # At once: Firefox closes the WebSocket before the page is left, which must not look like an outage.
    page.reload()
    wait_for_transport(page, "websocket")
    wait_for_more(page, 50)
    assert page.evaluate("window.peers.length") == 0, "not tried again at once"
    link.set(block_udp=False)
    page.evaluate("dispatchEvent(new Event('online'))")
    wait_for_transport(page, "webrtc")
    assert failures(page) == 0


def test_udp_that_ends_is_left_for_the_websocket(page: FirefoxPage, link: Link, session: ViewerSession) -> None:
    page.goto(address(session))
    wait_for_transport(page, "webrtc")
    link.set(block_udp=True)
    wait_for_transport(page, "websocket")
    wait_for_more(page)


def test_without_websockets_the_picture_comes_by_requests(
    page: FirefoxPage, link: Link, session: ViewerSession
) -> None:
    link.set(block_udp=True)
    with link.server.entered(), blocking_proxy(session.port) as proxy:
        page.goto(address(session, proxy.port))
        wait_for_transport(page, "http")
        wait_for_more(page)


def test_a_changed_network_gets_a_new_connection(page: FirefoxPage, link: Link, session: ViewerSession) -> None:
    page.goto(address(session, transport="webrtc"))
    wait_for_transport(page, "webrtc")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for("window.peers.map(peer => peer.connectionState).join() === 'closed,connected'")
    wait_for_more(page)
    assert page.evaluate("window.streamspace.transport") == "webrtc"


def test_webrtc_is_back_from_another_address(page: FirefoxPage, link: Link, session: ViewerSession) -> None:
    page.goto(address(session))
    wait_for_transport(page, "webrtc")
    before = page.evaluate("window.peers.length")
    link.roam()  # neither `online` nor anything else is told to the page
    page.wait_for(f"window.peers.length > {before} && window.peers.at(-1).connectionState === 'connected'")
    wait_for_transport(page, "webrtc")
    wait_for_more(page)
    assert failures(page) == 0


def test_lost_packets_do_not_end_webrtc(page: FirefoxPage, link: Link, session: ViewerSession) -> None:
    page.goto(address(session, transport="webrtc"))
    wait_for_transport(page, "webrtc")
    for loss in (0.01, 0.03, 0.05):
        link.set(loss=loss)
        dropped = link.counts()["dropped"]
        # A page's worth of pictures is few packets: go on until the link has lost one, and then some.
        eventually(lambda dropped=dropped: link.counts()["dropped"] > dropped, "a packet to be lost")
        wait_for_more(page, 60, PATIENCE)
    assert page.evaluate("window.streamspace.transport") == "webrtc"


def test_udp_that_is_held_down_is_left_for_the_websocket(page: FirefoxPage, link: Link, session: ViewerSession) -> None:
    page.goto(address(session))
    wait_for_transport(page, "webrtc")
    link.set(udp_loss=0.4)
    wait_for_transport(page, "websocket")
    assert failures(page) == 1, "it is not tried again at once"


@pytest.mark.parametrize("forced", ["websocket", "webrtc", None])
def test_a_line_that_becomes_thin_keeps_its_picture(
    page: FirefoxPage, link: Link, session: ViewerSession, forced: str | None
) -> None:
    page.goto(address(session, **({} if forced is None else {"transport": forced})))
    wait_for_transport(page, forced or "webrtc")
    link.set(delay_ms=20, rate_bps=1_000_000)
    for _ in range(4):
        wait_for_more(page)


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
def test_picture_is_back_soon_after_the_network(
    page: FirefoxPage, link: Link, session: ViewerSession, transport: str
) -> None:
    page.goto(address(session, **({"transport": "websocket"} if transport == "websocket" else {})))
    wait_for_transport(page, transport)
    link.set(up=False)
    page.wait_for("document.querySelector('#streamspace').dataset.state === 'reconnecting'")
    time.sleep(30)
    frames = page.evaluate(FRAMES)
    link.set(up=True)
    page.wait_for(f"{FRAMES} > {frames}", STALL)
    page.wait_for(f"window.streamspace.transport === '{transport}'", 30)
