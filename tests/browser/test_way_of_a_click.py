"""The main job: sign in, click a tile, see the app, work in it, leave, come back, stop it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Error, Frame, Page, expect

from tests.browser.conftest import new_context
from tests.support.demo import Demo
from tests.support.lab import desktop, sign_in, tile, wait_for_picture
from tests.support.viewer import alike, at_rest, colours, picture, stats, wait_for_app
from tests.support.waiting import STALL, eventually

pytestmark = pytest.mark.browser


def home(demo: Demo, user: str = "demo") -> Path:
    """The user's home: below the demo's folder when accounts are made for it, else that of whoever runs the test."""
    made = demo.folder / "home" / user
    return made if made.exists() else Path.home()


def type_line(page: Page, text: str) -> None:
    page.keyboard.type(text, delay=10)
    page.keyboard.press("Enter")


def middle(image: Image.Image) -> Image.Image:
    """What lies in the middle of the picture, wherever panels are around it."""
    x, y = image.width // 2, image.height // 2
    return image.crop((x - 80, y - 30, x + 80, y + 30))


def new_image(page: Page, frame: Frame) -> bool:
    """Ask GIMP for a new image, as a user does until it has done with loading: the keys before are lost on it."""
    page.keyboard.press("Control+n")
    page.wait_for_timeout(2000)
    page.keyboard.press("Enter")
    page.wait_for_timeout(1000)
    return middle(picture(page, frame)).getextrema() == ((255, 255),) * 3


def stroke(page: Page, frame: Frame) -> bool:
    """Draw with the pencil across the middle; whether the white there has become partly black."""
    box = frame.locator("#streamspace").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.keyboard.press("n")
    page.mouse.move(x - 60, y)
    page.mouse.down()
    for step in range(20):
        page.mouse.move(x - 60 + step * 6, y + (step % 5) * 4)
        page.wait_for_timeout(16)
    page.mouse.up()
    page.mouse.move(x, y + 200)
    page.wait_for_timeout(1000)
    return all(low < 60 for low, _high in middle(picture(page, frame)).getextrema())


def stopped_at_home(page: Page, demo: Demo) -> bool:
    """Click "stop" in the row of GIMP's server until it has gone; without its script, a click does nothing."""
    button = page.locator("tr", has_text="gimp").first.locator("button, a", has_text="top").first
    if demo.server("gimp") and button.is_visible() and button.get_attribute("disabled") is None:
        with contextlib.suppress(Error):  # it hides as soon as it has been heard
            button.click(timeout=STALL * 1000)
    return not demo.server("gimp")


def test_launcher_shows_a_tile_for_each_app(lab: Page) -> None:
    section = lab.locator(".jp-Launcher-section", has_text="Desktop apps")
    titles = section.locator(".jp-LauncherCard").all_inner_texts()
    joined = "\n".join(titles)
    for title in (
        *("Desktop", "GIMP", "Inkscape", "LibreOffice", "Firefox", "Blender", "QGIS", "Octave"),
        *("Terminal", "Code editor"),
    ):
        assert title in joined, f"no tile for {title} in {titles}"


def test_click_draw_leave_come_back_stop(browser: Browser, lab: Page, demo: Demo) -> None:
    tile(lab, "GIMP").click()
    frame = desktop(lab, "gimp")
    wait_for_picture(frame)
    eventually(lambda: colours(picture(lab, frame)) > 500, "GIMP's window to be drawn")
    assert demo.server("gimp")["user_options"] == {"app": "gimp"}

    wait_for_app(frame)
    frame.locator("#streamspace").click(position={"x": 500, "y": 400})
    eventually(lambda: new_image(lab, frame), "GIMP to make a new image")
    eventually(lambda: stroke(lab, frame), "the stroke to be seen")
    drawn, started = middle(at_rest(lab, frame)), demo.server("gimp")["started"]
    lab.reload()
    frame = desktop(lab, "gimp")
    wait_for_picture(frame)
    eventually(lambda: alike(drawn, middle(picture(lab, frame))), "the same drawing after a reload")

    lab.context.close()  # what is left of a browser that was closed: nothing
    context = new_context(browser, demo)
    lab = context.new_page()
    sign_in(lab, demo)
    tile(lab, "GIMP").click()
    frame = desktop(lab, "gimp")
    wait_for_picture(frame)
    eventually(lambda: alike(drawn, middle(picture(lab, frame))), "the same drawing in another browser")
    assert demo.server("gimp")["started"] == started

    lab.goto(f"{demo.url}/hub/home")
    eventually(lambda: stopped_at_home(lab, demo), "the hub's home page to stop it")
    context.close()


