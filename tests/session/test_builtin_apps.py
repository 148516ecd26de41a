"""Every built-in app for real: started by the desktop as an ordinary user with an empty home, and looked at."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import numpy as np
import pytest
import xcffib
import xcffib.xproto
from streamspace_proxy.streamer import x11

from streamspace_hub.catalog import install_hint, is_installed, load_catalog
from streamspace_hub.model import AppTemplate
from tests.support.running import run_desktop

pytestmark = [pytest.mark.x11, pytest.mark.timeout(330)]

CATALOG = load_catalog()
ALL_APPS = os.environ.get("STREAMSPACE_TEST_ALL_APPS") == "1"
"""Set by `make test-apps`, which installs every app's packages."""
ALWAYS_INSTALLED = set(CATALOG.apps) if ALL_APPS else {"chromium", "desktop", "firefox", "gimp", "terminal"}
"""`make test` installs these five."""
LIMIT = 150.0
"""Seconds until the app's window must fill the screen: the slowest one (QGIS) needs 15 on two idle cores."""
SCREEN = (1280, 720)


def look(environment: dict[str, str]) -> tuple[tuple[int, int], float]:
    """Return the size of the largest window that a user sees, and the share of the screen that is not of one colour."""
    connection = x11.connect(environment["DISPLAY"], Path(environment["XAUTHORITY"]))
    try:
        core, root = connection.core, connection.get_setup().roots[0].root
        atom = core.InternAtom(False, len("_NET_CLIENT_LIST"), "_NET_CLIENT_LIST").reply().atom
        reply = core.GetProperty(False, root, atom, xcffib.xproto.Atom.WINDOW, 0, 1024).reply()
        sizes = [(0, 0)]
        for window in reply.value.to_atoms():
            try:
                shown = core.GetWindowAttributes(window).reply().map_state == xcffib.xproto.MapState.Viewable
                shape = core.GetGeometry(window).reply()
            except xcffib.xproto.WindowError:  # gone in the meantime: a splash screen
                continue
            except xcffib.xproto.DrawableError:
                continue
            if shown:
                sizes.append((shape.width, shape.height))
        picture = core.GetImage(xcffib.xproto.ImageFormat.ZPixmap, root, 0, 0, *SCREEN, 0xFFFFFF).reply()
        pixels = np.frombuffer(bytes(picture.data.buf()), np.uint32) & 0xFFFFFF
        commonest = np.unique(pixels, return_counts=True)[1].max()
        return max(sizes, key=lambda size: size[0] * size[1]), 1 - commonest / pixels.size
    finally:
        connection.disconnect()


def fills_the_screen(seen: tuple[tuple[int, int], float]) -> bool:
    """Whether a window (a terminal stops at whole characters) covers the screen and shows something."""
    (width, height), share = seen
    return width >= 0.95 * SCREEN[0] and height >= 0.95 * SCREEN[1] and share > 0.005


@pytest.mark.parametrize("name", sorted(CATALOG.apps))
async def test_a_built_in_app_fills_the_screen(name: str) -> None:
    template: AppTemplate = CATALOG.get(name).template
    if not is_installed(template):
        assert name not in ALWAYS_INSTALLED, install_hint(template)
        pytest.skip(install_hint(template))
    fields = template.model_dump(mode="json", exclude={"command"})
    user = "nobody" if os.geteuid() == 0 else None
    async with run_desktop(*template.command, user=user, **fields) as running:
        await running.until(lambda status: status["app"]["state"] == "running", LIMIT)
        environment = await running.environment()
        deadline = time.monotonic() + LIMIT
        while not fills_the_screen(seen := await asyncio.to_thread(look, environment)):
            assert time.monotonic() < deadline, f"seen last: {seen}; {running.logs()}"
            await asyncio.sleep(0.25)
        status = await running.status()
        assert status["app"]["state"] == "running", running.logs()
    await running.nothing_left()


async def test_files_of_a_template_come_into_the_home_and_never_replace_the_users() -> None:
    files = {".config/new/settings.ini": "made=1\n", "kept.txt": "of the template"}
    command = ("sh", "-c", "cat kept.txt .config/new/settings.ini > seen.txt; exec sleep 1000")
    async with run_desktop(*command, home_files={}) as running:
        await running.until(lambda status: status["app"]["pid"])
        (running.home / "kept.txt").write_text("of the user\n")
        home = {"HOME": str(running.home)}
        async with run_desktop(*command, env=home, home_files={**files, "../outside": "no"}) as second:
            await second.until(lambda status: status["app"]["pid"])
            seen = running.home / "seen.txt"
            for _ in range(100):
                if "made=1" in seen.read_text():
                    break
                await asyncio.sleep(0.02)
            assert seen.read_text() == "of the user\nmade=1\n"
            assert not (running.home.parent / "outside").exists()
            assert "../outside lies outside the home" in second.logs()
