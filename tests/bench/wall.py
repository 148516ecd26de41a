"""Admin's wall with two hundred sessions: what it costs the service and the browser while somebody looks.

The aim is less than half a core for each. Hub, proxy, service and browser are real; the sessions are simulated
(`wall_sessions`), with real pictures.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from playwright.async_api import Page, async_playwright, expect

from tests.bench.processes import cpu_seconds, tree
from tests.bench.report import Figure
from tests.bench.wall_sessions import PORT_VARIABLE
from tests.browser.test_activity import sign_in
from tests.support.chromium import ARGUMENTS
from tests.support.hub import ROOT, TempHub, free_ports
from tests.support.service import ADMIN, ServiceHub, service_hub

SESSIONS = 200
WATCH = 20.0
"""Seconds."""
SETTLE = 8.0
SCREENS = {"1920x1080": (1920, 1080), "1920x8000, all in view": (1920, 8000)}
CONFIG = f"""
sys.path.insert(0, {str(ROOT)!r})
from tests.bench.wall_sessions import SimulatedSpawner
c.JupyterHub.spawner_class = SimulatedSpawner
c.JupyterHub.concurrent_spawn_limit = 0
c.Spawner.poll_interval = 30
c.JupyterHub.load_roles.append(
    {{
        "name": "sees-all",
        "users": [{ADMIN!r}],
        "scopes": ["access:servers", "custom:streamspace:view", "access:services!service=streamspace"],
    }}
)
"""


def measure() -> Iterator[Figure]:
    """Put the sessions on the wall, and look at it on two screens."""
    yield from asyncio.run(_all())


async def _all() -> list[Figure]:
    (port,) = free_ports(1)
    os.environ[PORT_VARIABLE] = str(port)
    command = [sys.executable, "-m", "tests.bench.wall_sessions", str(port)]
    sessions = subprocess.Popen(command, cwd=ROOT)
    try:
        async with service_hub(config=CONFIG) as running:
            await _fill(running.hub)
            return [figure async for figure in _looked_at(running)]
    finally:
        sessions.kill()
        sessions.wait()


async def _fill(hub: TempHub) -> None:
    users = [f"bench-{number:03}" for number in range(SESSIONS)]
    (await hub.api("POST", "/users", json={"usernames": users})).raise_for_status()
    at_once = asyncio.Semaphore(8)

    async def start(user: str) -> None:
        async with at_once:
            await hub.start_server(user, "desktop", {"app": "test-app"})

    await asyncio.gather(*(start(user) for user in users))


async def _looked_at(running: ServiceHub) -> AsyncIterator[Figure]:
    assert running.hub.process is not None
    (service,) = [one for one in tree(running.hub.process.pid) if "streamspace_hub.service" in one.cmdline()]
    for name, (width, height) in SCREENS.items():
        async with _wall(running.hub, width, height) as (page, browser):
            await asyncio.sleep(SETTLE)
            seen, before = await _pictures(page), _spent(service, browser)
            await asyncio.sleep(WATCH)
            spent, rate = _spent(service, browser), (await _pictures(page) - seen) / WATCH
            shown = await page.locator(".wall img.picture").count()
            given = {"sessions": SESSIONS, "screen": name, "shown": shown, "pictures a second": round(rate, 1)}
            for part, seconds in spent.items():
                share = (seconds - before[part]) / WATCH * 100
                yield Figure(f"wall: {part} CPU", "streamspace", "% of a core", value=share, conditions=given)


def _spent(service: psutil.Process, browser: psutil.Process) -> dict[str, float]:
    """Return the processor time so far of each, in seconds."""
    return {"service": cpu_seconds([service]), "browser": cpu_seconds(tree(browser.pid))}


@asynccontextmanager
async def _wall(hub: TempHub, width: int, height: int) -> AsyncIterator[tuple[Page, psutil.Process]]:
    """Open the wall in a browser of its own."""
    known = {one.pid for one in psutil.Process().children(recursive=True)}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        new = [one for one in psutil.Process().children(recursive=True) if one.pid not in known]
        process = min((one for one in new if _is_chromium(one)), key=psutil.Process.create_time)
        context = await browser.new_context(locale="en-GB", viewport={"width": width, "height": height})
        await sign_in(context, hub, ADMIN)
        page = await context.new_page()
        await page.add_init_script("performance.setResourceTimingBufferSize(1_000_000)")
        await page.goto(f"{hub.url}/services/streamspace/#admin")
        await expect(page.locator(".wall .card")).to_have_count(SESSIONS, timeout=60_000)
        await page.locator(".wall img.picture").first.wait_for(timeout=60_000)
        # As much of the wall as fits.
        await page.locator(".wall").evaluate("wall => wall.scrollIntoView()")
        yield page, process
        await browser.close()


def _is_chromium(process: psutil.Process) -> bool:
    try:
        return Path(process.exe()).name == "chromium"
    except psutil.Error:
        return False


async def _pictures(page: Page) -> int:
    """Return how many pictures the page has fetched so far."""
    fetched: Any = await page.evaluate(
        "performance.getEntriesByType('resource').filter(one => one.name.endsWith('/thumbnail')).length"
    )
    return int(fetched)
