"""Every built-in app put to sleep and woken, for real; fills in docs/explanation/sleep.md which of them live on."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from streamspace_hub.catalog import install_hint, is_installed, load_catalog
from streamspace_hub.model import AppTemplate
from streamspace_hub.model.app import MemorySleep
from tests.session.test_builtin_apps import ALL_APPS, LIMIT, fills_the_screen, look
from tests.session.test_sleep import CONTAINER
from tests.support.running import Running, run_desktop
from tests.support.sleep_table import TABLE, Row, written
from tests.support.sleeping import USER, YES, another, as_it_was, needs_memory, settled

pytestmark = [pytest.mark.x11, pytest.mark.timeout(500), needs_memory]
CATALOG = load_catalog()


@dataclass(frozen=True)
class Use:
    """What of an app is used, and how: words for xdotool."""

    do: Sequence[Sequence[str]] = ()
    """One after the other, once the screen is at rest: they change something on it that is not saved."""
    then: Sequence[str] = ()
    """Changes it once more when it was woken."""
    name: str = ""
    """Of the part of the app that its `arguments` start."""
    arguments: Sequence[str] = ()
    sandbox: bool = True
    """Whether the policy has it keep a sandbox of its own."""


TEXT = ("type", "not saved")
UNDO, DELETE = ("key", "ctrl+z"), ("key", "BackSpace")
RECTANGLE = ("mousemove", "500", "300", "mousedown", "1", "mousemove", "650", "420", "mouseup", "1")
FORM = "data:text/html,<textarea autofocus rows=20 cols=80></textarea>"
USES = {
    "chromium": [Use(), Use([("type", 80 * "x")], UNDO, "without its sandbox", [FORM], sandbox=False)],
    "desktop": [Use([("key", "alt+F2")], ("key", "Escape"))],
    "firefox": [Use()],
    "gimp": [Use([("key", "ctrl+n")], ("key", "Escape"))],
    "inkscape": [Use([("key", "r"), RECTANGLE], UNDO)],
    "libreoffice": [
        Use([TEXT], UNDO, "Writer", ["--writer"]),
        Use([("type", "1234\n")], UNDO, "Calc", ["--calc"]),
        Use([("key", "Escape"), ("key", "ctrl+m")], UNDO, "Impress", ["--impress"]),
    ],
    "terminal": [Use([("type", 80 * "x")], ("key", "ctrl+u"))],
}


def test_every_app_is_tried_of_which_the_catalog_says_something() -> None:
    known = {name for name in CATALOG.apps if CATALOG.get(name).template.sleep.memory is not MemorySleep.UNTESTED}
    assert set(USES) == known


@pytest.mark.parametrize(("name", "use"), [(name, use) for name, uses in sorted(USES.items()) for use in uses])
async def test_an_app_sleeps_with_its_memory_or_goes_on_and_says_why(name: str, use: Use) -> None:
    template = CATALOG.get(name).template
    if not use.sandbox:
        template = template.unsandboxed
    if not is_installed(template):
        assert not ALL_APPS, install_hint(template)
        pytest.skip(install_hint(template))
    fields = template.model_dump(mode="json", exclude={"command"}) | {"sleep": YES}
    # Without its sandbox it sleeps in pods alone.
    where: dict[str, Any] = {"user": USER} if use.sandbox else {"program": CONTAINER}
    async with run_desktop(*template.command, *use.arguments, **where, **fields) as running:
        await shown(running)
        row = Row(", ".join(filter(None, (template.title, use.name))), version(template))
        if template.sleep.memory is MemorySleep.NO:
            found = await refused(running, row)
        else:
            found = await kept(running, use, row)
    if ALL_APPS:
        TABLE.write_text(written(TABLE.read_text(), [found]))


async def shown(running: Running) -> None:
    """Wait until the app fills the screen."""
    await running.until(lambda status: status["app"]["state"] == "running", LIMIT)
    environment = await running.environment()
    async with asyncio.timeout(LIMIT):
        while not fills_the_screen(await asyncio.to_thread(look, environment)):
            await asyncio.sleep(0.25)


async def kept(running: Running, use: Use, row: Row) -> Row:
    """Put an app to sleep and wake it: it is as it was, and takes input."""
    bare = await settled(running, 3)
    for step in use.do:
        await running.x("xdotool", *step)
        await settled(running, 2)
    before = await another(running, bare)
    image = running.home / "image"
    answer = await running.request("hibernate", folder=str(image))
    assert answer["ok"], answer
    size = (await running.until(lambda status: status["sleep"]["packed"]))["sleep"]["bytes"]
    await running.request("stop")
    assert await running.ended() == 0
    await running.nothing_left()
    running.start_again(STREAMSPACE_RESTORE=str(image))
    status = await running.running()
    assert status["restored"]["ok"], status
    await as_it_was(running, before)
    await running.x("xdotool", *use.then)
    await another(running, before)
    assert (await running.status())["app"]["state"] == "running"
    return Row(row.app, row.version, MemorySleep.YES, size)


async def refused(running: Running, row: Row) -> Row:
    """Ask for an app's sleep: it goes on, and says why."""
    before = await settled(running, 3)
    app = (await running.status())["app"]["pid"]
    answer = await running.request("hibernate", folder=str(running.home / "image"))
    assert not answer["ok"]
    status = await running.running()
    assert (status["app"]["pid"], status["sleep"]["state"]) == (app, "awake")
    assert (await running.request("check"))["why_not"] == answer["error"]
    await as_it_was(running, before)
    return Row(row.app, row.version, MemorySleep.NO)


def version(template: AppTemplate) -> str:
    """Return the version of an app's package, as its authors count."""
    package = template.command[0] if template.command[0] in template.packages else template.packages[0]
    asked = ("dpkg-query", "--show", "--showformat", "${source:Upstream-Version}", package)
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.partition("+")[0]
