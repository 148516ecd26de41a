"""Sleep through the hub: from a click on JupyterLab's tile to the first picture, and twenty put to sleep at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import psutil
from playwright.async_api import Page, async_playwright

from streamspace_hub.catalog import load_catalog
from tests.bench.report import Figure
from tests.browser.test_activity import sign_in
from tests.support import lab_on_hub
from tests.support.chromium import ARGUMENTS
from tests.support.hub import AS_ROOT, TempHub
from tests.support.hub_desktop import HubDesktop
from tests.support.lab_on_hub import open_lab, tile
from tests.support.service import Api, ServiceHub, service_hub
from tests.support.sleeping import settled, why_not
from tests.support.waiting import PATIENCE

APPS = ("terminal", "gimp")
TIMES = 5
SETTLE = 2000
"""Milliseconds that a newly loaded JupyterLab gets to come to rest."""
AT_ONCE = 20
LIMIT = 300.0
CONFIG = f"""
{lab_on_hub.CONFIG}
c.StreamSpace.memory_sleep = True
"""
SHOWN = "() => window.streamspace && window.streamspace.connected && window.streamspace.stats().frames > 0"
PARTS = ("hub", "session", "restore", "first frame")
"""From the click until the session's first process starts; from there until its desktop answers, without the restore;
the restore; and from there to the picture."""


def measure() -> Iterator[Figure]:
    """Wake two apps some times each, from memory and after a stop; then put many to sleep."""
    if (reason := why_not() or (None if AS_ROOT else "the hub is not root's")) is not None:
        print(f"wake: {reason}")
        return
    yield from asyncio.run(_wakes())
    yield from asyncio.run(_many())


async def _wakes() -> list[Figure]:
    figures = []
    async with service_hub(config=CONFIG) as running, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(2 * PATIENCE * 1000)
        await sign_in(context, running.hub)
        page = await open_lab(context, running.hub, running.ann)
        for name in APPS:
            figures += await _app(running, page, name)
        await browser.close()
    return figures


async def _app(running: ServiceHub, page: Page, name: str) -> list[Figure]:
    hub, user, title = running.hub, running.ann, load_catalog().get(name).template.title
    ann, path = await running.api(user), f"/sessions/{user}/{name}"
    await hub.start_server(user, name, {"app": name})
    samples: dict[str, list[float]] = {"memory": [], "a stop": []}
    parts: dict[str, list[float]] = {part: [] for part in PARTS}
    for _ in range(TIMES):
        await _used(hub)
        await _asleep(ann, path)
        clicked, shown = await _click(page, hub, user, title, name)
        samples["memory"].append(shown - clicked)
        for part, seconds in (await _parts(hub, clicked, shown)).items():
            parts[part].append(seconds)
    for _ in range(TIMES):
        await _stopped(ann, path)
        clicked, shown = await _click(page, hub, user, title, name)
        samples["a stop"].append(shown - clicked)
    assert (await ann("DELETE", path)).status_code in (202, 204)
    return [
        *(
            _figure("wake: click to first picture", found, app=name, **{"from": what})
            for what, found in samples.items()
        ),
        *(_figure(f"wake from memory: {part}", found, app=name) for part, found in parts.items()),
    ]


def _figure(figure: str, samples: list[float], **conditions: str) -> Figure:
    return Figure(figure, "streamspace", "s", samples=samples, conditions=conditions)


async def _used(hub: TempHub) -> None:
    """Wait until the app is there and at rest."""
    desktop = HubDesktop(hub)
    await desktop.running()
    await settled(desktop, 3)


async def _asleep(ann: Api, path: str) -> None:
    reply = await ann("POST", f"{path}/hibernate")
    assert reply.status_code in (200, 202), reply.text
    await ann.until(path, "sleeping")


async def _stopped(ann: Api, path: str) -> None:
    """Stop a session. Less than a minute after waking it sleeps on then; a second stop gives its memory up."""
    deadline = time.monotonic() + LIMIT
    while (session := (await ann("GET", path)).json())["state"] != "stopped":
        assert time.monotonic() < deadline, session
        await ann("POST", f"{path}/stop")
        await asyncio.sleep(0.2)


async def _click(page: Page, hub: TempHub, user: str, title: str, name: str) -> tuple[float, float]:
    """Click an app's tile; returns when, and when its first picture was there, in seconds since 1970."""
    await page.goto(f"{hub.url}/user/{user}/lab?reset")
    await tile(page, title).wait_for()
    await page.wait_for_timeout(SETTLE)
    clicked = time.time()
    await tile(page, title).click()
    while not (frames := [frame for frame in page.frames if f"/{name}/streamspace/" in frame.url]):
        await asyncio.sleep(0.02)
    await frames[0].wait_for_function(SHOWN)
    return clicked, time.time()


async def _parts(hub: TempHub, clicked: float, shown: float) -> dict[str, float]:
    """Tell where the time has gone, by when processes and sockets were made, and what the desktop says."""
    desktop = HubDesktop(hub)
    restored = (await desktop.status())["restored"]
    assert restored["ok"], restored
    began = min(psutil.Process(pid).create_time() for pid in desktop.processes())
    answers = (desktop.runtime_dir / "desktop.sock").stat().st_ctime
    restore = sum(restored["seconds"].values())
    return dict(zip(PARTS, (began - clicked, answers - began - restore, restore, shown - answers), strict=True))


async def _many() -> list[Figure]:
    """Put many terminals of one user to sleep, all at once."""
    async with service_hub(config=CONFIG) as running:
        ann, names = await running.api(running.ann), [f"many-{number}" for number in range(AT_ONCE)]
        for name in names:
            await running.hub.start_server(running.ann, name, {"app": "terminal"})
        for name in names:
            await _keepable(ann, f"/sessions/{running.ann}/{name}")
        began = time.monotonic()

        async def put_to_sleep(name: str) -> float:
            path = f"/sessions/{running.ann}/{name}"
            deadline = began + LIMIT
            while (reply := await ann("POST", f"{path}/hibernate")).status_code not in (200, 202):
                assert time.monotonic() < deadline, reply.text
                await asyncio.sleep(0.2)
            await ann.until(path, "sleeping")
            return time.monotonic() - began

        samples = await asyncio.gather(*map(put_to_sleep, names))
    what = f"{AT_ONCE} sessions put to sleep at once"
    return [
        _figure(f"{what}: each asleep after", samples, app="terminal"),
        Figure(f"{what}: all asleep", "streamspace", "s", max(samples), conditions={"app": "terminal"}),
    ]


async def _keepable(ann: Api, path: str) -> None:
    """Wait until the service knows that a session's memory can be kept."""
    deadline = time.monotonic() + LIMIT
    while (session := (await ann("GET", path)).json())["memory"] is not True:
        assert time.monotonic() < deadline, session
        await asyncio.sleep(0.5)
