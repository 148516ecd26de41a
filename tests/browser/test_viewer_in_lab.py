"""The viewer page inside a JupyterLab tab: what a frame, a hub and its proxy could take away from it.

What it does by itself is in `test_viewer_page.py`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import BrowserContext, Frame, Page, expect

from tests.bench.processes import session_processes
from tests.browser.test_transports import viewer
from tests.browser.test_way_of_a_click import home, type_line
from tests.support.demo import Demo
from tests.support.lab import desktop, tile, wait_for_picture
from tests.support.screen import pointer_position
from tests.support.sessions import runner_pid
from tests.support.viewer import at_rest, wait_for_app
from tests.support.waiting import PATIENCE, eventually, steady

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.x11]

SURFACE = ".ss-surface"


@pytest.fixture
def frame(lab: Page, terminal: str) -> Frame:
    """The terminal in its tab, ready to be typed into."""
    tile(lab, "Terminal").click()
    frame = desktop(lab, terminal)
    wait_for_picture(frame)
    wait_for_app(frame)
    wait_for_size_of_frame(frame)
    frame.locator(SURFACE).click()
    return frame


def wait_for_size_of_frame(frame: Frame) -> None:
    frame.wait_for_function(
        "() => {"
        "  const { screen } = window.streamspace.stats();"
        "  return Math.abs(screen.width - innerWidth) < 2 && Math.abs(screen.height - innerHeight) < 2; }",
        timeout=PATIENCE * 1000,
    )


def press_in_toolbar(page: Page, frame: Frame, button: str) -> None:
    """Open the viewer's toolbar, at the middle of its upper edge, as a user does; press a button; leave."""
    box = frame.locator("#streamspace").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 1)
    frame.locator(".ss-toolbar.ss-open").wait_for()
    frame.get_by_role("button", name=button).click()


def written(demo: Demo, name: str, text: str) -> None:
    """Wait until the session has written `text` to a file of that name."""
    file: Path = home(demo) / name
    eventually(lambda: file.exists() and file.read_text() == text, f"{name} to hold {text[:40]!r}")


def test_full_screen_from_the_viewers_toolbar(lab: Page, frame: Frame, demo: Demo) -> None:
    press_in_toolbar(lab, frame, "Full screen")
    frame.wait_for_function("() => document.fullscreenElement !== null")
    assert lab.evaluate("() => document.fullscreenElement.tagName") == "IFRAME"
    wait_for_size_of_frame(frame)
    type_line(lab, "printf full > full-screen")
    written(demo, "full-screen", "full")
    press_in_toolbar(lab, frame, "Leave full screen")
    frame.wait_for_function("() => document.fullscreenElement === null")


def test_locked_pointer_moves_by_what_the_mouse_moves(lab: Page, frame: Frame) -> None:
    box = frame.locator(SURFACE).bounding_box()
    assert box
    press_in_toolbar(lab, frame, "Lock the mouse pointer")
    frame.wait_for_function("() => document.pointerLockElement?.matches('textarea')")

    def moved(x: int, y: int) -> tuple[int, int]:
        """How far the session's pointer goes when the mouse goes there from the middle."""
        lab.mouse.move(box["x"] + 300, box["y"] + 300)
        before = steady(lambda: pointer_position("terminal"), "the pointer")
        lab.mouse.move(box["x"] + 300 + x, box["y"] + 300 + y, steps=4)
        after = steady(lambda: pointer_position("terminal"), "the pointer")
        return after[0] - before[0], after[1] - before[1]

    # The browser is not told of what moves while it locks.
    eventually(lambda: moved(40, -25) == (40, -25), "the pointer to move as far as the mouse")
    frame.evaluate("() => document.exitPointerLock()")
    lab.mouse.move(box["x"] + 100, box["y"] + 120)
    eventually(lambda: pointer_position("terminal") == (100, 120), "the pointer to be where the mouse is")


