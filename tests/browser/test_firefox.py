"""The viewer page in Debian's Firefox ESR: what works in Chromium works there, by the codecs that it has."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.browser.test_viewer_page import XTERM
from tests.support.firefox import Firefox, FirefoxPage, firefox
from tests.support.sound import SoundServer
from tests.support.tabs import wait_for_transport
from tests.support.viewer import colours
from tests.support.viewer_session import ViewerSession, viewer_session
from tests.support.waiting import eventually, steady

pytestmark = [pytest.mark.browser, pytest.mark.x11]

WITHOUT_H264 = (
    "const real = VideoDecoder.isConfigSupported.bind(VideoDecoder);"
    "VideoDecoder.isConfigSupported = c => real(c).then(r => ({ ...r, supported: r.supported && c.codec === 'vp8' }));"
)
WITHOUT_WEBCODECS = "delete window.VideoDecoder;"
# Every track that the page gets from a microphone is one of `window.tracks`.
KEEP_TRACKS = """
window.tracks = [];
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async wishes => {
  const stream = await real(wishes);
  window.tracks.push(...stream.getTracks());
  return stream;
};
"""
MICROPHONE = "document.querySelector('.ss-toolbar button[aria-label*=icrophone]')"
PLAYED = r"""fetch('api/v1/metrics').then(answer => answer.text()).then(text =>
  Number(/^streamspace_session_microphone_packets_total{result="played"} (.*)$/m.exec(text)[1]))"""


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
        page.evaluate("window.peers.at(-1).getReceivers().forEach(r => r.track.stop())")
        for _ in range(20):
            page.type("x")
            if page.evaluate("window.streamspace.transport") == "websocket":
                break
            time.sleep(0.2)
        wait_for_transport(page, "websocket")
        page.type("\n")
        check_typing(page, terminal, "firefox-fallback")


@pytest.fixture(scope="module")
def speaking() -> Iterator[ViewerSession]:
    with viewer_session(*XTERM, env={"STREAMSPACE_POLICY": json.dumps({"microphone": True})}) as session:
        yield session


@contextmanager
def with_microphone(sound: Path) -> Iterator[FirefoxPage]:
    """A page of a browser with a microphone that hums, and a user who allows it; it plays to the server at `sound`."""
    fake = {"media__navigator__streams__fake": True, "media__navigator__permission__disabled": True}
    with firefox(sound=sound, **fake) as browser, browser.page(KEEP_TRACKS) as page:
        yield page


def turn_microphone(page: FirefoxPage, expected: str) -> None:
    """Click the button, and wait until its label begins with `expected`."""
    page.evaluate(f"void {MICROPHONE}.click()")
    page.wait_for(f"{MICROPHONE}.ariaLabel.startsWith('{expected}')")


def test_microphone_is_sent_while_it_is_on(speaking: ViewerSession, tmp_path: Path) -> None:
    with SoundServer(tmp_path) as sound, with_microphone(sound.socket) as page:
        page.goto(speaking.url())
        wait_for_transport(page, "webrtc")
        assert page.evaluate(PLAYED) == 0
        turn_microphone(page, "Microphone is on")
        page.wait_for(f"({PLAYED}).then(played => played > 50)")
        turn_microphone(page, "Microphone is off")
        steady(lambda: page.evaluate(PLAYED), "what is heard of it")


def test_a_microphone_that_brings_nothing_is_not_called_on(speaking: ViewerSession, tmp_path: Path) -> None:
    """Firefox's sound does not run on a computer with nothing to play it on."""
    with with_microphone(tmp_path / "no sound server") as page:
        page.goto(speaking.url())
        wait_for_transport(page, "webrtc")
        turn_microphone(page, "The browser refused the microphone")
        assert page.evaluate("window.tracks.map(track => track.readyState)") == ["ended"]


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
