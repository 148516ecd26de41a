"""WebRTC when the network changes, and when its way is lost: a new connection behind the picture, or the ladder."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import Page

from tests.browser.test_loss import BUSY
from tests.support.chromium import chromium
from tests.support.shaped_link import CHROMIUM_ARGUMENTS, Link, shaped_link, unavailable
from tests.support.viewer import KEEP_PEERS, stats, wait_for_transport
from tests.support.viewer_session import viewer_session
from tests.support.waiting import STALL, eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.x11,
    pytest.mark.skipif(bool(unavailable()), reason=unavailable()),
]
NOTE_FRAMES = """() => {
  window.times = []; window.transports = [];
  window.streamspace.on('frame', () => window.times.push(performance.now()));
  window.streamspace.on('transport', name => window.transports.push(name));
}"""
STATES = "() => window.peers.map(peer => peer.connectionState)"


Opener = Callable[..., Page]


@pytest.fixture(scope="module")
def link() -> Iterator[Link]:
    with shaped_link(delay_ms=10) as running:
        yield running


CONSENT = 30.0
"""Seconds until WebRTC itself gives a way up (RFC 7675, 5.1)."""


@contextmanager
def page_on(link: Link, *command: str, **query: str) -> Iterator[Page]:
    with ExitStack() as stack:
        stack.callback(link.set, block_udp=False)
        with link.server.entered():
            session = stack.enter_context(viewer_session(*command))
        with link.client.entered():
            browser = stack.enter_context(chromium(*CHROMIUM_ARGUMENTS))
        page = browser.new_page()
        page.add_init_script(KEEP_PEERS)
        page.goto(session.url(**query))
        wait_for_transport(page, "webrtc")
        time.sleep(1)
        page.evaluate(NOTE_FRAMES)
        yield page


def test_a_changed_network_gets_a_new_connection_without_a_gap(link: Link) -> None:
    with page_on(link, *BUSY, transport="webrtc") as page:
        time.sleep(1)
        page.evaluate("dispatchEvent(new Event('online'))")
        eventually(lambda: page.evaluate(STATES) == ["closed", "connected"], "the change of connections")
        time.sleep(2)
        times = page.evaluate("window.times")
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert max(gaps) < STALL * 1000, f"longest gap {max(gaps):.0f} ms"
        assert page.evaluate("performance.now()") - times[-1] < STALL * 1000
        assert page.evaluate("window.transports") == [], "the ladder had nothing to do with it"
        assert stats(page)["frames"] > 10


@pytest.mark.parametrize("command", [BUSY, ("xterm", "-e", "sleep", "1000")], ids=["motion", "still"])
def test_a_lost_way_is_noticed_long_before_consent_runs_out(link: Link, command: tuple[str, ...]) -> None:
    with page_on(link, *command) as page:
        link.set(block_udp=True)
        lost = time.monotonic()
        eventually(lambda: page.evaluate("window.streamspace.transport") == "websocket", "the WebSocket")
        assert time.monotonic() - lost < CONSENT / 2


def test_webrtc_is_back_from_another_address(link: Link) -> None:
    with page_on(link, *BUSY) as page:
        link.roam()  # neither `online` nor anything else is told to the page
        left = page.evaluate("performance.now()")
        back = f"window.peers.at(-1).connectionState === 'connected' && window.times.at(-1) > {left} + 5000"
        eventually(
            lambda: page.evaluate(f"window.streamspace.transport === 'webrtc' && {back}"), "WebRTC from there", 40
        )
        assert failures(page) == 0


def test_a_way_that_breaks_after_a_good_while_is_tried_again_at_once(link: Link) -> None:
    with page_on(link, *BUSY) as page:
        page.evaluate("() => { const real = Date.now; Date.now = () => real() + 60_000; }")
        link.set(block_udp=True)
        eventually(lambda: page.evaluate("window.streamspace.transport") == "websocket", "the WebSocket")
        link.set(block_udp=False)
        eventually(lambda: page.evaluate("window.streamspace.transport") == "webrtc", "WebRTC again")
        assert failures(page) == 0


def failures(page: Page) -> int:
    """How often in a row WebRTC has failed, as the browser remembers."""
    remembered: int = page.evaluate("JSON.parse(localStorage.getItem('streamspace.webrtc /base/')).failures")
    return remembered
