"""What a user has of it: a drawing in GIMP that was never saved, put to sleep, woken by its tile, and undone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Frame, Page, async_playwright

from streamspace_hub.catalog import install_hint, is_installed, load_catalog
from tests.browser.test_activity import sign_in
from tests.support.chromium import ARGUMENTS
from tests.support.hub import AS_ROOT, ROOT
from tests.support.hub_desktop import HubDesktop
from tests.support.service import ServiceHub, service_hub
from tests.support.sleeping import CARET, changed, needs_memory, settled
from tests.support.streamer import Pixels
from tests.support.waiting import PATIENCE

GIMP = load_catalog().get("gimp").template
pytestmark = [
    pytest.mark.browser,
    pytest.mark.hub,
    pytest.mark.x11,
    pytest.mark.timeout(600),
    needs_memory,
    pytest.mark.skipif(not is_installed(GIMP), reason=install_hint(GIMP)),
    pytest.mark.skipif(not AS_ROOT, reason="a hub that is not root's puts the image into the home of whoever runs it"),
]
CONFIG = """
c.StreamSpace.memory_sleep = True
c.Spawner.default_url = "/lab"
c.Spawner.environment = {"JUPYTER_CONFIG_PATH": run["folder"] + "/etc"}
"""
BRUSH = ("n", "ctrl+0")
"""Keys of GIMP: the pencil, and the whole image in the window."""


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + 2 * PATIENCE
    while not await condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.2)


async def launcher(page: Page, running: ServiceHub) -> None:
    """Load JupyterLab anew, with its launcher."""
    await page.goto(f"{running.hub.url}/user/{running.ann}/lab?reset")
    await tile(page).wait_for()


def tile(page: Page):  # type: ignore[no-untyped-def]
    section = page.locator(".jp-Launcher-section", has_text="Desktop apps")
    return section.locator(".jp-LauncherCard", has_text="GIMP").first


async def shown(page: Page) -> Frame:
    """Wait until the tab shows a picture; return its frame."""
    found: list[Frame] = []

    async def there() -> bool:
        found[:] = [frame for frame in page.frames if "/gimp/streamspace/" in frame.url]
        return bool(found)

    await until(there, "the desktop's frame")
    await found[0].wait_for_function(
        "() => window.streamspace && window.streamspace.connected && window.streamspace.stats().frames > 0"
    )
    return found[0]


async def look(desktop: HubDesktop) -> Pixels:
    """Return the screen at rest, with the pointer, which GIMP draws a brush at, out of the way."""
    await desktop.x("xdotool", "mousemove", "2", "2")
    return await settled(desktop, 2)


def middle(picture: Pixels) -> Pixels:
    """Return the part of the screen that the image is in."""
    height, width = picture.shape[:2]
    return picture[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]


async def draw(desktop: HubDesktop) -> None:
    """Draw a stroke across the middle of the screen."""
    width, height = (int(word) for word in (await desktop.x("xdotool", "getdisplaygeometry")).split())
    await desktop.x("xdotool", "mousemove", str(2 * width // 5), str(2 * height // 5), "mousedown", "1")
    for step in range(1, 11):
        x, y = 2 * width // 5 + step * width // 50, 2 * height // 5 + step * height // 50
        await desktop.x("xdotool", "mousemove", str(x), str(y), "sleep", "0.05")
    await desktop.x("xdotool", "mouseup", "1")


async def in_lab(running: ServiceHub) -> dict[str, Any]:
    """Return the only session as JupyterLab's server lists it."""
    token = await running.token(running.ann)
    reply = await running.hub.get(f"/user/{running.ann}/streamspace/api/v1/sessions", token=token)
    (session,) = reply.json()["sessions"]
    return dict(session)


@pytest.fixture
async def running() -> AsyncIterator[ServiceHub]:
    async with service_hub(config=CONFIG) as found:
        folder = found.hub.folder / "etc" / "jupyter_server_config.d"
        folder.mkdir(parents=True)
        source = ROOT / "proxy" / "jupyter_server_config.d" / "streamspace_proxy.json"
        (folder / source.name).write_text(source.read_text())
        yield found


async def test_an_unsaved_drawing_and_its_undo_come_back_by_a_click(running: ServiceHub) -> None:
    hub, user = running.hub, running.ann
    ann, path = await running.api(user), f"/sessions/{user}/gimp"
    await hub.start_server(user, "", {})
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(2 * PATIENCE * 1000)
        await sign_in(context, hub)
        page = await context.new_page()
        await launcher(page, running)
        await tile(page).click()
        await shown(page)
        desktop = HubDesktop(hub)
        bare = await look(desktop)
        await desktop.x("xdotool", "key", "ctrl+n")
        await settled(desktop, 2)
        await desktop.x("xdotool", "key", "Return")

        async def has_image() -> bool:
            return changed(middle(bare), middle(await look(desktop))) > 5000

        await until(has_image, "a new image")
        for key in BRUSH:
            await desktop.x("xdotool", "key", key)
        blank = await look(desktop)
        await draw(desktop)
        drawn = await look(desktop)
        assert changed(middle(blank), middle(drawn)) > CARET, "nothing was drawn"

        assert (await in_lab(running))["memory"] is True
        reply = await ann("POST", f"{path}/hibernate")
        assert reply.status_code in (200, 202), reply.text
        asleep = await ann.until(path, "sleeping")
        assert asleep["asleep_bytes"] > 1_000_000
        assert desktop.processes() == []
        listed = await in_lab(running)
        assert (listed["state"], listed["asleep_bytes"]) == ("sleeping", asleep["asleep_bytes"])
        (hub.folder / "home" / user / "saved.txt").write_text("what was saved")
        for url in ("api/contents/saved.txt", "files/saved.txt"):
            reply = await hub.get(f"/user/{user}/{url}", token=await running.token(user))
            assert (reply.status_code, "what was saved" in reply.text) == (200, True), reply.text
        assert (await in_lab(running))["state"] == "sleeping", "its files were looked at, and it woke"

        await launcher(page, running)
        await tile(page).click()
        frame = await shown(page)
        desktop = HubDesktop(hub)
        woken = await look(desktop)
        assert changed(drawn, woken) <= CARET
        await frame.locator(".ss-surface").press("Control+z")

        async def undone() -> bool:
            return changed(middle(blank), middle(await look(desktop))) <= CARET

        await until(undone, "the stroke to be undone")
        await browser.close()
