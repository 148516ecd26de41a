"""Maintenance: an administrator's sentence keeps sessions from starting, wherever a start is asked for."""

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

WHY = "The disks are being replaced."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ServiceHub]:
    async with service_hub() as found:
        yield found


async def announce(running: ServiceHub, **news: Any) -> None:
    admin = await running.api(ADMIN)
    read = await admin("GET", "/announcement")
    written = await admin("PUT", "/announcement", json=news, headers={"If-Match": read.headers["etag"]})
    assert written.status_code == 200, written.text


def maintenance(begins: datetime) -> dict[str, Any]:
    return {"begins": begins.isoformat(), "minutes": 90}


async def refused(running: ServiceHub, options: Any) -> str:
    """Return why the hub refuses a start, as soon as it does; it does not while it has not been told."""
    async with asyncio.timeout(LIMIT):
        while True:
            reply = await running.hub.request_start(running.ann, "more", options)
            if reply.status_code == 503:
                return str(reply.json()["message"])
            await running.hub.until_ready(running.ann, "more")
            await running.hub.stop_server(running.ann, "more")


async def test_nothing_starts_and_everybody_is_told_why(running: ServiceHub) -> None:
    ann, app = await running.api(running.ann), {"app": "test-app"}
    begins = datetime.now(UTC)
    async with running.hub.session(running.ann, "one"):
        await announce(running, text=WHY, maintenance=maintenance(begins))
        said = await refused(running, app)
        assert said == (
            f"Test app cannot start: {WHY} Try again after {begins + timedelta(minutes=90):%Y-%m-%d %H:%M UTC}."
        )
        over_rest = await ann("POST", "/sessions", json=app)
        assert (over_rest.status_code, over_rest.json()["detail"]) == (503, said)
        assert over_rest.json()["type"] == "urn:streamspace:problem:unavailable"
        assert int(over_rest.headers["retry-after"]) > 0
        # What JupyterLab's tile asks: its own server, which is no session, starts as always.
        await running.hub.start_server(running.ann, "", {})
        url = f"{running.hub.url}/user/{running.ann}/streamspace/api/v1/sessions"
        headers = {"Authorization": f"token {await running.token(running.ann)}"}
        async with asyncio.timeout(LIMIT):  # a busy hub shows the start before it refuses it
            while (by_tile := await running.hub.client.post(url, json=app, headers=headers)).status_code < 300:
                await asyncio.sleep(0.2)
        assert (by_tile.status_code, by_tile.json()["message"]) == (503, said)
        await running.hub.stop_server(running.ann, "")
        session = await ann("GET", f"/sessions/{running.ann}/one")
        assert session.json()["state"] == "running", "what runs goes on"


async def test_a_hub_that_was_restarted_is_told_again(running: ServiceHub) -> None:
    running.hub.kill()
    await running.hub.start()
    await until_up(running.hub.url, lambda: running.hub.log)
    assert WHY in await refused(running, {"app": "test-app"})


async def test_before_and_after_it_sessions_start(running: ServiceHub) -> None:
    for begins in (datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(hours=2)):
        await announce(running, text=WHY, maintenance=maintenance(begins))
        async with asyncio.timeout(LIMIT):
            while (await running.hub.request_start(running.bob, "one", {"app": "test-app"})).status_code == 503:
                await asyncio.sleep(0.2)
        await running.hub.until_ready(running.bob, "one")
        await running.hub.stop_server(running.bob, "one")
    ann = await running.api(running.ann)
    assert (await ann("GET", "/announcement")).json()["text"] == "", "it is over"


async def test_nobody_but_the_service_says_that_there_is_maintenance(running: ServiceHub) -> None:
    for token in (running.hub.token, await running.token(ADMIN), await running.token(running.ann)):
        reply = await running.hub.api("PUT", "/streamspace/announcement", token=token, json={"text": "x"})
        assert reply.status_code == 403
