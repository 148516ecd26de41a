"""Sleep through the hub: from a click on JupyterLab's tile to the first picture, and twenty put to sleep at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.async_api import Frame, Page, async_playwright

from streamspace_hub.catalog import is_installed, load_catalog
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
LOOK = 0.25
"""Seconds between two looks at what the service says: what asks more often meets its rate limit."""
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
            if is_installed(load_catalog().get(name).template):
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
    await _removed(ann, path)
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
        await asyncio.sleep(LOOK)


async def _removed(ann: Api, path: str) -> None:
    """Take a session off the list: the next one is to be the only one that runs."""
    deadline = time.monotonic() + LIMIT
    assert (await ann("DELETE", path)).status_code in (202, 204)
    while (reply := await ann("GET", path)).status_code != 404:
        assert time.monotonic() < deadline, reply.text
        await asyncio.sleep(LOOK)


async def _click(page: Page, hub: TempHub, user: str, title: str, name: str) -> tuple[float, float]:
    """Click an app's tile; returns when, and when its first picture was there, in seconds since 1970."""
    await page.goto(f"{hub.url}/user/{user}/lab?reset")
    await tile(page, title).wait_for()
    await page.wait_for_timeout(SETTLE)
    clicked = time.time()
    await tile(page, title).click()
    await (await _frame(page, name)).wait_for_function(SHOWN)
    return clicked, time.time()


async def _frame(page: Page, name: str) -> Frame:
    """Wait for the viewer page in JupyterLab's."""
    deadline = time.monotonic() + LIMIT
    while not (frames := [frame for frame in page.frames if f"/{name}/streamspace/" in frame.url]):
        assert time.monotonic() < deadline, [frame.url for frame in page.frames]
        await asyncio.sleep(0.02)
    return frames[0]


async def _parts(hub: TempHub, clicked: float, shown: float) -> dict[str, float]:
    """Tell where the time has gone, by when processes and sockets were made, and what the desktop says."""
    desktop = HubDesktop(hub)
    restored = (await desktop.status())["restored"]
    assert restored["ok"], restored
    began = min(_begun(desktop.processes()))
    answers = (desktop.runtime_dir / "desktop.sock").stat().st_ctime
    restore = sum(restored["seconds"].values())
    return dict(zip(PARTS, (began - clicked, answers - began - restore, restore, shown - answers), strict=True))


def _begun(pids: list[int]) -> Iterator[float]:
    """When each of these processes was started, in seconds since 1970; psutil counts from a whole second (btime)."""
    for pid in pids:
        with contextlib.suppress(OSError):  # gone meanwhile
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
            yield time.time() - age


async def _many() -> list[Figure]:
    """Put many terminals of one user to sleep, all at once."""
    async with service_hub(config=CONFIG) as running:
        ann, names = await running.api(running.ann), [f"many-{number}" for number in range(AT_ONCE)]
        for name in names:
            await running.hub.start_server(running.ann, name, {"app": "terminal"})
        await _each(ann, lambda session: session["memory"] is True)
        ann.client.timeout = LIMIT
        began = time.monotonic()
        asleep = asyncio.create_task(_each(ann, lambda session: session["state"] == "sleeping"))
        await asyncio.gather(*(_to_sleep(ann, f"/sessions/{running.ann}/{name}") for name in names))
        samples = [when - began for when in await asleep]
    what = f"{AT_ONCE} sessions put to sleep at once"
    return [
        _figure(f"{what}: each asleep after", samples, app="terminal"),
        Figure(f"{what}: all asleep", "streamspace", "s", max(samples), conditions={"app": "terminal"}),
    ]


async def _each(ann: Api, wanted: Callable[[dict[str, Any]], bool]) -> list[float]:
    """Wait until all of a user's sessions are as wanted; return when each was seen to be, by the monotonic clock."""
    found: dict[str, float] = {}
    deadline = time.monotonic() + LIMIT
    while len(found) < AT_ONCE:
        assert time.monotonic() < deadline, sorted(found)
        await asyncio.sleep(LOOK)
        reply = await ann("GET", "/sessions")
        assert reply.status_code == 200, reply.text
        now = time.monotonic()
        found = {one["name"]: now for one in reply.json()["sessions"] if wanted(one)} | found
    return list(found.values())


async def _to_sleep(ann: Api, path: str) -> None:
    """Put a session to sleep with its memory; what it is refused for a moment is asked again."""
    deadline = time.monotonic() + LIMIT
    while (reply := await ann("POST", f"{path}/hibernate")).status_code not in (200, 202):
        assert time.monotonic() < deadline, reply.text
        await asyncio.sleep(AT_ONCE * LOOK)  # as one of so many who ask
