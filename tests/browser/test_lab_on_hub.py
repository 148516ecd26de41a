"""The desktop tab under a hub: slow and failed starts, stopped and started again, after a reload, files, dark theme.

What does not need a hub is in `test_lab_extension.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_way_of_a_click import home
from tests.support.demo import Demo
from tests.support.lab import desktop, tile, wait_for_picture, wait_for_saved_tab
from tests.support.screen import window_names
from tests.support.waiting import PATIENCE, eventually

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.x11]


@pytest.fixture
def calm(lab: Page) -> Iterator[Page]:
    """`lab`, on which no script may fail."""
    failures: list[str] = []
    lab.on("pageerror", lambda error: failures.append(str(error)))
    yield lab
    assert failures == []


def dialog(page: Page) -> Locator:
    return page.locator(".jp-Dialog")


def test_stopped_from_the_tab_and_started_again(calm: Page, demo: Demo) -> None:
    tile(calm, "Terminal").click()
    wait_for_picture(desktop(calm, "terminal"))
    toolbar = calm.locator(".jp-Toolbar", has=calm.locator(".streamspace-Status"))
    stop = toolbar.get_by_role("button", name="Stop Terminal")
    stop.click()
    expect(dialog(calm)).to_contain_text("Work that is not saved is lost")
    dialog(calm).get_by_role("button", name="Cancel").click()
    assert demo.server("terminal")["ready"]

    stop.click()
    dialog(calm).get_by_role("button", name="Stop").click()
    expect(calm.get_by_role("heading", name="Terminal was stopped")).to_be_visible()
    eventually(lambda: not demo.server("terminal"), "the hub to call it stopped")
    expect(calm.locator("iframe.streamspace-Desktop-picture")).to_have_count(0)

    calm.get_by_role("button", name="Start again").click()
    wait_for_picture(desktop(calm, "terminal"))
    assert demo.server("terminal")["ready"]


def runners(demo: Demo) -> list[psutil.Process]:
    """The first processes of the demo's sessions."""
    found = []
    for child in psutil.Process(demo.hub_pid()).children():
        with suppress(psutil.Error):
            if "streamspace_proxy.local" in child.cmdline():
                found.append(child)
    return found


def click_and_hold(page: Page, demo: Demo) -> psutil.Process:
    """Click Terminal's tile and halt the session's first process, as on a machine that is slow to start it."""
    before = runners(demo)
    tile(page, "Terminal").click()
    runner: psutil.Process = eventually(
        lambda: next((one for one in runners(demo) if one not in before), None), "the session's first process"
    )
    runner.suspend()
    return runner


@pytest.fixture
def stopped(demo: Demo) -> None:
    """Terminal does not run; asked for before `calm`, JupyterLab knows it."""
    if demo.server("terminal"):
        demo.stop("terminal")


def test_slow_start_shows_how_it_goes(stopped: None, calm: Page, demo: Demo) -> None:
    runner = click_and_hold(calm, demo)
    curtain = calm.locator(".streamspace-Curtain")
    expect(curtain.get_by_role("heading", name="Starting Terminal")).to_be_visible()
    expect(curtain.get_by_role("status")).to_have_text("Starting a desktop with Terminal.")
    expect(curtain.get_by_role("progressbar", name="Starting Terminal")).to_have_attribute("value", "30")
    runner.resume()
    wait_for_picture(desktop(calm, "terminal"))
    expect(curtain).to_be_hidden()


def test_failed_start_says_why_and_can_be_tried_again(stopped: None, calm: Page, demo: Demo) -> None:
    fail_and_try_again(calm, demo)


def test_failed_start_of_what_the_page_believed_to_run_says_why(terminal: str, calm: Page, demo: Demo) -> None:
    demo.stop(terminal)
    fail_and_try_again(calm, demo)


