"""From one transport to another, and back after whatever a network does, on a link that can be shaped and cut.

The desktop shows something moving all the time, so that a picture that does not come is missed at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.bridge_server import BASE, OTHER_BASE
from tests.support.chromium import chromium
from tests.support.no_websockets import blocking_proxy
from tests.support.shaped_link import CHROMIUM_ARGUMENTS, Link, shaped_link, unavailable
from tests.support.viewer import stats, wait_for_transport
from tests.support.viewer_session import ViewerSession, viewer_session
from tests.support.waiting import STALL, eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.x11,
    pytest.mark.skipif(unavailable() != "", reason=unavailable()),
]

MOVING = ("xterm", "-fa", "DejaVu Sans Mono", "-bg", "#2050a0", "-fg", "white", "-e")
COUNTER = "while :; do printf '\\r%s' $(date +%N); sleep 0.03; done"
# Notes when frames come, and the longest time between two of them since `watch()`.
WATCH = """
addEventListener('DOMContentLoaded', () => setTimeout(() => {
  let last = 0;
  window.gap = 0;
  window.watch = () => { last = performance.now(); window.gap = 0; };
  window.longest = () => Math.max(window.gap, performance.now() - last);
  window.streamspace.on('frame', () => {
    const now = performance.now();
    if (last) window.gap = Math.max(window.gap, now - last);
    last = now;
  });
}));
"""


@pytest.fixture(scope="module")
def shaped() -> Iterator[tuple[Link, ViewerSession, Browser]]:
    with shaped_link(delay_ms=10) as link, ExitStack() as stack:
        with link.server.entered():
            session = stack.enter_context(viewer_session(*MOVING, "sh", "-c", COUNTER))
        with link.client.entered():
            browser = stack.enter_context(chromium(*CHROMIUM_ARGUMENTS))
        yield link, session, browser


@pytest.fixture
def link(shaped: tuple[Link, ViewerSession, Browser]) -> Iterator[Link]:
    link = shaped[0]
    yield link
    link.set(delay_ms=10, rate_bps=0, loss=0, up=True, block_udp=False, udp_loss=0)


@pytest.fixture
def session(shaped: tuple[Link, ViewerSession, Browser]) -> ViewerSession:
    return shaped[1]


@pytest.fixture
def context(shaped: tuple[Link, ViewerSession, Browser]) -> Iterator[BrowserContext]:
    context = shaped[2].new_context(viewport={"width": 900, "height": 600})
    context.add_init_script(WATCH)
    yield context
    context.close()


def open_page(context: BrowserContext, session: ViewerSession, **query: str) -> Page:
    page = context.new_page()
    page.goto(session.url(**query))
    return page


def memory(page: Page, base: str = BASE) -> Any:
    """What this browser remembers of WebRTC with the hub at `base`."""
    return page.evaluate(f"() => JSON.parse(localStorage.getItem('streamspace.webrtc {base}'))")


def gap(page: Page, during: float) -> float:
    """The longest time in milliseconds without a picture, within the next `during` seconds."""
    page.evaluate("() => window.watch()")
    page.wait_for_timeout(during * 1000)
    longest: float = page.evaluate("() => window.longest()")
    return longest


def test_climbing_to_webrtc_is_not_seen(context: BrowserContext, link: Link, session: ViewerSession) -> None:
    # What is on top, in each animation frame from the first picture on: its place, and colours of its background.
    context.add_init_script(
        """
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
    )
    page = open_page(context, session)
    wait_for_transport(page, "websocket")
    page.evaluate("() => window.watch()")
    wait_for_transport(page, "webrtc")
    page.wait_for_timeout(1500)
    longest: float = page.evaluate("() => window.longest()")
    seen: list[dict[str, Any]] = page.evaluate("() => window.seen")
    assert {one["by"] for one in seen} == {"websocket", "webrtc"}
    # The first frames may be from before the window is there, or has the size of the page.
    whole = [0, 0, 900, 600]
    start = next(index for index, one in enumerate(seen) if one["pixel"][2] > 120 and one["box"] == whole)
    for one in seen[start:]:
        assert one["count"] == 1
        assert one["box"] == whole, "no stretch"
        assert one["pixel"] == pytest.approx([0x20, 0x50, 0xA0, 255], abs=30), "no blank"
    assert longest < STALL * 1000, f"the picture stood still for {longest:.0f} ms"
    assert stats(page)["switches"] == 1


def test_without_udp_the_websocket_stays_and_is_remembered(
    context: BrowserContext, link: Link, session: ViewerSession
) -> None:
    link.set(block_udp=True)
    page = open_page(context, session)
    wait_for_transport(page, "websocket")
    eventually(lambda: (memory(page) or {}).get("failures") == 1, "WebRTC to be given up")
    assert gap(page, 1) < STALL * 1000, "the picture goes on"
    assert stats(page)["transport"] == "websocket"
    sent: list[str | bytes] = []

    def note(frame: str | bytes) -> None:
        sent.append(frame)

    page.on("websocket", lambda socket: socket.on("framesent", note))
    page.reload()
    wait_for_transport(page, "websocket")
    page.wait_for_timeout(3000)
    assert not [one for one in sent if isinstance(one, str) and "rtc_offer" in one], "not tried again at once"
    link.set(block_udp=False)
    page.evaluate("() => dispatchEvent(new Event('online'))")
    wait_for_transport(page, "webrtc")
    assert memory(page)["failures"] == 0


