"""A first start that is refused leaves no session behind, though the hub writes its name down first."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.hub import LIMIT
from tests.support.service import ADMIN, ServiceHub, service_hub, until_up

pytestmark = [pytest.mark.hub, pytest.mark.x11]

APP = {"app": "test-app"}
CONFIG = """
import os
from streamspace_spawner import names
names.KEPT = 0.1 if os.path.exists(run["folder"] + "/forgetful") else 3600
c.StreamSpace.capacity = {"sessions": 1}
"""


async def names_at_hub(running: ServiceHub) -> set[str]:
    """Return what the hub has written down of ann's named servers."""
    model = (await running.hub.api("GET", f"/users/{running.ann}?include_stopped_servers=1")).json()
    return set(model["servers"]) - {""}


async def listed(running: ServiceHub, user: str) -> list[tuple[str, str]]:
    """Return the sessions that `user` sees, as user and name."""
    sessions = (await (await running.api(user))("GET", "/sessions")).json()["sessions"]
    return [(session["user"], session["name"]) for session in sessions]


async def test_who_was_never_let_in_has_no_session_and_no_name_and_who_was_keeps_both() -> None:
    async with service_hub(config=CONFIG) as running:
        hub, ann, bob = running.hub, running.ann, running.bob
        api = await running.api(ann)
        async with hub.session(bob, "one"):
            assert (await api("POST", "/sessions", json=APP)).status_code == 429
            assert (await hub.request_start(ann, "two", APP)).status_code == 429
            assert (await hub.request_start(ann, "bad", {"app": "no-such-app"})).status_code == 400
            assert await names_at_hub(running) == {"test-app", "two", "bad"}
            assert await listed(running, ann) == []
            assert await listed(running, ADMIN) == [(bob, "one")]
            assert (await api("GET", f"/sessions/{ann}/test-app")).status_code == 404
            (hub.folder / "forgetful").touch()
            hub.kill()
            await hub.start()
            await until_up(hub.url, lambda: hub.log)
            assert await names_at_hub(running) == {"test-app", "two", "bad"}
            assert await listed(running, ann) == [], "a hub that was restarted knows it, too"
            for name in ("test-app", "two", "bad"):  # with nothing that takes a place in the queue
                assert (await hub.request_start(ann, name, {"app": "no-such-app"})).status_code == 400
            async with asyncio.timeout(LIMIT):
                while await names_at_hub(running):
                    await asyncio.sleep(0.1)
            assert (await api("POST", "/sessions", json=APP)).status_code == 429
        async with asyncio.timeout(LIMIT):
            while (reply := await api("POST", "/sessions", json=APP)).status_code == 429:
                await asyncio.sleep(0.2)
        assert reply.status_code == 202, reply.text
        await api.until(f"/sessions/{ann}/test-app", "running")
        await hub.stop_server(ann, "test-app")
        audit = await (await running.api(ADMIN))("GET", "/audit", params={"target": f"{ann}/test-app", "limit": 100})
        told = [line["action"] for line in reversed(audit.json()["events"]) if line["actor"] is None]
        assert told[:2] == ["session.starting", "session.running"], "nothing is told of what never was"
        async with asyncio.timeout(LIMIT):
            while (await hub.request_start(bob, "one", APP)).status_code == 429:
                await asyncio.sleep(0.2)
        await hub.until_ready(bob, "one")
        assert (await hub.request_start(ann, "test-app", APP)).status_code == 429
        await hub.stop_server(bob, "one")
        assert await names_at_hub(running) == {"test-app"}
        assert await listed(running, ann) == [(ann, "test-app")]
