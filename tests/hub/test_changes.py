"""`/hub/api/streamspace/changes` of a real hub: it tells of each change as it happens, and only to who may know."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio

from tests.support.hub import LIMIT
from tests.support.service import ADMIN, ServiceHub, service_hub

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ServiceHub]:
    async with service_hub() as found:
        yield found


@asynccontextmanager
async def listening(running: ServiceHub, token: str) -> AsyncIterator[list[dict[str, str]]]:
    """Give a list that grows by what the hub tells."""
    told: list[dict[str, str]] = []
    begun = asyncio.Event()

    async def listen() -> None:
        url = f"{running.hub.hub_url}/hub/api/streamspace/changes"
        async with (
            httpx.AsyncClient(timeout=None, headers={"Authorization": f"token {token}"}) as client,
            client.stream("GET", url) as reply,
        ):
            assert reply.status_code == 200
            async for line in reply.aiter_lines():
                begun.set()
                if line.startswith("data:"):
                    told.append(json.loads(line.removeprefix("data:")))

    task = asyncio.create_task(listen())
    try:
        await asyncio.wait_for(begun.wait(), LIMIT)
        yield told
    finally:
        task.cancel()


async def until(told: list[dict[str, str]], count: int, server: str) -> list[str]:
    """Return the first `count` things that are told of a server."""
    async with asyncio.timeout(LIMIT):
        while len(found := [one["what"] for one in told if one["server"] == server]) < count:
            await asyncio.sleep(0.05)
    return found[:count]


async def test_a_start_and_a_stop_are_told_step_by_step(running: ServiceHub) -> None:
    async with listening(running, running.hub.token) as told:
        await running.hub.start_server(running.ann, "one", {"app": "test-app"})
        # The start has begun; it is not refused (once for the hook, once for the spawner); the server is ready.
        assert await until(told, 4, "one") == ["state", "accepted", "accepted", "state"]
        await running.hub.stop_server(running.ann, "one")
        assert (await until(told, 6, "one"))[4:] == ["state", "state"], "it stops, and has stopped"
        assert {one["user"] for one in told} == {running.ann}
        shown = next(one for one in told if one["what"] == "accepted")["model"]
        assert (shown["pending"], shown["ready"], shown["user_options"]) == ("spawn", False, {"app": "test-app"})


async def test_a_start_that_is_refused_is_never_accepted(running: ServiceHub) -> None:
    async with listening(running, running.hub.token) as told:
        refused = await running.hub.request_start(running.ann, "two", {"app": "no-such-app"})
        assert refused.status_code == 400
        assert await until(told, 3, "two") == ["state", "refused", "state"]
    admin = await running.api(ADMIN)
    query = {"action": "session.create", "outcome": "denied", "target": f"{running.ann}/two"}
    async with asyncio.timeout(LIMIT):
        while not (lines := (await admin("GET", "/audit", params=query)).json()["events"]):
            await asyncio.sleep(0.05)
    (line,) = lines
    assert (line["actor"], line["origin"], "no-such-app" in line["reason"]) == ("service:test", "hub", True)


async def test_only_who_could_find_out_is_told(running: ServiceHub) -> None:
    url = f"{running.hub.hub_url}/hub/api/streamspace/changes"
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 403
        for user in (running.ann, ADMIN):
            headers = {"Authorization": f"token {await running.token(user, ['read:servers!user'])}"}
            assert (await client.get(url, headers=headers)).status_code == 403
