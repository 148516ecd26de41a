"""A network that goes away and comes back: the sound returns with the picture, and changes its transport with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page

from tests.support.chromium import chromium
from tests.support.shaped_link import CHROMIUM_ARGUMENTS, Link, shaped_link, unavailable
from tests.support.skew import PATTERN, WATCH
from tests.support.viewer import wait_for_transport
from tests.support.viewer_session import ViewerSession, viewer_session
from tests.support.waiting import PATIENCE, eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.x11,
    pytest.mark.skipif(unavailable() != "", reason=unavailable()),
]
AWAY_SECONDS = 3.0
"""Beside what the page takes to notice."""
RECONNECTING = "() => document.querySelector('#streamspace').dataset.state === 'reconnecting'"
ONLINE = "() => dispatchEvent(new Event('online'))"
COUNTS = "() => [window.skew.flashes.length, window.skew.beeps.length]"


@pytest.fixture(scope="module")
def line() -> Iterator[tuple[Link, ViewerSession, Browser]]:
    with shaped_link(delay_ms=10) as link, ExitStack() as stack:
        with link.server.entered():
            session = stack.enter_context(viewer_session(*PATTERN, title="Pattern"))
        with link.client.entered():
            browser = stack.enter_context(chromium(*CHROMIUM_ARGUMENTS))
        yield link, session, browser


@pytest.fixture
def link(line: tuple[Link, ViewerSession, Browser]) -> Iterator[Link]:
    yield line[0]
    line[0].set(up=True, block_udp=False)


@pytest.fixture
def page(line: tuple[Link, ViewerSession, Browser], link: Link) -> Iterator[Page]:
    _, _, browser = line
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    context.add_init_script(path=WATCH)
    yield context.new_page()
    context.close()


def listen(page: Page, session: ViewerSession, transport: str) -> None:
    """Open the page as its user does; only the WebSocket has to be asked for, since WebRTC is climbed to."""
    page.goto(session.url(transport="websocket") if transport == "websocket" else session.url())
    wait_for_transport(page, transport)
    page.locator(".ss-surface").click(position={"x": 60, "y": 300})
    wait_for_pattern(page)


def wait_for_pattern(page: Page) -> None:
    """Until the pattern has been seen, and has been heard, twice more."""
    flashes, beeps = page.evaluate(COUNTS)

    def came() -> bool:
        seen, heard = page.evaluate(COUNTS)
        return bool(seen >= flashes + 2 and heard >= beeps + 2)

    eventually(came, "the pattern to be seen and heard", log=lambda: str(page.evaluate(COUNTS)))


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
def test_sound_returns_with_the_picture_after_an_outage(
    page: Page, link: Link, line: tuple[Link, ViewerSession, Browser], transport: str
) -> None:
    listen(page, line[1], transport)
    link.set(up=False)
    page.wait_for_function(RECONNECTING, timeout=PATIENCE * 1000)
    time.sleep(AWAY_SECONDS)
    link.set(up=True)
    wait_for_transport(page, transport)
    wait_for_pattern(page)


def test_sound_changes_its_transport_with_the_picture(
    page: Page, link: Link, line: tuple[Link, ViewerSession, Browser]
) -> None:
    listen(page, line[1], "webrtc")
    link.set(block_udp=True)
    wait_for_transport(page, "websocket")
    wait_for_pattern(page)
    link.set(block_udp=False)
    page.evaluate(ONLINE)
    wait_for_transport(page, "webrtc")
    wait_for_pattern(page)
