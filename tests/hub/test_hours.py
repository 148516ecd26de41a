"""Quotas of hours, with a real hub and the service that counts them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.support.hub import LIMIT
from tests.support.service import ADMIN, ServiceHub, service_hub, until_up

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]

SECONDS = 5
CONFIG = f'c.StreamSpace.quotas = {{"default": {{"session_hours": {{"hours": {SECONDS / 3600}, "days": 1}}}}}}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ServiceHub]:
    async with service_hub(config=CONFIG) as found:
        yield found


async def hours(running: ServiceHub, user: str) -> dict[str, Any]:
    """Return what the service says of a user's hours."""
    api = await running.api(user)
    (limit,) = (await api("GET", f"/users/{user}/quota")).json()["limits"]
    return dict(limit)


async def refused(running: ServiceHub, user: str) -> str:
    """Return why a start is refused, as soon as it is; it is not while the hub has not been told."""
    async with asyncio.timeout(LIMIT):
        while True:
            reply = await running.hub.request_start(user, "more", {"app": "test-app"})
            if reply.status_code == 409:
                return str(reply.json()["message"])
            await running.hub.stop_server(user, "more")


async def test_a_start_is_refused_when_the_hours_are_used_up(running: ServiceHub) -> None:
    assert (await hours(running, running.ann))["used"] == 0
    async with running.hub.session(running.ann, "one"):
        async with asyncio.timeout(LIMIT):
            while (now := await hours(running, running.ann))["free_at"] is None:
                await asyncio.sleep(0.2)
    assert (now["kind"], now["days"], now["source"]) == ("session_hours", 1, "hub")
    assert now["used"] * 3600 >= SECONDS
    free = datetime.fromisoformat(now["free_at"])
    assert timedelta(hours=23) < free - datetime.now(UTC) <= timedelta(days=1)
    said = await refused(running, running.ann)
    assert said.startswith(
        "Test app cannot start: the quota of this hub is 0.00138889 session-hours in a day, used: 0.0."
    )
    assert f"free again on {free:%Y-%m-%d}" in said
    ann = await running.api(running.ann)
    answer = await ann("POST", "/sessions", json={"app": "test-app"})
    assert answer.status_code == 409
    assert "cannot start" in answer.json()["detail"], "the service hands on what the hub says"
    async with running.hub.session(running.bob, "one"):
        pass  # others have their own hours


async def test_a_hub_that_was_restarted_is_told_again(running: ServiceHub) -> None:
    running.hub.kill()
    await running.hub.start()
    await until_up(running.hub.url, lambda: running.hub.log)
    assert "cannot start" in await refused(running, running.ann)


async def test_nobody_but_the_service_says_what_was_used(running: ServiceHub) -> None:
    for token in (running.hub.token, await running.token(ADMIN), await running.token(running.ann)):
        reply = await running.hub.api("PUT", "/streamspace/usage", token=token, json={"users": {running.bob: []}})
        assert reply.status_code == 403
