"""JupyterLab as a server of a test's own hub, with the extension as it was built in this checkout."""

from __future__ import annotations

from playwright.async_api import BrowserContext, FrameLocator, Locator, Page

from tests.support.hub import ROOT, TempHub
from tests.support.jupyterlab import BUILT
from tests.support.waiting import PATIENCE

CONFIG = """
c.Spawner.environment = {
    "JUPYTER_PATH": run["folder"] + "/jupyter",
    "JUPYTER_CONFIG_PATH": run["folder"] + "/etc",
}
"""
"""Lines of the hub's configuration."""


async def open_lab(context: BrowserContext, hub: TempHub, user: str) -> Page:
    """Start JupyterLab for a user who has signed in; return its launcher."""
    assert BUILT.is_dir(), "The JupyterLab extension is not built: npm run build -w labextension"
    extensions, config = hub.folder / "jupyter" / "labextensions" / "@streamspace", hub.folder / "etc"
    (config / "jupyter_server_config.d").mkdir(parents=True)
    extensions.mkdir(parents=True)
    (extensions / "jupyterlab").symlink_to(BUILT)
    source = ROOT / "proxy" / "jupyter_server_config.d" / "streamspace_proxy.json"
    (config / "jupyter_server_config.d" / source.name).write_text(source.read_text())
    await hub.start_server(user, "", {})
    page = await context.new_page()
    await page.goto(f"{hub.url}/user/{user}/lab?reset")
    await page.locator(".jp-LauncherCard").first.wait_for(timeout=2 * PATIENCE * 1000)
    return page


def tile(page: Page, title: str) -> Locator:
    """The launcher's tile of an app."""
    section = page.locator(".jp-Launcher-section", has_text="Desktop apps")
    return section.locator(".jp-LauncherCard", has_text=title).first


def desktop(page: Page) -> FrameLocator:
    """The viewer page in the desktop tab."""
    return page.frame_locator("iframe.streamspace-Desktop-picture")
