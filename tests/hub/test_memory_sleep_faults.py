"""Sleep with memory by the ladder, and what comes of it when service or hub are killed half way."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from tests.hub.test_memory_sleep import CONFIG
from tests.support.hub import AS_ROOT, LIMIT
from tests.support.hub_desktop import HubDesktop
from tests.support.service import ADMIN, Api, ServiceHub, replicas, service_hub
from tests.support.sleeping import as_it_was, needs_memory, settled, type_text
from tests.support.streamer import Pixels

pytestmark = [
    pytest.mark.hub,
    pytest.mark.x11,
    pytest.mark.timeout(400),
    needs_memory,
    pytest.mark.skipif(not AS_ROOT, reason="a hub that is not root's puts images into the home of whoever runs tests"),
]


async def drawn(running: ServiceHub) -> tuple[HubDesktop, Pixels]:
    """Start a session in which something has been typed; return its desktop and what it shows."""
    await running.hub.start_server(running.ann, "one", {"app": "sleeper"})
    desktop = HubDesktop(running.hub)
    await desktop.running()
    await type_text(desktop, 30 * "not saved ")
    return desktop, await settled(desktop)


async def until(ann: Api, path: str, state: str) -> dict[str, Any]:
    """Wait until a session is in a state, through the end of whoever is asked."""
    deadline, seen = time.monotonic() + 3 * LIMIT, ""
    while time.monotonic() < deadline:
        try:
            reply = await ann("GET", path)
            seen = reply.text
            if reply.status_code == 200 and reply.json()["state"] == state:
                return dict(reply.json())
        except httpx.TransportError as error:
            seen = repr(error)
        await asyncio.sleep(0.2)
    raise AssertionError(f"{path} is not {state}: {seen}")


async def falling_asleep(desktop: HubDesktop) -> None:
    """Wait until a desktop's memory is being kept."""
    deadline = time.monotonic() + LIMIT
    while (await desktop.status())["sleep"]["state"] == "awake":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def wakes_as_it_was(running: ServiceHub, ann: Api, path: str, before: Pixels) -> None:
    """Check that the session sleeps, and comes back with what it showed."""
    assert (await until(ann, path, "sleeping"))["asleep_bytes"] > 0
    assert (await ann("POST", f"{path}/resume")).status_code == 202
    await until(ann, path, "running")
    await as_it_was(HubDesktop(running.hub), before)


async def test_the_ladder_puts_to_sleep_with_memory_and_says_so_in_the_audit_log() -> None:
    ladder = 'c.StreamSpace.sleep = {"default": {"hibernate_after": 30, "stop_after": 3600}}'
    async with service_hub(config=f"{CONFIG}\n{ladder}", prices={"session_hour": 1}) as running:
        ann, path = await running.api(running.ann), f"/sessions/{running.ann}/one"
        _, before = await drawn(running)
        await wakes_as_it_was(running, ann, path, before)
        admin = await running.api(ADMIN)
        lines = (await admin("GET", "/audit", params={"action": "session.hibernate"})).json()["events"]
        assert [(line["actor"], line["outcome"], line["reason"]) for line in lines] == [
            ("service:streamspace", "allowed", "nobody has used it for a while")
        ]


async def test_a_service_that_is_killed_half_way_goes_on_from_there() -> None:
    async with replicas(1, config=CONFIG) as (running, (replica,)):
        ann, path = await running.api(running.ann, replica.url), f"/sessions/{running.ann}/one"
        desktop, before = await drawn(running)
        asked = asyncio.create_task(ann("POST", f"{path}/hibernate"))
        await falling_asleep(desktop)
        replica.kill()
        with pytest.raises(httpx.TransportError):
            await asked
        assert (await running.hub.server(running.ann, "one")) is not None, "it had been stopped already"
        await replica.start()
        await wakes_as_it_was(running, ann, path, before)


async def test_a_hub_that_is_killed_half_way_is_told_when_it_is_back() -> None:
    async with replicas(1, config=CONFIG) as (running, (replica,)):
        ann, path = await running.api(running.ann, replica.url), f"/sessions/{running.ann}/one"
        desktop, before = await drawn(running)
        asked = asyncio.create_task(ann("POST", f"{path}/hibernate"))
        await falling_asleep(desktop)
        running.hub.kill()
        assert (await asked).status_code == 502
        await running.hub.start()
        await wakes_as_it_was(running, ann, path, before)