def test_ten_megabytes_of_clipboard_are_a_sentence(lab: Page, frame: Frame, demo: Demo) -> None:
    lab.evaluate("() => navigator.clipboard.writeText('x'.repeat(10_000_000))")
    frame.locator(SURFACE).click()
    lab.keyboard.press("Control+Shift+V")
    expect(frame.get_by_text("too large for the clipboard")).to_be_visible()
    lab.evaluate("() => navigator.clipboard.writeText('small')")
    type_line(lab, "printf on > goes-on")
    written(demo, "goes-on", "on")
    assert frame.evaluate("() => window.streamspace.connected")


def test_large_clipboard_within_the_limit_goes_through_the_hubs_proxy(lab: Page, frame: Frame, demo: Demo) -> None:
    text = "0123456789" * 90_000  # the limit is 1 MiB
    lab.evaluate("text => navigator.clipboard.writeText(text)", text)
    frame.locator(SURFACE).click()
    # The terminal pastes on Ctrl+Shift+V only: this brings the text into the session's clipboard, and to the shell it
    # means "take the next key literally".
    lab.keyboard.press("Control+v")
    lab.keyboard.type("x")
    lab.keyboard.press("Control+u")
    type_line(lab, "xclip -o -selection clipboard > large")
    written(demo, "large", text)


def test_view_only_shows_it_and_does_nothing(context: BrowserContext, demo: Demo, terminal: str) -> None:
    page = viewer(context, demo, terminal, "?view=1")
    wait_for_picture(page)
    box = page.locator("#streamspace").bounding_box()
    assert box
    page.mouse.click(box["width"] / 2, box["height"] / 2)
    type_line(page, "touch by-a-viewer")
    page.mouse.move(box["width"] / 2, 1)
    expect(page.locator(".ss-badge", has_text="View only")).to_be_visible()
    page.wait_for_timeout(1000)
    assert not (home(demo) / "by-a-viewer").exists()


def test_keys_held_while_leaving_for_jupyterlab_are_let_go(lab: Page, frame: Frame, demo: Demo) -> None:
    lab.keyboard.down("Shift")
    lab.locator(".jp-DirListing-content").click()
    frame.wait_for_function("() => !document.hasFocus()")
    # To JupyterLab only, as when the key is let go over another window.
    lab.keyboard.up("Shift")
    frame.locator(SURFACE).click()
    type_line(lab, "printf low > lower-case")
    written(demo, "lower-case", "low")


def test_text_of_an_input_method(lab: Page, frame: Frame, demo: Demo) -> None:
    lab.keyboard.type("printf ", delay=10)
    devtools = lab.context.new_cdp_session(lab)
    for typed in ("n", "ni", "你"):
        devtools.send("Input.imeSetComposition", {"text": typed, "selectionStart": len(typed), "selectionEnd": 1})
    devtools.send("Input.insertText", {"text": "你好"})
    type_line(lab, " > by-input-method")
    written(demo, "by-input-method", "你好")


def less_runs() -> bool:
    for process in session_processes(runner_pid("terminal"))["app"]:
        with suppress(psutil.NoSuchProcess):
            if process.name() == "less":
                return True
    return False


def test_wheel_scrolls_the_app_and_not_jupyterlab(lab: Page, frame: Frame, demo: Demo) -> None:
    # The first line on the screen goes to the file when `less` is asked to save what is in sight onwards.
    type_line(lab, "seq 500 > numbers; less numbers")
    eventually(less_runs, "less to run")
    at_rest(lab, frame)
    box = frame.locator(SURFACE).bounding_box()
    assert box
    lab.mouse.move(box["x"] + 300, box["y"] + 200)
    for _ in range(4):
        lab.mouse.wheel(0, 120)
    at_rest(lab, frame)
    # "|." pipes what is in sight to a command.
    type_line(lab, "|.head -1 > top")
    lab.keyboard.press("Enter")
    top = home(demo) / "top"
    eventually(lambda: top.exists() and top.read_text().strip().isdigit(), "less to say where it is")
    lab.keyboard.type("q")
    assert int(top.read_text()) > 4
    assert lab.evaluate("() => scrollY") == 0