def test_typing_and_its_echo(lab: Page, demo: Demo) -> None:
    tile(lab, "Terminal").click()
    frame = desktop(lab, "terminal")
    wait_for_picture(frame)
    frame.locator("#streamspace").click()
    eventually(lambda: colours(picture(lab, frame)) > 3, "the terminal to be drawn")
    wait_for_app(frame)
    before = at_rest(lab, frame)
    lab.keyboard.type("echo Grüße, мир > typed.txt", delay=20)
    eventually(lambda: picture(lab, frame).tobytes() != before.tobytes(), "the typed text to be seen")
    lab.keyboard.press("Enter")
    typed = home(demo) / "typed.txt"
    eventually(typed.exists, "the command to run")
    eventually(lambda: typed.read_text() == "Grüße, мир\n", "the text to be right")


def test_clipboard_both_ways(lab: Page, demo: Demo) -> None:
    tile(lab, "Terminal").click()
    frame = desktop(lab, "terminal")
    wait_for_picture(frame)
    wait_for_app(frame)
    frame.locator("#streamspace").click()
    at_rest(lab, frame)

    type_line(lab, "printf 'aus der Sitzung' | xclip -selection clipboard")
    eventually(lambda: lab.evaluate("() => navigator.clipboard.readText()") == "aus der Sitzung", "text to come out")

    lab.evaluate("() => navigator.clipboard.writeText('von draußen')")
    frame.locator("#streamspace").click()
    type_line(lab, "cat > pasted.txt")
    lab.keyboard.press("Control+Shift+V")
    pasted = home(demo) / "pasted.txt"

    def arrived() -> bool:
        # The terminal fetches the text by itself; a line reaches the file with its end.
        lab.keyboard.press("Enter")
        lab.wait_for_timeout(200)
        return pasted.exists() and "von draußen" in pasted.read_text()

    eventually(arrived, "text to go in")
    lab.keyboard.press("Control+d")


def test_desktop_follows_the_size_of_the_tab(lab: Page, demo: Demo) -> None:
    tile(lab, "Terminal").click()
    frame = desktop(lab, "terminal")
    wait_for_picture(frame)
    lab.set_viewport_size({"width": 1000, "height": 700})

    def follows() -> bool:
        screen = stats(frame)["screen"]
        box = frame.locator("#streamspace").bounding_box()
        assert box
        return abs(screen["width"] - box["width"]) <= 2 and abs(screen["height"] - box["height"]) <= 2

    eventually(follows, "the framebuffer to have the tab's size")


def test_freeze_from_the_session_panel(lab: Page, terminal: str) -> None:
    lab.get_by_role("tab", name="Desktop sessions").click()
    row = lab.locator("#streamspace-sessions li", has_text="Terminal")
    row.get_by_role("button", name="Freeze").click()
    expect(row).to_have_attribute("data-state", "frozen")
    row.get_by_role("button", name="Open").click()
    wait_for_picture(desktop(lab, terminal))
    expect(row).to_have_attribute("data-state", "running")


def test_stop_from_the_session_panel(lab: Page, demo: Demo, terminal: str) -> None:
    lab.get_by_role("tab", name="Desktop sessions").click()
    panel = lab.locator("#streamspace-sessions")
    expect(panel).to_contain_text("Terminal")
    panel.get_by_role("button", name="Stop").first.click()
    lab.locator(".jp-Dialog").get_by_role("button", name="Stop").click()
    eventually(lambda: not demo.server(terminal), "the session to be stopped")
    expect(panel).not_to_contain_text("Terminal")
