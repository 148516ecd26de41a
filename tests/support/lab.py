"""What a person does in the browser: sign in, click a tile, look at the desktop."""

from __future__ import annotations

from playwright.sync_api import Frame, Page

from tests.support.demo import Demo
from tests.support.waiting import PATIENCE, eventually


def sign_in(page: Page, demo: Demo, user: str = "demo") -> None:
    """Sign in and wait until JupyterLab's launcher shows its tiles."""
    page.goto(demo.url)
    page.fill("#username_input", user)
    page.fill("#password_input", demo.password)
    page.click("#login_submit")
    page.wait_for_url(f"**/user/{user}/lab**", timeout=PATIENCE * 1000)
    fresh_launcher(page, demo, user)


def fresh_launcher(page: Page, demo: Demo, user: str = "demo") -> None:
    """Load JupyterLab anew, without the tabs of the last visit, and wait for the launcher's tiles."""
    page.goto(f"{demo.url}/user/{user}/lab?reset")
    page.wait_for_selector(".jp-LauncherCard", timeout=PATIENCE * 1000)
    tile(page, "Desktop").wait_for(timeout=PATIENCE * 1000)


def tile(page: Page, title: str):  # type: ignore[no-untyped-def]
    """The launcher's tile of an app."""
    section = page.locator(".jp-Launcher-section", has_text="Desktop apps")
    return section.locator(".jp-LauncherCard", has_text=title).first


def desktop(page: Page, server: str, limit: float = PATIENCE) -> Frame:
    """The viewer page inside the desktop tab of `server`, once it is there."""
    for _ in range(int(limit * 20)):
        for frame in page.frames:
            if f"/{server}/streamspace/" in frame.url:
                return frame
        page.wait_for_timeout(50)
    raise AssertionError(f"no frame shows {server}: {[frame.url for frame in page.frames]}")


def wait_for_picture(frame: Frame | Page, limit: float = PATIENCE) -> None:
    """Wait until the viewer page has presented a picture."""
    frame.wait_for_function(
        "() => window.streamspace && window.streamspace.connected && window.streamspace.stats().frames > 0",
        timeout=limit * 1000,
    )


def wait_for_saved_tab(page: Page, app: str) -> None:
    """Wait until JupyterLab has written down that the app's tab is open: a reload brings back what is written down."""
    saved = """async app => {
      const { baseUrl } = JSON.parse(document.getElementById('jupyter-config-data').textContent);
      const headers = { 'X-XSRFToken': /_xsrf=([^;]*)/.exec(document.cookie)?.[1] ?? '' };
      const { data } = await (await fetch(`${baseUrl}lab/api/workspaces/default`, { headers })).json();
      return JSON.stringify(data?.['layout-restorer:data'] ?? {}).includes(`"streamspace:${app}"`);
    }"""
    eventually(lambda: page.evaluate(saved, app), f"the tab of {app} to be in JupyterLab's layout")
