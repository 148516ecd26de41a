"""The JupyterLab extension on a real JupyterLab without a hub: tiles, desktop tab, session panel, "Open With"."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from tests.support.jupyterlab import JupyterLab, running_jupyterlab
from tests.support.lab import tile, wait_for_picture, wait_for_saved_tab
from tests.support.sessions import runner_pid
from tests.support.waiting import PATIENCE, eventually

pytestmark = [pytest.mark.browser, pytest.mark.x11]

SHELL = """\
name: shell
title: Shell
description: Rather plain.
categories: [System]
command: [xterm, -e, sh, -c, 'echo "$0"; sleep 1000', "%f"]
mime_types: [image/*]
"""
MISSING = """\
name: missing
title: Missing
command: [no-such-program-anywhere, "%f"]
packages: [no-such-package]
mime_types: [image/png]
"""
BROKEN = """\
name: Broken
title: Broken
command: [xterm]
"""
TEMPLATES = {"shell.yaml": SHELL, "missing.yaml": MISSING, "broken.yaml": BROKEN}


@pytest.fixture(scope="module")
def jupyterlab() -> Iterator[JupyterLab]:
    with running_jupyterlab(TEMPLATES) as server:
        (server.root / "picture.png").write_bytes(b"")
        (server.root / "words.txt").write_text("")
        (server.root / "folder.png").mkdir()
        yield server


@pytest.fixture
def page(browser: Browser, jupyterlab: JupyterLab) -> Iterator[Page]:
    """JupyterLab's launcher with our tiles; no session is running."""
    for session in jupyterlab.sessions():
        jupyterlab.stop(session["name"])
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(jupyterlab.url)
    tile(page, "Shell").wait_for(timeout=PATIENCE * 1000)
    yield page
    context.close()


def shell_frame(page: Page, limit: float = PATIENCE) -> Frame:
    """The viewer page in the desktop tab of the shell."""
    for _ in range(int(limit * 20)):
        found = [frame for frame in page.frames if "/base/streamspace/here/shell/" in frame.url]
        if found:
            return found[0]
        page.wait_for_timeout(50)
    raise AssertionError(f"no frame shows the shell: {[frame.url for frame in page.frames]}")


def open_shell(page: Page) -> Frame:
    tile(page, "Shell").click()
    frame = shell_frame(page)
    wait_for_picture(frame)
    return frame


def new_launcher(page: Page) -> None:
    page.locator("#jp-main-dock-panel .lm-TabBar-addButton:visible").first.click()
    tile(page, "Shell").wait_for(timeout=PATIENCE * 1000)


def names(server: JupyterLab) -> list[str]:
    return [session["name"] for session in server.sessions() if session["state"] == "running"]


def test_tiles_say_what_is_not_installed_and_how_to_get_it(page: Page, jupyterlab: JupyterLab) -> None:
    missing = tile(page, "Missing (not installed)")
    assert "no-such-package" in (missing.get_attribute("title") or "")
    missing.click()
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("Missing is not installed")
    expect(dialog).to_contain_text("no-such-package")
    dialog.get_by_role("button", name="OK").click()
    assert jupyterlab.sessions() == []


def test_tile_opens_a_tab_with_a_live_picture(page: Page) -> None:
    frame = open_shell(page)
    status = page.locator(".streamspace-Status")
    expect(status).to_contain_text("Running")
    expect(status.locator(".streamspace-Status-transport")).to_have_text(re.compile("WebSocket|WebRTC"))
    picture = page.locator("iframe.streamspace-Desktop-picture")
    assert picture.get_attribute("sandbox") is None, "a sandbox takes pointer lock and full screen away"
    assert picture.evaluate("picture => picture === document.activeElement"), "the keyboard is not the picture's"
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function("() => document.fullscreenElement?.tagName === 'IFRAME'")
    page.evaluate("() => document.exitFullscreen()")
    assert frame.evaluate("() => window.streamspace.connected")


def test_a_second_click_goes_to_the_same_tab(page: Page, jupyterlab: JupyterLab) -> None:
    open_shell(page)
    new_launcher(page)
    expect(tile(page, "Shell")).to_have_attribute("title", re.compile("Running"))
    tile(page, "Shell").click()
    expect(page.locator("iframe.streamspace-Desktop-picture")).to_be_visible()
    assert page.locator("iframe.streamspace-Desktop-picture").count() == 1
    assert names(jupyterlab) == ["shell"]


def test_hidden_picture_does_not_load_again_and_has_the_keyboard_when_shown(page: Page) -> None:
    frame = open_shell(page)
    frame.evaluate("() => { window.sameAsBefore = true; }")
    new_launcher(page)
    expect(page.locator("iframe.streamspace-Desktop-picture")).to_be_hidden()
    page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text="Shell").click()
    expect(page.locator("iframe.streamspace-Desktop-picture")).to_be_focused()
    assert shell_frame(page).evaluate("() => window.sameAsBefore === true")


def test_tab_is_dragged_over_the_picture(page: Page) -> None:
    open_shell(page)
    new_launcher(page)
    page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text="Shell").click()
    tab = page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text="Shell").bounding_box()
    dock = page.locator("#jp-main-dock-panel").bounding_box()
    assert tab
    assert dock
    page.mouse.move(tab["x"] + 30, tab["y"] + 10)
    page.mouse.down()
    page.mouse.move(tab["x"] + 60, tab["y"] + 60, steps=5)
    page.mouse.move(dock["x"] + dock["width"] - 30, dock["y"] + dock["height"] / 2, steps=10)
    page.wait_for_timeout(300)
    page.mouse.up()
    expect(page.locator(".jp-Launcher")).to_be_visible()
    picture = page.locator("iframe.streamspace-Desktop-picture")
    expect(picture).to_be_visible()
    # JupyterLab does not see clicks inside the picture: the tab in front must follow them nevertheless.
    page.locator(".jp-Launcher").click(position={"x": 5, "y": 5})
    current = page.locator("#jp-main-dock-panel .lm-TabBar-tab.jp-mod-current")
    expect(current).to_contain_text("Launcher")
    shell_frame(page).locator("#streamspace").click()
    expect(current).to_contain_text("Shell")


def test_tab_comes_back_with_its_picture_and_starts_nothing(page: Page, jupyterlab: JupyterLab) -> None:
    open_shell(page)
    wait_for_saved_tab(page, "shell")
    page.goto(jupyterlab.url.replace("reset&", ""))
    wait_for_picture(shell_frame(page))
    wait_for_saved_tab(page, "shell")
    jupyterlab.stop("shell")
    page.reload()
    expect(page.get_by_text("Shell was stopped")).to_be_visible()
    assert names(jupyterlab) == []
    page.get_by_role("button", name="Start again").click()
    wait_for_picture(shell_frame(page))


def test_tab_sees_that_its_session_was_stopped_elsewhere(page: Page, jupyterlab: JupyterLab) -> None:
    open_shell(page)
    wait_for_saved_tab(page, "shell")
    jupyterlab.stop("shell")
    expect(page.get_by_text("Shell was stopped")).to_be_visible()
    expect(page.locator("iframe.streamspace-Desktop-picture")).to_have_count(0)


def test_closing_the_tab_leaves_the_session_and_the_panel_leads_back(page: Page, jupyterlab: JupyterLab) -> None:
    open_shell(page)
    page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text="Shell").locator(".lm-TabBar-tabCloseIcon").click()
    expect(page.locator("iframe.streamspace-Desktop-picture")).to_have_count(0)
    assert names(jupyterlab) == ["shell"]
    page.get_by_role("tab", name="Desktop sessions").click()
    panel = page.locator("#streamspace-sessions")
    expect(panel).to_contain_text(re.compile("Shell.*Running since", re.DOTALL))
    panel.get_by_role("button", name="Open Shell").click()
    wait_for_picture(shell_frame(page))
    panel.get_by_role("button", name="Stop Shell").click()
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("Work that is not saved is lost")
    dialog.get_by_role("button", name="Cancel").click()
    assert names(jupyterlab) == ["shell"]
    panel.get_by_role("button", name="Stop Shell").click()
    dialog.get_by_role("button", name="Stop").click()
    expect(panel).to_contain_text("Nothing is running")
    expect(page.get_by_text("Shell was stopped")).to_be_visible()
    eventually(lambda: names(jupyterlab) == [], "the session to be gone")


def test_panel_tells_of_templates_that_cannot_be_used(page: Page) -> None:
    page.get_by_role("tab", name="Desktop sessions").click()
    panel = page.locator("#streamspace-sessions")
    panel.get_by_text("Apps that cannot be used").click()
    expect(panel).to_contain_text("broken.yaml")


def test_open_with_offers_the_apps_of_the_files_type(page: Page, jupyterlab: JupyterLab) -> None:
    def offers(name: str) -> str:
        page.locator(".jp-DirListing-item", has_text=name).click(button="right")
        entry = page.locator(".lm-Menu-item", has_text="Open With")
        if entry.count() == 0:
            return ""
        entry.first.hover()
        submenu = page.locator("#jp-contextmenu-open-with")
        submenu.wait_for()
        return submenu.inner_text()

    for other in ("words.txt", "folder.png"):
        assert "Shell" not in offers(other), other
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
    offered = offers("picture.png")
    assert "Shell" in offered
    assert "Missing" not in offered
    page.locator("#jp-contextmenu-open-with .lm-Menu-item", has_text="Shell").click()
    wait_for_picture(shell_frame(page))
    runner = psutil.Process(runner_pid("shell"))
    opened = [child.cmdline()[-1] for child in runner.children(recursive=True) if child.name() == "xterm"]
    assert opened == [str(jupyterlab.root / "picture.png")]


def test_menu_and_palette_start_apps(page: Page, jupyterlab: JupyterLab) -> None:
    page.get_by_role("menuitem", name="File", exact=True).click()
    page.locator(".lm-Menu-item", has_text="New").first.hover()
    page.locator(".lm-Menu-item", has_text="Desktop apps").hover()
    page.locator(".lm-Menu-item", has_text="Shell").click()
    wait_for_picture(shell_frame(page))
    page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text="Shell").locator(".lm-TabBar-tabCloseIcon").click()
    page.keyboard.press("Control+Shift+C")
    page.locator("#command-palette input").fill("shell")
    page.locator(".lm-CommandPalette-item", has_text="Shell").first.click()
    wait_for_picture(shell_frame(page))
    assert names(jupyterlab) == ["shell"]