def test_each_hub_has_a_memory_of_its_own(context: BrowserContext, link: Link, session: ViewerSession) -> None:
    link.set(block_udp=True)
    page = open_page(context, session)
    eventually(lambda: memory(page), "WebRTC to be given up")
    link.set(block_udp=False)
    failed = memory(page)
    assert failed["failures"] == 1
    page.goto(session.url(base=OTHER_BASE))
    wait_for_transport(page, "webrtc")
    assert memory(page, OTHER_BASE)["failures"] == 0
    assert memory(page) == failed, "the other hub's way is not this one's"
    with link.server.entered(), blocking_proxy(session.port) as proxy:
        proxy.blocked = False
        page.goto(session.url().replace(f":{session.port}/", f":{proxy.port}/"))
        wait_for_transport(page, "webrtc")
        assert memory(page)["failures"] == 0
    page.goto(session.url())
    wait_for_transport(page, "websocket")
    assert memory(page) == failed


def test_udp_that_ends_is_left_for_the_websocket(context: BrowserContext, link: Link, session: ViewerSession) -> None:
    page = open_page(context, session)
    wait_for_transport(page, "webrtc")
    page.wait_for_timeout(1000)
    page.evaluate("() => window.watch()")
    link.set(block_udp=True)
    wait_for_transport(page, "websocket")
    page.wait_for_timeout(1000)
    assert page.evaluate("() => window.longest()") < STALL * 1000, "not the 30 s that ICE takes to notice"
    assert stats(page)["freezes"] >= 1


def test_udp_that_is_held_down_is_left_for_the_websocket(
    context: BrowserContext, link: Link, session: ViewerSession
) -> None:
    page = open_page(context, session)
    wait_for_transport(page, "webrtc")
    link.set(udp_loss=0.4)
    wait_for_transport(page, "websocket")
    assert memory(page)["failures"] == 1, "it is not tried again at once"


@pytest.mark.parametrize("forced", ["websocket", "webrtc", None])
def test_a_line_that_becomes_thin_keeps_its_picture(
    context: BrowserContext, link: Link, session: ViewerSession, forced: str | None
) -> None:
    page = open_page(context, session, **({} if forced is None else {"transport": forced}))
    wait_for_transport(page, forced or "webrtc")
    link.set(delay_ms=20, rate_bps=1_000_000)
    assert gap(page, 6) < STALL * 1000
    frames = stats(page)["frames"]
    page.wait_for_timeout(2000)
    assert stats(page)["frames"] - frames > 20


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
def test_picture_is_back_soon_after_the_network(
    context: BrowserContext, link: Link, session: ViewerSession, transport: str
) -> None:
    page = open_page(context, session, **({"transport": "websocket"} if transport == "websocket" else {}))
    wait_for_transport(page, transport)
    link.set(up=False)
    page.wait_for_function("() => document.querySelector('#streamspace').dataset.state === 'reconnecting'")
    page.wait_for_timeout(30_000)
    frames = stats(page)["frames"]
    link.set(up=True)
    page.wait_for_function(f"() => window.streamspace.stats().frames > {frames}", timeout=STALL * 1000)
    # It was the network, not WebRTC: that is not left alone for minutes.
    wait_for_transport(page, transport, 30)


def test_without_websockets_picture_and_input_go_by_requests(
    context: BrowserContext, link: Link, session: ViewerSession
) -> None:
    link.set(block_udp=True)
    with link.server.entered(), blocking_proxy(session.port) as proxy:
        page = context.new_page()
        page.goto(session.url().replace(f":{session.port}/", f":{proxy.port}/"))
        wait_for_transport(page, "http")
        page.get_by_text(f"WebSocket connections to 127.0.0.1:{proxy.port} are blocked").wait_for()
        assert gap(page, 2) < STALL * 1000, "it goes on"
        page.mouse.move(120, 80)
        page.mouse.move(123, 45)
        eventually(lambda: "x:123 y:45" in session.x("xdotool", "getmouselocation"), "the pointer to move")
        watching = context.new_page()
        watching.goto(session.url(view="1").replace(f":{session.port}/", f":{proxy.port}/"))
        wait_for_transport(watching, "http")
        assert watching.evaluate("window.streamspace.role") == "viewer"
        watching.close()
        link.set(up=False)
        page.wait_for_function("() => document.querySelector('#streamspace').dataset.state === 'reconnecting'")
        proxy.blocked = False
        link.set(up=True)
        wait_for_transport(page, "websocket")


def test_webrtc_needs_no_websocket(context: BrowserContext, link: Link, session: ViewerSession) -> None:
    with link.server.entered(), blocking_proxy(session.port) as proxy:
        page = context.new_page()
        page.goto(session.url().replace(f":{session.port}/", f":{proxy.port}/"))
        wait_for_transport(page, "webrtc")


def test_a_network_without_websockets_is_named_where_one_is_wanted(
    context: BrowserContext, link: Link, session: ViewerSession
) -> None:
    with link.server.entered(), blocking_proxy(session.port) as proxy:
        page = context.new_page()
        page.goto(session.url(transport="websocket").replace(f":{session.port}/", f":{proxy.port}/"))
        heading = page.get_by_role("heading", name="The network does not let the picture through.")
        heading.wait_for()
        page.get_by_text(f"WebSocket connections to 127.0.0.1:{proxy.port} are blocked").wait_for()
        page.get_by_text("Ask your administrator").wait_for()
        proxy.blocked = False
        page.wait_for_function("() => window.streamspace.connected")
        heading.wait_for(state="hidden")