def fail_and_try_again(calm: Page, demo: Demo) -> None:
    """Have the start fail, read the reason, and start again."""
    click_and_hold(calm, demo).kill()
    alert = calm.locator(".streamspace-Curtain").get_by_role("alert")
    expect(alert.get_by_role("heading", name="Terminal could not be started")).to_be_visible()
    expect(alert).to_contain_text("Terminal ended while it was starting. Try again; the hub's log says why it ended.")
    assert not demo.server("terminal")
    alert.get_by_role("button", name="Try again").click()
    wait_for_picture(desktop(calm, "terminal"))
    assert demo.server("terminal")["ready"]


def test_tab_is_back_after_a_reload_of_the_page(calm: Page, demo: Demo, terminal: str) -> None:
    calm.get_by_role("menuitem", name="File", exact=True).click()
    calm.locator(".lm-Menu-item", has_text="New").first.hover()
    calm.locator(".lm-Menu-item", has_text="Desktop apps").hover()
    # JupyterLab has a terminal of its own in the menu before.
    ours = calm.locator(".lm-Menu-content", has=calm.locator(".lm-Menu-item", has_text="GIMP")).last
    ours.locator(".lm-Menu-item", has_text="Terminal").click()
    wait_for_picture(desktop(calm, terminal))
    started = demo.server(terminal)["started"]
    wait_for_saved_tab(calm, "terminal")
    calm.goto(f"{demo.url}/user/demo/lab")
    wait_for_picture(desktop(calm, terminal))
    assert demo.server(terminal)["started"] == started


def test_file_opens_in_gimp_which_starts_with_it_and_then_takes_another(calm: Page, demo: Demo) -> None:
    if demo.server("gimp"):
        demo.stop("gimp")
    folder = home(demo) / "pictures of mine"
    folder.mkdir()
    for name in ("first.png", "second.png"):
        Image.new("RGB", (64, 48), "orange").save(folder / name)
    owner = home(demo).stat()
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, owner.st_uid, owner.st_gid)

    def open_with_gimp(name: str) -> None:
        calm.locator(".jp-DirListing-item", has_text=name).click(button="right")
        calm.locator(".lm-Menu-item", has_text="Open With").first.hover()
        calm.locator("#jp-contextmenu-open-with .lm-Menu-item", has_text="GIMP").click()

    calm.goto(f"{demo.url}/user/demo/lab/tree/pictures of mine?reset")
    tile(calm, "GIMP").wait_for(timeout=PATIENCE * 1000)
    open_with_gimp("first.png")
    wait_for_picture(desktop(calm, "gimp"))
    eventually(lambda: "first" in window_names("gimp"), "GIMP to have the first file")
    open_with_gimp("second.png")
    eventually(lambda: "second" in window_names("gimp"), "GIMP to have the second file")
    demo.stop("gimp")


def test_dark_theme_is_dark_everywhere(calm: Page, demo: Demo, terminal: str) -> None:
    def brightness(place: Locator) -> float:
        colour = place.evaluate(
            """element => {
                 for (let at = element; at; at = at.parentElement) {
                   const colour = getComputedStyle(at).backgroundColor;
                   if (!/^rgba\\(.*, 0\\)$/.test(colour)) return colour;
                 }
               }"""
        )
        return sum(int(part) for part in colour.strip("rgba()").split(", ")[:3]) / 3

    def use_theme(name: str) -> None:
        calm.get_by_role("menuitem", name="Settings", exact=True).click()
        calm.locator(".lm-Menu-item", has_text="Theme").first.hover()
        calm.locator(".lm-Menu-item", has_text=name).first.click()

    tile(calm, "Terminal").click()
    wait_for_picture(desktop(calm, terminal))
    calm.get_by_role("tab", name="Desktop sessions").click()
    places = [calm.locator("#streamspace-sessions li").first, calm.locator(".streamspace-Status")]
    assert all(brightness(place) > 200 for place in places)
    try:
        use_theme("JupyterLab Dark")
        expect(calm.locator("body")).to_have_attribute("data-jp-theme-light", "false")
        for place in places:
            assert brightness(place) < 60
            text = place.evaluate("element => getComputedStyle(element).color")
            assert sum(float(part) for part in text.strip("rgba()").split(", ")[:3]) / 3 > 150
    finally:
        use_theme("JupyterLab Light")
