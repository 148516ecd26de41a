"""Take the documentation's screenshots from a real demo: `python -m tests.browser.screenshots`. Not a test.

Names after it (`my-desktops`) are those of the pictures to be written, in place of all.
"""

from __future__ import annotations

import io
import math
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Frame, Page, expect

from tests.browser.conftest import new_context
from tests.support.chromium import chromium
from tests.support.demo import Demo, running_demo
from tests.support.lab import desktop, sign_in, tile, wait_for_picture
from tests.support.pages import ADDRESS
from tests.support.screen import window_names
from tests.support.waiting import eventually

IMAGES = Path(__file__).parents[2] / "docs" / "images"


def main() -> int:
    """Write docs/images/*.png."""
    IMAGES.mkdir(exist_ok=True)
    with running_demo() as demo, chromium() as browser:
        page = signed_in(browser, demo)
        save(page, "launcher")
        tile(page, "GIMP").click()
        frame = desktop(page, "gimp")
        wait_for_picture(frame, 60)
        draw(page, frame)
        save(page, "gimp-tab")
        page.locator("#jp-main-dock-panel .lm-TabBar-addButton:visible").first.click()
        tile(page, "Terminal").click()
        wait_for_picture(desktop(page, "terminal"))
        page.get_by_role("tab", name="Desktop sessions").click()
        page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text="GIMP").click()
        page.wait_for_timeout(4000)
        save(page, "session-panel")
        page.get_by_role("menuitem", name="Settings", exact=True).click()
        page.locator(".lm-Menu-item", has_text="Theme").first.hover()
        page.locator(".lm-Menu-item", has_text="JupyterLab Dark").first.click()
        page.wait_for_timeout(3000)
        save(page, "session-panel-dark")
        for app in ("desktop", "firefox"):
            demo.start(app)
        page.set_viewport_size({"width": 1280, "height": 1000})
        page.goto(f"{demo.url}{ADDRESS}")
        expect(page.locator("img.picture")).to_have_count(4)
        page.get_by_role("button", name="Freeze Terminal").click()
        expect(page.get_by_role("listitem").filter(has_text="Terminal").first).to_contain_text("Frozen")
        page.wait_for_timeout(10_000)  # until the programs show themselves
        save(page, "my-desktops")
    return 0


def signed_in(browser: Browser, demo: Demo) -> Page:
    page = new_context(browser, demo).new_page()
    sign_in(page, demo)
    page.wait_for_timeout(2000)
    return page


def draw(page: Page, frame: Frame) -> None:
    """A new image with a flower on it, painted as a user paints."""
    eventually(lambda: "GNU Image" in window_names("gimp"), "GIMP's window")
    page.wait_for_timeout(5000)
    surface = frame.locator(".ss-surface")
    surface.click(position={"x": 450, "y": 400})
    press_until(page, "Control+n", "Create a New Image")
    press_until(page, "Enter", "Untitled")
    page.keyboard.press("Control+Shift+j")  # fit the image into the window
    page.wait_for_timeout(1500)
    page.keyboard.press("p")
    box = surface.bounding_box()
    assert box
    middle = (box["x"] + box["width"] / 2 - 8, box["y"] + box["height"] / 2 + 16)
    steps = 160
    for step in range(steps + 1):
        angle = 2 * math.pi * step / steps
        radius = 95 * abs(math.sin(2.5 * angle)) + 20
        page.mouse.move(middle[0] + radius * math.cos(angle), middle[1] + radius * math.sin(angle))
        if step == 0:
            page.mouse.down()
        page.wait_for_timeout(16)
    page.mouse.up()
    page.mouse.move(middle[0] + 190, middle[1] + 100)
    page.wait_for_timeout(3000)


def press_until(page: Page, key: str, title: str) -> None:
    """Press `key` until GIMP has a window of that title: right after its start it takes no keys."""

    def there() -> bool:
        page.keyboard.press(key)
        page.wait_for_timeout(3000)
        return title in window_names("gimp")

    eventually(there, title, 60)


def save(page: Page, name: str) -> None:
    """Write the page as a picture, if that is asked for."""
    if sys.argv[1:] and name not in sys.argv[1:]:
        return
    path = IMAGES / f"{name}.png"
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(path, optimize=True)
    print(f"{path}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    sys.exit(main())
