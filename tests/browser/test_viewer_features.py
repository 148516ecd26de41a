"""What a user can choose and see on the viewer page: codecs, quality, figures, microphone; and a page out of sight."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.test_viewer_page import open_page, wait_for_picture
from tests.support.chromium import chromium
from tests.support.viewer import colours, picture, stats, wait_for_transport
from tests.support.viewer_session import ViewerSession, viewer_session
from tests.support.waiting import STALL, eventually

pytestmark = [pytest.mark.browser, pytest.mark.x11]

# A shell, above it a counter that moves all the time.
MOVING = ("xterm", "-fa", "DejaVu Sans Mono", "-fs", "12", "-e", "sh", "-c")
COUNTER = "while :; do printf '\\r%s' $(date +%N); sleep 0.03; done"
WITHOUT_H264 = (
    "const real = VideoDecoder.isConfigSupported.bind(VideoDecoder);"
    "VideoDecoder.isConfigSupported = c => real(c).then(r => ({ ...r, supported: r.supported && c.codec === 'vp8' }));"
)
# What a tab in the background looks like to the page; headless browsers show all of theirs.
HIDE = """hidden => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event('visibilitychange'));
}"""
SERVER_STATS = "() => fetch('api/v1/stats').then(answer => answer.json())"


@pytest.fixture(scope="module")
def moving() -> Iterator[ViewerSession]:
    policy = json.dumps({"microphone": True})
    with viewer_session(*MOVING, COUNTER, env={"STREAMSPACE_POLICY": policy}) as session:
        yield session


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # A microphone that beeps, and a user who allows it.
    with chromium("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    yield context
    context.close()


@pytest.mark.parametrize(
    ("script", "codec"), [(WITHOUT_H264, "vp8"), ("delete window.VideoDecoder;", "jpeg")], ids=["vp8", "jpeg"]
)
def test_without_h264_another_codec_is_used(
    context: BrowserContext, moving: ViewerSession, script: str, codec: str
) -> None:
    context.add_init_script(script)
    page = open_page(context, moving, transport="websocket")
    wait_for_transport(page, "websocket")
    assert stats(page)["codec"] == codec
    eventually(lambda: colours(picture(page, page)) > 3, "a picture")
    frames = stats(page)["frames"]
    eventually(lambda: stats(page)["frames"] > frames + 20, "pictures that move")


def test_decoding_is_a_workers(context: BrowserContext, moving: ViewerSession) -> None:
    page = open_page(context, moving, transport="websocket")
    wait_for_transport(page, "websocket")
    assert any("decode_worker" in worker.url for worker in page.workers), "else a busy page delays its pictures"
    assert page.locator(".ss-shown").evaluate("shown => shown.tagName") == "VIDEO"


@pytest.mark.parametrize("transport", ["websocket", "webrtc", "rfb", "http"])
def test_a_page_out_of_sight_costs_nothing_and_is_back_when_it_is_seen(
    context: BrowserContext, moving: ViewerSession, transport: str
) -> None:
    page = open_page(context, moving, transport=transport)
    wait_for_transport(page, transport)
    page.evaluate(HIDE, True)

    def quiet() -> bool:
        before = stats(page)
        page.wait_for_timeout(2000)
        after = stats(page)
        # WebRTC's own reports (RTCP) are not media: nothing else comes.
        return bool(after["frames"] == before["frames"] and after["bytes"] - before["bytes"] < 500)

    eventually(lambda: not page.evaluate(SERVER_STATS)["capturing"], "the streamer to look at nothing")
    eventually(quiet, "the pictures to stop")
    assert not page.evaluate(SERVER_STATS)["capturing"]
    assert colours(picture(page, page)) > 3, "the last picture stays"
    shown = stats(page)["frames"]
    page.evaluate(HIDE, False)
    page.wait_for_function(f"() => window.streamspace.stats().frames > {shown}", timeout=STALL * 1000)


def choose(page: Page, name: str) -> None:
    page.mouse.move(500, 1)
    page.get_by_role("button", name="Quality of the picture").click()
    page.get_by_role("menuitemradio", name=name).click()


def test_quality_is_chosen_for_the_session_and_remembered(context: BrowserContext, moving: ViewerSession) -> None:
    page, watcher = open_page(context, moving), open_page(context, moving, view="1")
    wait_for_picture(page)
    wait_for_picture(watcher)
    choose(page, "Low data")
    chosen = "() => document.querySelector('.ss-menu [aria-checked=true]')?.textContent"
    page.wait_for_function(chosen + ".startsWith('Low data')")
    watcher.mouse.move(500, 1)
    watcher.get_by_text("View only").wait_for()
    assert watcher.get_by_role("button", name="Quality of the picture").count() == 0, "not for who only watches"
    # Another session begins with its own, and is asked for what this browser remembers (for each address apart).
    with viewer_session(*MOVING, COUNTER) as other:
        second = open_page(context, other)
        second.evaluate("() => localStorage.setItem('streamspace.quality /base/', 'low_data')")
        second.reload()
        second.wait_for_function(chosen + "?.startsWith('Low data')")
    choose(page, "Smooth motion")


def test_figures_of_real_frames_are_shown_and_reported(context: BrowserContext, moving: ViewerSession) -> None:
    reports: list[dict[str, Any]] = []

    def sent(frame: str | bytes) -> None:
        if isinstance(frame, str) and (message := json.loads(frame))["type"] == "report":
            reports.append(message)

    page = context.new_page()
    page.on("websocket", lambda socket: socket.on("framesent", sent))
    page.goto(moving.url(transport="websocket"))
    wait_for_transport(page, "websocket")
    wait_for_picture(page)
    eventually(lambda: (stats(page)["captureLatency"] or {"n": 0})["n"] > 50, "latencies of real frames")
    now = stats(page)
    assert 0 < now["captureLatency"]["p50"] <= now["captureLatency"]["p95"]
    assert now["codec"].startswith("avc1")
    assert now["bitrate"] > 0
    assert now["picture"] == now["screen"]
    page.mouse.move(500, 1)
    page.get_by_role("button", name="Statistics").click()
    table = page.get_by_role("table", name="Statistics")
    for row in ("H.264", "1000 × 700", "Screen to page", "Round trip"):
        table.get_by_text(row).wait_for()
    # Events of the page come only while Playwright is asked for something.
    eventually(lambda: page.wait_for_timeout(100) or reports, "a report")
    report = reports[0]
    assert 0 < len(report["latency_ms"]) <= 50
    assert report["first_picture_ms"] > 0


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
def test_latency_of_a_frame_is_counted_by_one_clock_on_both_transports(
    context: BrowserContext, moving: ViewerSession, transport: str
) -> None:
    page = open_page(context, moving, transport=transport)
    wait_for_transport(page, transport)
    eventually(lambda: (stats(page)["captureLatency"] or {"n": 0})["n"] > 50, "latencies of real frames")
    # The session's clock and the page's begin at different times: uncompared, they are apart by hours.
    assert 0 < stats(page)["captureLatency"]["p50"] < STALL * 1000


def metric(page: Page, name: str) -> float:
    """The sum of a metric over its labels, as the session itself counts."""
    text: str = page.evaluate("() => fetch('api/v1/metrics').then(answer => answer.text())")
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
def test_microphone_is_sent_while_it_is_on(context: BrowserContext, moving: ViewerSession, transport: str) -> None:
    page = open_page(context, moving, transport=transport)
    wait_for_transport(page, transport)
    wait_for_picture(page)
    page.mouse.move(500, 1)
    button = page.get_by_role("button", name="Microphone")
    assert button.get_attribute("aria-pressed") == "false"

    def heard() -> float:
        return metric(page, 'streamspace_session_microphone_packets_total{result="played"')

    before = heard()
    button.click()
    page.get_by_role("button", name="Microphone is on").wait_for()
    # The fake device beeps once a second; silence in between is not sent.
    eventually(lambda: heard() > before + 3, "the voice to arrive")
    assert "ss-recording" in (page.locator(".ss-toolbar").get_attribute("class") or ""), "seen with the bar closed"
    page.mouse.move(500, 1)
    button.click()
    page.get_by_role("button", name="Microphone is off").wait_for()
    page.wait_for_timeout(500)
    packets = heard()
    page.wait_for_timeout(2500)
    assert heard() == packets


def test_without_the_policy_there_is_no_microphone(context: BrowserContext) -> None:
    with viewer_session(*MOVING, COUNTER) as session:
        page = open_page(context, session)
        wait_for_picture(page)
        page.mouse.move(500, 1)
        assert page.get_by_role("button", name="Microphone").count() == 0
