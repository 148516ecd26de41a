"""Each transport by itself shows a picture and takes input; the automatic choice starts at once and climbs."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.test_way_of_a_click import home, type_line
from tests.support.demo import Demo
from tests.support.lab import sign_in
from tests.support.viewer import colours, picture, wait_for_transport
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser


def viewer(context: BrowserContext, demo: Demo, server: str, query: str = "") -> Page:
    """The viewer page by itself in a browser tab."""
    page = context.new_page()
    sign_in(page, demo)
    page.goto(f"{demo.url}/user/demo/{server}/streamspace/{query}")
    return page


@pytest.mark.parametrize("transport", ["websocket", "webrtc", "rfb", "http"])
def test_transport_shows_a_picture_and_takes_input(
    context: BrowserContext, demo: Demo, terminal: str, transport: str
) -> None:
    page = viewer(context, demo, terminal, f"?transport={transport}")
    wait_for_transport(page, transport)
    eventually(lambda: colours(picture(page, page)) > 3, "a picture")
    page.locator("#streamspace").click()
    before = picture(page, page)
    page.keyboard.type(f"touch by-{transport}", delay=20)
    eventually(lambda: picture(page, page).tobytes() != before.tobytes(), "the typed text to be seen")
    page.keyboard.press("Enter")
    eventually((home(demo) / f"by-{transport}").exists, "the command to run")


def test_automatic_choice_climbs_to_webrtc(context: BrowserContext, demo: Demo, terminal: str) -> None:
    page = viewer(context, demo, terminal)
    page.wait_for_function("() => window.streamspace?.stats().frames > 0")
    wait_for_transport(page, "webrtc")


def test_without_h264_the_viewer_says_what_it_uses_instead(context: BrowserContext, demo: Demo, terminal: str) -> None:
    context.add_init_script(
        "delete window.VideoDecoder; delete window.createImageBitmap; delete window.RTCPeerConnection;"
    )
    page = viewer(context, demo, terminal)
    wait_for_transport(page, "rfb")
    page.locator("#streamspace").click()
    type_line(page, "touch by-fallback")
    eventually((home(demo) / "by-fallback").exists, "the command to run")


def test_a_forced_transport_that_cannot_work_says_so(context: BrowserContext, demo: Demo, terminal: str) -> None:
    context.add_init_script("delete window.VideoDecoder; delete window.createImageBitmap;")
    page = viewer(context, demo, terminal, "?transport=websocket")
    page.get_by_text("H.264").first.wait_for()
