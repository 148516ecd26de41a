"""What `test_loss` and `test_network_change` measure in Chromium comes out well in Debian's Firefox ESR, too.

Its WebRTC has no H.264 (a plugin that it downloads), so VP8 goes there: a second encode beside the WebSocket's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.browser.test_transitions import COUNTER, MOVING
from tests.support.shaped_link import Link, shaped_link, unavailable
from tests.support.tabs import Tab, Tabs, address, memory, tabs, wait_for_more, wait_for_transport
from tests.support.viewer import KEEP_PEERS
from tests.support.viewer_session import ViewerSession, viewer_session
from tests.support.waiting import PATIENCE, eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.x11,
    pytest.mark.skipif(unavailable() != "", reason=unavailable()),
]
RECEIVED_CODECS = """window.peers.at(-1).getStats().then(all => [...all.values()]
  .filter(one => one.type === 'inbound-rtp' && one.kind === 'video' && one.framesDecoded > 0)
  .map(one => all.get(one.codecId).mimeType))"""


@pytest.fixture(scope="module")
def shaped() -> Iterator[tuple[Link, ViewerSession, Tabs]]:
    with shaped_link(delay_ms=10) as link, ExitStack() as stack:
        with link.server.entered():
            session = stack.enter_context(viewer_session(*MOVING, "sh", "-c", COUNTER))
        yield link, session, stack.enter_context(tabs("firefox", link))


@pytest.fixture
def link(shaped: tuple[Link, ViewerSession, Tabs]) -> Iterator[Link]:
    link = shaped[0]
    yield link
    link.set(loss=0)


@pytest.fixture
def session(shaped: tuple[Link, ViewerSession, Tabs]) -> ViewerSession:
    return shaped[1]


@pytest.fixture
def page(shaped: tuple[Link, ViewerSession, Tabs]) -> Iterator[Tab]:
    with shaped[2].page(KEEP_PEERS) as page:
        yield page


def test_webrtc_carries_vp8(page: Tab, link: Link, session: ViewerSession) -> None:
    page.goto(address(session, transport="webrtc"))
    wait_for_transport(page, "webrtc")
    assert page.evaluate("window.streamspace.stats().codec") == "vp8"
    assert page.evaluate(RECEIVED_CODECS) == ["video/VP8"]


def test_a_changed_network_gets_a_new_connection(page: Tab, link: Link, session: ViewerSession) -> None:
    page.goto(address(session, transport="webrtc"))
    wait_for_transport(page, "webrtc")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for("window.peers.map(peer => peer.connectionState).join() === 'closed,connected'")
    wait_for_more(page)
    assert page.evaluate("window.streamspace.transport") == "webrtc"


def test_webrtc_is_back_from_another_address(page: Tab, link: Link, session: ViewerSession) -> None:
    page.goto(address(session))
    wait_for_transport(page, "webrtc")
    before = page.evaluate("window.peers.length")
    link.roam()  # neither `online` nor anything else is told to the page
    page.wait_for(f"window.peers.length > {before} && window.peers.at(-1).connectionState === 'connected'")
    wait_for_transport(page, "webrtc")
    wait_for_more(page)
    assert memory(page)["failures"] == 0


def test_lost_packets_do_not_end_webrtc(page: Tab, link: Link, session: ViewerSession) -> None:
    page.goto(address(session, transport="webrtc"))
    wait_for_transport(page, "webrtc")
    for loss in (0.01, 0.03, 0.05):
        link.set(loss=loss)
        dropped = link.counts()["dropped"]
        # A page's worth of pictures is few packets: go on until the link has lost one, and then some.
        eventually(lambda dropped=dropped: link.counts()["dropped"] > dropped, "a packet to be lost")
        wait_for_more(page, 60, PATIENCE)
    assert page.evaluate("window.streamspace.transport") == "webrtc"
