"""What keeps a session awake and what does not, through a real hub, its real proxy and JupyterHub's own idle culler.

Six sessions at once, each used in another way, and the culler beside them: it ends just those that nobody uses.
"""

from __future__ import annotations

import asyncio
import textwrap
import time
from typing import Any

import httpx
import pytest
from playwright.async_api import BrowserContext, Page, async_playwright

from tests.support.chromium import ARGUMENTS
from tests.support.hub import TempHub, new_user, temp_hub
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.x11, pytest.mark.timeout(400)]

TIMEOUT = 60
"""Seconds after which the culler ends what was not used: far more than a report of activity takes to arrive."""
CONFIG = f"""
c.JupyterHub.last_activity_interval = 2
c.Spawner.environment = {{"JUPYTERHUB_ACTIVITY_INTERVAL": "2"}}
c.JupyterHub.services.append({{
    "name": "culler",
    "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout={TIMEOUT}", "--cull-every=2"],
}})
c.JupyterHub.load_roles.append({{
    "name": "culler", "services": ["culler"],
    "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
}})
"""
TICKING = "while :; do date; sleep 1; done"
APPS = {
    # The picture changes all the time, so that the page has something to acknowledge.
    "open-tab": (TICKING, ""),
    "hidden-tab": (TICKING, ""),
    "sound": ("pacat /dev/urandom", ""),
    "typing": ("cat", ""),
    "render": ("while :; do :; done", "policy: {busy_cpu: 0.05}"),
    "script": ("cat", ""),
}
IDLE = {"open-tab", "hidden-tab", "sound"}
HIDE = """
Object.defineProperty(document, 'hidden', { get: () => true });
Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' });
document.dispatchEvent(new Event('visibilitychange'));
"""


def write_apps(hub: TempHub) -> None:
    for name, (script, more) in APPS.items():
        template = f"""\
            name: {name}
            title: {name}
            command: [xterm, -e, sh, -c, {script!r}]
            {more}
            """
        (hub.folder / "apps" / f"{name}.yaml").write_text(textwrap.dedent(template))


async def sign_in(context: BrowserContext, hub: TempHub, user: str = "") -> None:
    page = await context.new_page()
    await page.goto(f"{hub.url}/hub/login?next=/hub/home")
    await page.fill("input[name=username]", user or hub.users[0])
    await page.fill("input[name=password]", "x")
    await page.click("input[type=submit], button[type=submit]")
    await page.wait_for_url("**/hub/home")
    await page.close()


async def opened(context: BrowserContext, hub: TempHub, name: str) -> Page:
    page = await context.new_page()
    await page.goto(f"{hub.url}/user/{hub.users[0]}/{name}/streamspace/?transport=websocket")
    await page.locator("#streamspace[data-state=connected]").wait_for(timeout=PATIENCE * 1000)
    return page


async def servers(hub: TempHub) -> dict[str, Any]:
    return dict((await hub.api("GET", f"/users/{hub.users[0]}")).json()["servers"])


async def say_busy(hub: TempHub, name: str) -> httpx.Response:
    """What a job does that is to keep its session awake."""
    token = await hub.user_token(hub.users[0])
    url = f"{hub.url}/user/{hub.users[0]}/{name}/streamspace/api/v1/activity"
    headers = {"Authorization": f"token {token}"}
    return await hub.client.post(url, headers=headers, json={"busy_for": 3600, "why": "a job of the test"})


async def test_only_use_keeps_a_session_from_the_idle_culler() -> None:
    async with temp_hub(new_user(), extra=CONFIG) as hub, async_playwright() as playwright:
        write_apps(hub)
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        context = await browser.new_context()
        await sign_in(context, hub)
        for name in APPS:
            await hub.start_server(hub.users[0], name, {"app": name})
        for name in ("open-tab", "hidden-tab", "sound"):
            page = await opened(context, hub, name)
            if name == "hidden-tab":
                await page.evaluate(HIDE)
        typing = await opened(context, hub, "typing")
        surface = typing.locator(".ss-surface")
        await surface.click()
        said = await say_busy(hub, "script")
        assert (said.status_code, said.json()["busy"]) == (200, "a job of the test"), said.text
        deadline = time.monotonic() + TIMEOUT + 2 * PATIENCE
        while IDLE & set(await servers(hub)):
            assert time.monotonic() < deadline, (await servers(hub), hub.log)
            await surface.press("a")
            await asyncio.sleep(0.5)
        left = await servers(hub)
        assert set(left) == set(APPS) - IDLE, hub.log
        # Each by its own merit: the hub has heard of use of all of them since they were started.
        assert all(one["last_activity"] > one["started"] for one in left.values()), left
        await browser.close()
