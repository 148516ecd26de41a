"""From one transport to another, and back after whatever a network does, on a link that can be shaped and cut.

In Chromium and in Debian's Firefox ESR, whose WebRTC has no H.264 (a plugin that it downloads): VP8 goes there, a
second encode beside the WebSocket's. The desktop shows something moving all the time, so that a picture that does not
come is missed at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.bridge_server import BASE, FORWARDED, OTHER_BASE
from tests.support.no_websockets import blocking_proxy
from tests.support.shaped_link import Link, shaped_link, unavailable
from tests.support.tabs import (
    BROWSERS,
    FRAMES,
    Tab,
    Tabs,
    address,
    memory,
    tabs,
    wait_for_more,
    wait_for_transport,
)
from tests.support.viewer import KEEP_PEERS
from tests.support.viewer_session import ViewerSession, viewer_session
from tests.support.waiting import STALL, eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.x11,
    pytest.mark.skipif(unavailable() != "", reason=unavailable()),
]

MOVING = ("xterm", "-fa", "DejaVu Sans Mono", "-bg", "#2050a0", "-fg", "white", "-e")
COUNTER = "while :; do printf '\\r%s' $(date +%N); sleep 0.03; done"
# Notes when frames come, the longest time between two of them since `watch()`, and which transports showed them.
WATCH = """
addEventListener('DOMContentLoaded', () => setTimeout(() => {
  let last = 0;
  window.gap = 0;
  window.watch = () => { last = performance.now(); window.gap = 0; };
  window.longest = () => Math.max(window.gap, performance.now() - last);
  window.transports = [];
  window.streamspace.on('frame', ({ transport }) => {
    const now = performance.now();
    if (last) window.gap = Math.max(window.gap, now - last);
    last = now;
    if (window.transports.at(-1) !== transport) window.transports.push(transport);
  });
}));
"""
# What is on top, in each animation frame from the first picture on: its place, and colours of its background.
LOOK = """
window.seen = [];
const small = new OffscreenCanvas(8, 8).getContext('2d', { willReadFrequently: true });
requestAnimationFrame(function look() {
  requestAnimationFrame(look);
  const shown = document.querySelectorAll('.ss-shown');
  if (shown.length === 0) return;
  const { left, top, width, height } = shown[0].getBoundingClientRect();
  small.clearRect(0, 0, 8, 8);
  small.drawImage(shown[0], 0, 0, 8, 8);
  const pixel = [...small.getImageData(4, 6, 1, 1).data];
  const box = [left, top, width, height].map(Math.round);
  window.seen.push({ at: performance.now(), by: shown[0].dataset.transport, count: shown.length, box, pixel });
});
"""
ONLINE = "dispatchEvent(new Event('online'))"
# As if WebRTC had failed often: a slow machine must not come to the time at which it is tried again.
REMEMBER = f"localStorage.setItem('streamspace.webrtc {BASE}', JSON.stringify({{failures: 4, at: Date.now()}}))"


@pytest.fixture(scope="module")
def shaped() -> Iterator[tuple[Link, ViewerSession]]:
    with shaped_link(delay_ms=10) as link, ExitStack() as stack:
        with link.server.entered():
            session = stack.enter_context(viewer_session(*MOVING, "sh", "-c", COUNTER))
        yield link, session


@pytest.fixture(scope="module", params=BROWSERS)
def browser(request: pytest.FixtureRequest, shaped: tuple[Link, ViewerSession]) -> Iterator[Tabs]:
    with tabs(request.param, shaped[0]) as browser:
        yield browser


@pytest.fixture
def link(shaped: tuple[Link, ViewerSession]) -> Iterator[Link]:
    link = shaped[0]
    yield link
    link.set(delay_ms=10, rate_bps=0, loss=0, up=True, block_udp=False, udp_loss=0)


@pytest.fixture
def session(shaped: tuple[Link, ViewerSession]) -> ViewerSession:
    return shaped[1]


@pytest.fixture
def page(browser: Tabs) -> Iterator[Tab]:
    with browser.page(WATCH, KEEP_PEERS, LOOK) as page:
        yield page


def test_climbing_to_webrtc_is_not_seen(page: Tab, link: Link, session: ViewerSession) -> None:
    page.goto(address(session))
    wait_for_transport(page, "websocket")
    page.evaluate("window.watch()")
    wait_for_transport(page, "webrtc")
    wait_for_more(page, 40)
    longest: float = page.evaluate("window.longest()")
    seen: list[dict[str, Any]] = page.evaluate("window.seen")
    assert {one["by"] for one in seen} == {"websocket", "webrtc"}
    # The first frames may be from before the window is there, or has the size of the page.
    whole = page.evaluate("[0, 0, innerWidth, innerHeight]")
    start = next(index for index, one in enumerate(seen) if one["pixel"][2] > 120 and one["box"] == whole)
    for one in seen[start:]:
        assert one["count"] == 1
        assert one["box"] == whole, "no stretch"
        assert one["pixel"] == pytest.approx([0x20, 0x50, 0xA0, 255], abs=30), "no blank"
    assert longest < STALL * 1000, f"the picture stood still for {longest:.0f} ms"
    assert page.evaluate("window.streamspace.stats().switches") == 1


def test_without_udp_the_websocket_stays_and_is_remembered(page: Tab, link: Link, session: ViewerSession) -> None:
    link.set(block_udp=True)
    page.goto(address(session))
    wait_for_transport(page, "websocket")
    eventually(lambda: (memory(page) or {}).get("failures") == 1, "WebRTC to be given up")
    wait_for_more(page)
    assert page.evaluate("window.streamspace.transport") == "websocket"
    # At once: Firefox closes the WebSocket before the page is left, which must not look like an outage.
    page.reload()
    wait_for_transport(page, "websocket")
    wait_for_more(page, 50)
    assert page.evaluate("window.peers.length") == 0, "not tried again at once"
    link.set(block_udp=False)
    page.evaluate(ONLINE)
    wait_for_transport(page, "webrtc")
    assert memory(page)["failures"] == 0


def test_each_hub_has_a_memory_of_its_own(page: Tab, link: Link, session: ViewerSession) -> None:
    link.set(block_udp=True)
    page.goto(address(session))
    eventually(lambda: memory(page), "WebRTC to be given up")
    link.set(block_udp=False)
    assert memory(page)["failures"] == 1
    page.evaluate(REMEMBER)
    failed = memory(page)
    page.goto(address(session, base=OTHER_BASE))
    wait_for_transport(page, "webrtc")
    assert memory(page, OTHER_BASE)["failures"] == 0
    assert memory(page) == failed, "the other hub's way is not this one's"
    with link.server.entered(), blocking_proxy(session.port) as proxy:
        proxy.blocked = False
        page.goto(address(session, proxy.port))
        wait_for_transport(page, "webrtc")
        assert memory(page)["failures"] == 0
    page.goto(address(session))
    wait_for_transport(page, "websocket")
    assert memory(page) == failed


def test_udp_that_ends_is_left_for_the_websocket_until_it_is_back(
    page: Tab, link: Link, session: ViewerSession
) -> None:
    page.goto(address(session))
    wait_for_transport(page, "webrtc")
    wait_for_more(page, 20)
    page.evaluate("window.watch()")
    link.set(block_udp=True)
    wait_for_transport(page, "websocket")
    wait_for_more(page)
    assert page.evaluate("window.longest()") < STALL * 1000, "not the 30 s that ICE takes to notice"
    assert page.evaluate("window.streamspace.stats().freezes") >= 1
    link.set(block_udp=False)
    page.evaluate(ONLINE)
    wait_for_transport(page, "webrtc")
    wait_for_more(page)


def test_udp_that_is_held_down_is_left_for_the_websocket(page: Tab, link: Link, session: ViewerSession) -> None:
    page.goto(address(session))
    wait_for_transport(page, "webrtc")
    link.set(udp_loss=0.4)
    wait_for_transport(page, "websocket")
    assert memory(page)["failures"] == 1, "it is not tried again at once"


@pytest.mark.parametrize("forced", ["websocket", "webrtc", None])
def test_a_line_that_becomes_thin_keeps_its_picture(
    page: Tab, link: Link, session: ViewerSession, forced: str | None
) -> None:
    page.goto(address(session, **({} if forced is None else {"transport": forced})))
    wait_for_transport(page, forced or "webrtc")
    link.set(delay_ms=20, rate_bps=1_000_000)
    for _ in range(8):
        wait_for_more(page, 20)


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
def test_picture_is_back_soon_after_the_network(page: Tab, link: Link, session: ViewerSession, transport: str) -> None:
    page.goto(address(session, **({"transport": "websocket"} if transport == "websocket" else {})))
    wait_for_transport(page, transport)
    link.set(up=False)
    page.wait_for("document.querySelector('#streamspace').dataset.state === 'reconnecting'")
    time.sleep(30)
    frames = page.evaluate(FRAMES)
    link.set(up=True)
    page.wait_for(f"{FRAMES} > {frames}", STALL)
    # It was the network, not WebRTC: that is not left alone for minutes.
    wait_for_transport(page, transport, 30)


def test_without_websockets_picture_and_input_go_by_requests(
    browser: Tabs, page: Tab, link: Link, session: ViewerSession
) -> None:
    link.set(block_udp=True)
    with link.server.entered(), blocking_proxy(session.port) as proxy:
        page.goto(address(session, proxy.port))
        wait_for_transport(page, "http")
        page.wait_for(says(f"WebSocket connections to {FORWARDED}:{proxy.port} are blocked"))
        wait_for_more(page, 50)
        page.move(120, 80)
        page.move(123, 45)
        eventually(lambda: "x:123 y:45" in session.x("xdotool", "getmouselocation"), "the pointer to move")
        with browser.page() as watching:
            watching.goto(address(session, proxy.port, view="1"))
            wait_for_transport(watching, "http")
            assert watching.evaluate("window.streamspace.role") == "viewer"
        link.set(up=False)
        page.wait_for("document.querySelector('#streamspace').dataset.state === 'reconnecting'")
        proxy.blocked = False
        link.set(up=True)
        wait_for_transport(page, "websocket")


def test_webrtc_needs_no_websocket(page: Tab, link: Link, session: ViewerSession) -> None:
    with link.server.entered(), blocking_proxy(session.port) as proxy:
        page.goto(address(session, proxy.port))
        wait_for_transport(page, "webrtc")
        link.set(block_udp=True)
        wait_for_transport(page, "http")
        wait_for_more(page)
        link.set(block_udp=False)
        page.evaluate(ONLINE)
        wait_for_transport(page, "webrtc")
        wait_for_more(page)
        assert page.evaluate("window.transports") == ["http", "webrtc", "http", "webrtc"]


def test_a_network_without_websockets_is_named_where_one_is_wanted(
    page: Tab, link: Link, session: ViewerSession
) -> None:
    heading = says("The network does not let the picture through.")
    with link.server.entered(), blocking_proxy(session.port) as proxy:
        page.goto(address(session, proxy.port, transport="websocket"))
        page.wait_for(heading)
        page.wait_for(says(f"WebSocket connections to {FORWARDED}:{proxy.port} are blocked"))
        page.wait_for(says("ask your administrator"))
        proxy.blocked = False
        page.wait_for("window.streamspace.connected")
        page.wait_for(f"!{heading}")


def says(sentence: str) -> str:
    """An expression: whether `sentence` is to be read on the page."""
    return f"document.body.innerText.includes({sentence!r})"
