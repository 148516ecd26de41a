"""The main job: sign in, click a tile, see the app, work in it, leave, come back, stop it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.demo import Demo
from tests.support.lab import desktop, tile, wait_for_picture
from tests.support.viewer import colours, picture, stats
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser


def home(demo: Demo, user: str = "demo") -> Path:
    """The user's home: below the demo's folder when accounts are made for it, else that of whoever runs the test."""
    made = demo.folder / "home" / user
    return made if made.exists() else Path.home()


def type_line(page: Page, text: str) -> None:
    page.keyboard.type(text, delay=10)
    page.keyboard.press("Enter")


def test_launcher_shows_a_tile_for_each_app(lab: Page) -> None:
    section = lab.locator(".jp-Launcher-section", has_text="Desktop apps")
    titles = section.locator(".jp-LauncherCard").all_inner_texts()
    joined = "\n".join(titles)
    for title in ("Desktop", "GIMP", "Inkscape", "LibreOffice", "Firefox", "Blender", "QGIS", "Octave"):
        assert title in joined, f"no tile for {title} in {titles}"


def test_click_draw_leave_come_back_stop(lab: Page, demo: Demo) -> None:
    tile(lab, "GIMP").click()
    frame = desktop(lab, "gimp")
    wait_for_picture(frame)
    eventually(lambda: colours(picture(lab, frame)) > 500, "GIMP's window to be drawn", 60)
    assert demo.server("gimp")["user_options"] == {"app": "gimp"}

    # A new image, then a stroke across its middle. The picture changes under the mouse.
    frame.locator("#streamspace").click(position={"x": 500, "y": 400})
    lab.keyboard.press("Control+n")
    lab.wait_for_timeout(2500)
    lab.keyboard.press("Enter")
    lab.wait_for_timeout(2500)
    lab.keyboard.press("p")
    before = picture(lab, frame)
    box = frame.locator("#streamspace").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    lab.mouse.move(x - 60, y)
    lab.mouse.down()
    for step in range(20):
        lab.mouse.move(x - 60 + step * 6, y + (step % 5) * 4)
        lab.wait_for_timeout(16)
    lab.mouse.up()
    eventually(lambda: picture(lab, frame).tobytes() != before.tobytes(), "the stroke to be seen")

    lab.wait_for_timeout(1000)
    drawn = picture(lab, frame)
    lab.reload()
    frame = desktop(lab, "gimp")
    wait_for_picture(frame)
    eventually(lambda: _alike(drawn, picture(lab, frame)), "the same picture after a reload")

    lab.goto(f"{demo.url}/hub/home")
    row = lab.locator("tr", has_text="gimp").first
    row.locator("button, a", has_text="top").first.click()
    eventually(lambda: not demo.server("gimp"), "the hub's home page to stop it", 30)


def test_typing_and_its_echo(lab: Page, demo: Demo) -> None:
    tile(lab, "Terminal").click()
    frame = desktop(lab, "terminal")
    wait_for_picture(frame)
    frame.locator("#streamspace").click()
    eventually(lambda: colours(picture(lab, frame)) > 3, "the terminal to be drawn")
    lab.wait_for_timeout(1500)
    before = picture(lab, frame)
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
    frame.locator("#streamspace").click()
    lab.wait_for_timeout(1000)

    type_line(lab, "printf 'aus der Sitzung' | xclip -selection clipboard")
    eventually(lambda: lab.evaluate("() => navigator.clipboard.readText()") == "aus der Sitzung", "text to come out")

    lab.evaluate("() => navigator.clipboard.writeText('von draußen')")
    frame.locator("#streamspace").click()
    type_line(lab, "cat > pasted.txt")
    lab.keyboard.press("Control+Shift+V")
    lab.wait_for_timeout(500)
    lab.keyboard.press("Enter")
    lab.keyboard.press("Control+d")
    pasted = home(demo) / "pasted.txt"
    eventually(lambda: pasted.exists() and "von draußen" in pasted.read_text(), "text to go in")


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


def test_stop_from_the_session_panel(lab: Page, demo: Demo, terminal: str) -> None:
    lab.get_by_role("tab", name="Desktop sessions").click()
    panel = lab.locator("#streamspace-sessions")
    expect(panel).to_contain_text("Terminal")
    panel.get_by_role("button", name="Stop").first.click()
    lab.locator(".jp-Dialog").get_by_role("button", name="Stop").click()
    eventually(lambda: not demo.server(terminal), "the session to be stopped", 30)
    expect(panel).not_to_contain_text("Terminal", timeout=15_000)


def _alike(one: object, other: object) -> bool:
    from PIL import ImageChops, ImageStat

    assert one.size == other.size  # type: ignore[attr-defined]
    difference = ImageStat.Stat(ImageChops.difference(one, other))  # type: ignore[arg-type]
    return max(difference.mean) < 3
