"""The viewer page in Debian's Firefox ESR: what works in Chromium works there, by the codecs that it has."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest

from tests.browser.test_viewer_page import XTERM
from tests.support.firefox import Firefox, FirefoxPage, firefox
from tests.support.tabs import wait_for_transport
from tests.support.viewer import colours
from tests.support.viewer_session import ViewerSession, viewer_session
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.x11]

WITHOUT_H264 = (
    "const real = VideoDecoder.isConfigSupported.bind(VideoDecoder);"
    "VideoDecoder.isConfigSupported = c => real(c).then(r => ({ ...r, supported: r.supported && c.codec === 'vp8' }));"
)
WITHOUT_WEBCODECS = "delete window.VideoDecoder;"


@pytest.fixture(scope="module")
def browser() -> Iterator[Firefox]:
    with firefox() as browser:
        yield browser


@pytest.fixture(scope="module")
def terminal() -> Iterator[ViewerSession]:
    with viewer_session(*XTERM) as session:
        yield session


def focus(page: FirefoxPage, session: ViewerSession) -> None:
    """Click into the app until it has the keyboard."""

    def focused() -> bool:
        page.click(300, 300)
        time.sleep(0.2)
        return "# 0x0" not in session.x("xprop", "-root", "_NET_ACTIVE_WINDOW")

    eventually(focused, "the app to have the keyboard")


def check_typing(page: FirefoxPage, session: ViewerSession, name: str) -> None:
    """Type a command: it is seen, and it runs."""
    focus(page, session)
    eventually(lambda: colours(page.picture()) > 3, "a picture")
    before = page.picture().tobytes()
    page.type(f"touch {name}")
    eventually(lambda: page.picture().tobytes() != before, "the typed text to be seen")
    page.type("\n")
    eventually((session.running.home / name).exists, "the command to run")


@pytest.mark.parametrize("transport", ["websocket", "webrtc", "rfb", "http"])
def test_picture_and_typing_on_each_transport(browser: Firefox, terminal: ViewerSession, transport: str) -> None:
    with browser.page() as page:
        page.goto(terminal.url(transport=transport))
        wait_for_transport(page, transport)
        check_typing(page, terminal, f"firefox-{transport}")


@pytest.mark.parametrize(
    ("script", "codec"), [("", "avc1"), (WITHOUT_H264, "vp8"), (WITHOUT_WEBCODECS, "jpeg")], ids=["h264", "vp8", "jpeg"]
)
def test_the_websocket_uses_the_best_codec_there_is(
    browser: Firefox, terminal: ViewerSession, script: str, codec: str
) -> None:
    with browser.page(script) as page:
        page.goto(terminal.url(transport="websocket"))
        wait_for_transport(page, "websocket")
        assert page.evaluate("window.streamspace.stats().codec").startswith(codec)
        check_typing(page, terminal, f"firefox-codec-{codec}")


def test_climbs_to_webrtc_and_falls_back(browser: Firefox, terminal: ViewerSession) -> None:
    script = (
        "const Real = RTCPeerConnection; window.peers = [];"
        "window.RTCPeerConnection = class extends Real { constructor(c) { super(c); window.peers.push(this); } };"
    )
    with browser.page(script) as page:
        page.goto(terminal.url())
        wait_for_transport(page, "webrtc")
        focus(page, terminal)
        page.evaluate("window.peers[0].getReceivers().forEach(r => r.track.stop())")
        for _ in range(20):
            page.type("x")
            if page.evaluate("window.streamspace.transport") == "websocket":
                break
            time.sleep(0.2)
        wait_for_transport(page, "websocket")
        page.type("\n")
        check_typing(page, terminal, "firefox-fallback")


def test_killed_streamer_is_survived(browser: Firefox) -> None:
    with viewer_session(*XTERM) as session, browser.page() as page:
        page.goto(session.url())
        wait_for_transport(page, "webrtc")
        streamer = next(p for p in session.running.processes() if "streamspace_proxy.streamer" in _command(p))
        frames = page.evaluate("window.streamspace.stats().frames")
        psutil.Process(streamer).kill()
        page.wait_for("!window.streamspace.connected")
        page.wait_for(f"window.streamspace.connected && window.streamspace.stats().frames > {frames}")
        wait_for_transport(page, "webrtc")
        check_typing(page, session, "firefox-survived")


def _command(pid: int) -> str:
    return " ".join(psutil.Process(pid).cmdline())
