"""Every built-in app whose catalog entry says that it sleeps with its memory: put to sleep and woken, for real."""

from __future__ import annotations

import asyncio

import pytest

from streamspace_hub.catalog import install_hint, is_installed, load_catalog
from streamspace_hub.model.app import MemorySleep
from tests.session.test_builtin_apps import LIMIT, fills_the_screen, look
from tests.support.running import run_desktop
from tests.support.sleeping import CARET, USER, changed, hibernate, needs_memory, settled

pytestmark = [pytest.mark.x11, pytest.mark.timeout(330), needs_memory]
CATALOG = load_catalog()
SLEEPERS = sorted(name for name in CATALOG.apps if CATALOG.get(name).template.sleep.memory is MemorySleep.YES)
DO = {
    "desktop": ("key", "alt+F2"),
    "gimp": ("key", "ctrl+n"),
    "inkscape": ("key", "r", "mousemove", "500", "300", "mousedown", "1", "mousemove", "650", "420", "mouseup", "1"),
    "terminal": ("type", 80 * "x"),
}
UNDO = {
    "desktop": ("key", "Escape"),
    "gimp": ("key", "Escape"),
    "inkscape": ("key", "ctrl+z"),
    "terminal": ("key", "ctrl+u"),
}
"""What is done for something to change on the screen, and once more when it was woken."""


@pytest.mark.parametrize("name", SLEEPERS)
async def test_an_app_wakes_as_it_was_and_takes_input(name: str) -> None:
    template = CATALOG.get(name).template
    if not is_installed(template):
        pytest.skip(install_hint(template))
    fields = template.model_dump(mode="json", exclude={"command"})
    async with run_desktop(*template.command, user=USER, **fields) as running:
        await running.until(lambda status: status["app"]["state"] == "running", LIMIT)
        environment = await running.environment()
        async with asyncio.timeout(LIMIT):
            while not fills_the_screen(await asyncio.to_thread(look, environment)):
                await asyncio.sleep(0.25)
        bare = await settled(running, 3)
        await running.x("xdotool", *DO[name])
        before = await settled(running, 2)
        assert changed(before, bare) > CARET, f"{DO[name]} has changed nothing"
        await hibernate(running, running.home / "image")
        running.start_again(STREAMSPACE_RESTORE=str(running.home / "image"))
        status = await running.running()
        assert status["restored"]["ok"], status
        assert changed(before, await settled(running, 1)) <= CARET
        await running.x("xdotool", *UNDO[name])
        assert changed(before, await settled(running, 1)) > CARET, "it takes no input"
