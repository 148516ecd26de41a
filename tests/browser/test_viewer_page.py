"""The viewer page on a real session, without a hub: pictures, keys, pointer, clipboard, size, and what goes wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.viewer import alike, at_rest, colours, picture, stats, wait_for_app, wait_for_transport
from tests.support.viewer_session import ViewerSession, viewer_session
from tests.support.waiting import PATIENCE, eventually

pytestmark = [pytest.mark.browser, pytest.mark.x11]
XTERM = ("xterm", "-fa", "DejaVu Sans Mono", "-fs", "12")
TRANSPORTS = ["websocket", "webrtc", "rfb"]

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def terminal() -> Iterator[ViewerSession]:
    with viewer_session(*XTERM) as session:
        yield session


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    yield context
    context.close()


def open_page(context: BrowserContext, session: ViewerSession, **query: str) -> Page:
    page = context.new_page()
    page.goto(session.url(**query))
    return page


def wait_for_picture(page: Page) -> None:
    page.wait_for_function(
        "() => window.streamspace.connected && window.streamspace.stats().frames > 0", timeout=PATIENCE * 1000
    )
    wait_for_app(page)


def wait_for_screen(page: Page) -> None:
    """Until the screen is as large as the page: pixels of one are pixels of the other."""
    page.wait_for_function("() => window.streamspace.stats().screen?.width === innerWidth")


def focus(page: Page, session: ViewerSession) -> None:
    """Click into the app until it has the keyboard: a window that has just come up may not have it yet."""

    def focused() -> bool:
        page.locator("#streamspace").click()
        page.wait_for_timeout(200)
        return "# 0x0" not in session.x("xprop", "-root", "_NET_ACTIVE_WINDOW")

    eventually(focused, "the app to have the keyboard")


def record_errors(context: BrowserContext) -> None:
    context.add_init_script(
        "addEventListener('DOMContentLoaded', () => setTimeout(() => {"
        "  window.errors = []; window.streamspace?.on('error', e => window.errors.push(e)); }))"
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_picture_and_typing_on_each_transport(context: BrowserContext, terminal: ViewerSession, transport: str) -> None:
    record_errors(context)
    page = open_page(context, terminal, transport=transport)
    wait_for_transport(page, transport)
    focus(page, terminal)
    page.keyboard.type(f"echo 'Grüße, мир @{{}}|~' > by-{transport}\n", delay=10)
    file = terminal.running.home / f"by-{transport}"
    eventually(lambda: file.exists() and file.read_text() == "Grüße, мир @{}|~\n", "the typed line to run")
    eventually(lambda: colours(picture(page, page)) > 3, "text to be seen")
    assert page.evaluate("() => window.errors") == []


def test_starts_on_the_websocket_and_climbs_to_webrtc(context: BrowserContext, terminal: ViewerSession) -> None:
    page = context.new_page()
    started: list[str] = []

    def sent(frame: str | bytes) -> None:
        if isinstance(frame, str) and (message := json.loads(frame))["type"] in ("start", "stop"):
            started.append(f"{message['type']} {message['transport']}")

    page.on("websocket", lambda socket: socket.on("framesent", sent))
    page.goto(terminal.url())
    wait_for_transport(page, "webrtc")
    eventually(lambda: started == ["start websocket", "start webrtc", "stop websocket"], f"the climb, not {started}")
    page.mouse.move(500, 1)
    page.get_by_text("Connected · WebRTC").wait_for()


def test_falls_back_to_the_websocket_when_webrtc_dies(context: BrowserContext, terminal: ViewerSession) -> None:
    # The page's own handle on the connection: closing it is what a network that drops UDP looks like, only quicker.
    context.add_init_script(
        "const Real = RTCPeerConnection; window.peers = [];"
        "window.RTCPeerConnection = class extends Real { constructor(c) { super(c); window.peers.push(this); } }"
    )
    page = open_page(context, terminal)
    wait_for_transport(page, "webrtc")
    page.evaluate("() => { const p = window.peers.at(-1); p.getReceivers().forEach(r => r.track.stop()); }")
    focus(page, terminal)
    for _ in range(60):
        page.keyboard.type("x")
        page.wait_for_timeout(100)
        if page.evaluate("() => window.streamspace.transport") == "websocket":
            break
    before = stats(page)["frames"]
    page.keyboard.press("Control+u")
    page.keyboard.type("y")
    eventually(lambda: stats(page)["frames"] > before, "pictures on the WebSocket")
    assert stats(page)["transport"] == "websocket"
    page.keyboard.press("Control+u")


def test_a_still_screen_sends_nothing_by_webrtc(context: BrowserContext, terminal: ViewerSession) -> None:
    page = open_page(context, terminal, transport="webrtc")
    wait_for_transport(page, "webrtc")
    wait_for_screen(page)
    page.wait_for_timeout(3000)
    before = stats(page)["bytes"]
    page.wait_for_timeout(8000)  # Chromium asks for a keyframe every three seconds that bring none
    assert stats(page)["bytes"] == before


def test_without_h264_the_floor_is_explained(context: BrowserContext, terminal: ViewerSession) -> None:
    context.add_init_script(
        "delete window.VideoDecoder; delete window.createImageBitmap; delete window.RTCPeerConnection;"
    )
    page = open_page(context, terminal)
    wait_for_transport(page, "rfb")
    page.get_by_text("cannot play H.264 video").wait_for()


@pytest.mark.parametrize(
    ("query", "sentence"),
    [("websocket", "cannot play H.264"), ("fax", "can be webrtc, websocket, rfb or http")],
)
def test_a_transport_that_cannot_be_is_explained(
    context: BrowserContext, terminal: ViewerSession, query: str, sentence: str
) -> None:
    context.add_init_script("delete window.VideoDecoder; delete window.createImageBitmap;")
    page = open_page(context, terminal, transport=query)
    page.get_by_text(sentence).wait_for()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_screen_follows_the_page(context: BrowserContext, terminal: ViewerSession, transport: str) -> None:
    page = open_page(context, terminal, transport=transport)
    wait_for_transport(page, transport)
    for width, height in ((900, 620), (1100, 760)):
        page.set_viewport_size({"width": width, "height": height})
        wait_for_screen(page)
        assert f"{width}x{height}" in terminal.x("xdpyinfo").replace(" ", "")
        page.wait_for_function("width => window.streamspace.stats().picture?.width === width", arg=width)
    eventually(lambda: colours(picture(page, page)) > 3, "a picture in the new size")
    assert stats(page)["transport"] == transport


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_reloaded_page_shows_what_it_showed(context: BrowserContext, terminal: ViewerSession, transport: str) -> None:
    page = open_page(context, terminal, transport=transport)
    wait_for_transport(page, transport)
    wait_for_screen(page)
    focus(page, terminal)
    page.keyboard.type(f"clear; seq 8; touch shown-{transport}\n", delay=10)
    eventually((terminal.running.home / f"shown-{transport}").exists, "the typed line to run")
    before = at_rest(page, page)
    page.reload()
    wait_for_transport(page, transport)
    eventually(lambda: alike(before, picture(page, page)), "the same picture")
    focus(page, terminal)
    page.keyboard.type(f"touch typed-{transport}\n", delay=10)
    eventually((terminal.running.home / f"typed-{transport}").exists, "typing to go on")


def test_pointer_buttons_and_wheel(context: BrowserContext) -> None:
    command = ("sh", "-c", "exec xev -geometry 900x600 -event mouse > $HOME/events")
    with viewer_session(*command, title="xev") as session:
        page = open_page(context, session, transport="websocket")
        wait_for_picture(page)
        wait_for_screen(page)
        events = session.running.home / "events"
        page.mouse.move(310, 220)
        eventually(lambda: "x:310 y:220" in session.x("xdotool", "getmouselocation"), "the pointer to be there")
        for button in ("left", "middle", "right"):
            page.mouse.click(310, 220, button=button)
        page.mouse.wheel(0, 120)
        page.mouse.wheel(0, -120)
        page.mouse.down()
        page.mouse.move(400, 300, steps=5)
        page.mouse.up()

        def pressed() -> list[str]:
            return re.findall(r"ButtonPress event.*?button (\d+)", events.read_text(), re.DOTALL)

        eventually(lambda: pressed() == ["1", "2", "3", "5", "4", "1"], f"the buttons in order, not {pressed()}")
        assert re.search(r"MotionNotify.*?state 0x100", events.read_text(), re.DOTALL), (
            "a drag moves with the button held"
        )


def test_keys_are_let_go_when_the_page_loses_the_keyboard(context: BrowserContext, terminal: ViewerSession) -> None:
    page = open_page(context, terminal, transport="websocket")
    wait_for_picture(page)
    focus(page, terminal)
    page.keyboard.down("Control")
    page.evaluate("() => document.activeElement.blur()")
    # The page hears nothing of this: had it not let go before, Control would be stuck.
    page.keyboard.up("Control")
    focus(page, terminal)
    page.keyboard.type("touch let-go\n", delay=10)
    eventually((terminal.running.home / "let-go").exists, "plain typing")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_clipboard_both_ways(context: BrowserContext, terminal: ViewerSession, transport: str) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = open_page(context, terminal, transport=transport)
    wait_for_transport(page, transport)
    focus(page, terminal)
    inner, outer = f"aus der Sitzung ✓ {transport}", f"von draußen ✓ {transport}"
    page.keyboard.type(f"printf '{inner}' | xclip -selection clipboard\n", delay=5)
    eventually(lambda: page.evaluate("() => navigator.clipboard.readText()") == inner, "text to come out")

    page.evaluate("text => navigator.clipboard.writeText(text)", outer)
    page.keyboard.press("Control+v")
    eventually(lambda: terminal.x("xclip", "-o", "-selection", "clipboard") == outer, "text to go in")
    assert stats(page)["transport"] == transport


def test_clipboard_that_the_browser_refuses_comes_with_the_next_click(
    context: BrowserContext, terminal: ViewerSession
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.add_init_script(
        "const write = navigator.clipboard.writeText.bind(navigator.clipboard); window.refuse = true;"
        "navigator.clipboard.writeText = t => window.refuse ? Promise.reject(new Error('no')) : write(t);"
    )
    page = open_page(context, terminal, transport="websocket")
    wait_for_picture(page)
    focus(page, terminal)
    page.keyboard.type("printf 'später' | xclip -selection clipboard\n", delay=5)
    page.get_by_text("The session copied text").wait_for()
    page.evaluate("() => { window.refuse = false; }")
    page.locator("#streamspace").click()
    eventually(lambda: page.evaluate("() => navigator.clipboard.readText()") == "später", "text to come out")


def test_too_large_a_clipboard_is_a_sentence_and_disturbs_nothing(
    context: BrowserContext, terminal: ViewerSession
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = open_page(context, terminal, transport="websocket")
    wait_for_picture(page)
    page.evaluate("() => navigator.clipboard.writeText('x'.repeat(10_000_000))")
    page.locator("#streamspace").click()
    page.keyboard.press("Control+v")
    page.get_by_text("too large for the clipboard").wait_for()
    page.evaluate("() => navigator.clipboard.writeText('small')")
    page.keyboard.type("touch still-here\n", delay=5)
    eventually((terminal.running.home / "still-here").exists, "typing to go on")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_view_only_shows_and_does_nothing(context: BrowserContext, terminal: ViewerSession, transport: str) -> None:
    record_errors(context)
    page = open_page(context, terminal, view="1", transport=transport)
    wait_for_picture(page)
    assert page.evaluate("() => window.streamspace.role") == "viewer"
    page.mouse.click(400, 300)
    page.keyboard.type("touch by-viewer\n")
    page.mouse.move(500, 1)
    page.get_by_text("View only").wait_for()
    page.wait_for_timeout(500)
    assert not (terminal.running.home / "by-viewer").exists()
    assert page.evaluate("() => window.errors") == [], "a view-only page asks for nothing that is forbidden"


def test_ended_app_is_said_and_started_again(context: BrowserContext) -> None:
    with viewer_session(*XTERM) as session:
        page = open_page(context, session)
        wait_for_picture(page)
        focus(page, session)
        page.keyboard.type("exit 3\n", delay=10)
        page.get_by_role("heading", name="Terminal has ended.").wait_for()
        page.get_by_role("button", name="Start again").click()
        wait_for_app(page)
        focus(page, session)
        page.keyboard.type("touch again\n", delay=10)
        eventually((session.running.home / "again").exists, "the new app to take input")


def test_killed_streamer_is_survived(context: BrowserContext) -> None:
    with viewer_session(*XTERM) as session:
        page = open_page(context, session)
        wait_for_picture(page)
        streamer = next(p for p in session.running.processes() if "streamspace_proxy.streamer" in _command(p))
        frames = stats(page)["frames"]
        psutil.Process(streamer).kill()
        page.wait_for_function("() => !window.streamspace.connected")
        page.wait_for_function("() => window.streamspace.connected")
        focus(page, session)
        page.keyboard.type("touch survived\n", delay=10)
        eventually((session.running.home / "survived").exists, "typing to go on")
        eventually(lambda: stats(page)["frames"] > frames, "pictures to come again")


def test_tells_the_page_around_it(context: BrowserContext, terminal: ViewerSession) -> None:
    outer = context.new_page()
    # Any page of the same server whose policy does not forbid frames.
    outer.goto(terminal.url().replace("?", "static/viewer.css?"))
    told: Any = outer.evaluate(
        """url => new Promise(resolve => {
             const told = [];
             setTimeout(() => resolve(told), 15000);
             addEventListener('message', event => {
               told.push(event.data);
               if (event.data.state === 'connected') resolve(told);
             });
             const frame = document.createElement('iframe');
             frame.src = url;
             document.body.append(frame);
           })""",
        terminal.url(transport="websocket"),
    )
    assert told[-1] == {"type": "streamspace:status", "state": "connected", "transport": "websocket"}
    assert told[0]["state"] == "connecting"


def _command(pid: int) -> str:
    return " ".join(psutil.Process(pid).cmdline())
