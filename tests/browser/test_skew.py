"""Sound and picture of a test pattern belong together in the page, and sound returns with the picture."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.skew import PATTERN, open_page, skews
from tests.support.viewer import wait_for_transport
from tests.support.viewer_session import ViewerSession, viewer_session
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.x11]
PERIOD = 4.0
"""Seconds from flash to flash: so far apart that a tone is nearest to its own flash on a busy machine too."""
TOGETHER_MS = PERIOD * 1000 / 4
"""Tells a tone that belongs to its flash from one that does not; how far apart they are, the bench says."""


@pytest.fixture(scope="module")
def pattern() -> Iterator[ViewerSession]:
    with viewer_session(*PATTERN, str(PERIOD), title="Pattern") as session:
        yield session


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    yield context
    context.close()


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
def test_a_flash_and_a_tone_at_the_same_moment_are_seen_and_heard_together(
    context: BrowserContext, pattern: ViewerSession, transport: str
) -> None:
    page = context.new_page()
    open_page(page, pattern, transport)
    found = skews(page, 5, PERIOD)
    assert len(found) == 5, "each flash has its tone"
    assert abs(statistics.median(found)) < TOGETHER_MS, f"sound after picture: {found} ms"


def beeps(page: Page) -> int:
    return int(page.evaluate("() => window.skew.beeps.length"))


def streamer(session: ViewerSession) -> psutil.Process:
    """The session's streamer, of several processes named like it the one that serves."""
    for pid in session.running.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if "streamspace_proxy.streamer" in process.cmdline():
                return process
    raise AssertionError("there is no streamer")


@pytest.mark.parametrize("transport", ["websocket", "webrtc", "rfb"])
def test_sound_returns_with_the_picture_when_the_streamer_is_started_again(
    context: BrowserContext, pattern: ViewerSession, transport: str
) -> None:
    page = context.new_page()
    open_page(page, pattern, transport)
    eventually(lambda: beeps(page) >= 2, "the tone to be heard")
    streamer(pattern).kill()
    page.wait_for_function("() => !window.streamspace.connected")
    wait_for_transport(page, transport)
    before = beeps(page)
    eventually(lambda: beeps(page) >= before + 2, "the tone to be heard again")
