"""Quotas of hours, money and files, with a real hub and the service that counts them."""

from __future__ import annotations

import asyncio
import json
import pwd
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.hub import AS_ROOT, LIMIT, new_user
from tests.support.receiver import Receiver, receiver
from tests.support.service import ADMIN, ServiceHub, service_hub, until_up

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]

SECONDS = 5
MANY = {"hours": 1000, "days": 1}
QUOTAS: dict[str, dict[str, Any]] = {
    "default": {"session_hours": {"hours": SECONDS / 3600, "days": 1}},
    "groups": {
        "gpus": {"session_hours": MANY, "gpu_hours": {"hours": 1 / 3600, "days": 1}},
        "paid": {"session_hours": MANY, "budget": {"amount": SECONDS, "days": 1}},
        "small": {"session_hours": MANY, "storage": "8M"},
        "course": {"session_hours": MANY},
    },
    "together": {"course": {"budget": {"amount": 1, "days": 1}}},
}
PRICES = {"currency": "EUR", "session_hour": 3600}
CONFIG = f"""
c.StreamSpace.quotas = {QUOTAS}
c.JupyterHub.load_groups = {{name: {{"users": []}} for name in {list(QUOTAS["groups"])}}}
c.JupyterHub.load_roles.append({{"name": "grouper", "services": ["test"], "scopes": ["groups"]}})
with open(run["folder"] + "/apps/gpu-app.yaml", "w") as file:
    file.write('name: gpu-app\\ntitle: GPU app\\ncommand: [xterm]\\nresources: {{gpu: {{count: 1}}}}\\n')
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def there(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Receiver]:
    async with receiver(tmp_path_factory.mktemp("webhook")) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(there: Receiver) -> AsyncIterator[ServiceHub]:
    async with service_hub(config=CONFIG, prices=PRICES, webhooks=[there.hook]) as found:
        yield found


async def newcomer(running: ServiceHub) -> str:
    """Return a user who has used nothing yet."""
    name = new_user()
    running.hub.users.append(name)
    (await running.hub.api("POST", f"/users/{name}")).raise_for_status()
    return name


@asynccontextmanager
async def member(running: ServiceHub, user: str, group: str) -> AsyncIterator[None]:
    """Have a user in a group for a while."""
    path, body = f"/groups/{group}/users", {"users": [user]}
    (await running.hub.api("POST", path, json=body)).raise_for_status()
    try:
        yield
    finally:
        (await running.hub.api("DELETE", path, json=body)).raise_for_status()


async def hours(running: ServiceHub, user: str) -> dict[str, Any]:
    """Return what the service says of a user's hours."""
    api = await running.api(user)
    (limit,) = (await api("GET", f"/users/{user}/quota")).json()["limits"]
    return dict(limit)


async def limit_of(running: ServiceHub, user: str, kind: str) -> dict[str, Any] | None:
    """Return one limit of a user, as the service says it."""
    api = await running.api(user)
    limits = (await api("GET", f"/users/{user}/quota")).json()["limits"]
    return next((dict(one) for one in limits if one["kind"] == kind), None)


async def override(running: ServiceHub, path: str, wanted: dict[str, Any]) -> None:
    """Set an override as an administrator."""
    admin = await running.api(ADMIN)
    read = await admin("GET", f"/overrides/{path}")
    reply = await admin("PUT", f"/overrides/{path}", json=wanted, headers={"If-Match": read.headers["etag"]})
    assert reply.status_code == 200, reply.text


async def refused(running: ServiceHub, user: str, app: str = "test-app") -> str:
    """Return why a start is refused, as soon as it is; it is not while the hub has not been told."""
    async with asyncio.timeout(LIMIT):
        while True:
            reply = await running.hub.request_start(user, "more", {"app": app})
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


async def test_gpu_hours_bind_apps_with_a_gpu_alone(running: ServiceHub) -> None:
    bob = running.bob
    async with member(running, bob, "gpus"):
        async with running.hub.session(bob, "render", {"app": "gpu-app"}):
            async with asyncio.timeout(LIMIT):
                while (await limit_of(running, bob, "gpu_hours") or {})["free_at"] is None:
                    await asyncio.sleep(0.2)
        said = await refused(running, bob, "gpu-app")
        assert said.startswith("GPU app cannot start: the quota of group gpus is 0.000277778 GPU-hours in a day, used:")
        api = await running.api(bob)
        woken = await api("POST", f"/sessions/{bob}/render/resume")
        assert (woken.status_code, woken.json()["detail"][:20]) == (409, "GPU app cannot start")
        async with running.hub.session(bob, "draw"):
            pass


async def test_a_budget_is_told_at_its_thresholds_once_and_ends_starts_and_wakes(
    running: ServiceHub, there: Receiver
) -> None:
    eve, hub = await newcomer(running), running.hub
    api, admin = await running.api(eve), await running.api(ADMIN)

    async def alerts() -> list[dict[str, Any]]:
        """Return all alerts so far, as subscribers get them."""
        stream = await api("GET", "/events", params={"wait": 1}, headers={"Last-Event-ID": "0"})
        found = [one.partition("data: ")[2] for one in stream.text.split("\n\n") if one.startswith("event: budget")]
        return [json.loads(one) for one in found]

    async with member(running, eve, "paid"):
        async with hub.session(eve, "one"):
            async with asyncio.timeout(LIMIT):
                while len(await alerts()) < 2:
                    await asyncio.sleep(0.2)
        told = await alerts()
        assert [one["threshold"] for one in told] == [80, 100]
        assert {(one["user"], one["group"]) for one in told} == {(eve, "paid")}
        assert [one["used"] >= one["threshold"] / 100 * SECONDS for one in told] == [True, True]
        limit = await limit_of(running, eve, "budget")
        assert limit is not None
        assert (limit["limit"], limit["currency"], limit["days"], limit["alert"]) == (SECONDS, "EUR", 1, 100)
        said = await refused(running, eve)
        assert said.startswith("Test app cannot start: the budget of group paid is 5.00 EUR in a day, used: ")
        assert "Some is free again on " in said
        woken = await api("POST", f"/sessions/{eve}/one/resume")
        assert woken.status_code == 409
        assert "the budget of group paid is 5.00 EUR" in woken.json()["detail"]
        hub.kill()
        await hub.start()
        await until_up(hub.url, lambda: hub.log)
        assert "the budget of group paid" in await refused(running, eve), "the ledger is what counts"
        assert await alerts() == told, "nothing is told twice"
        async with asyncio.timeout(LIMIT):
            while (heard := [one["data"] for one in there.of(eve) if one["type"] == "budget"]) != told:
                assert len(heard) <= len(told)
                await asyncio.sleep(0.2)
        lines = (await admin("GET", "/audit", params={"action": "budget.alert"})).json()["events"]
        assert sorted(one["details"]["threshold"] for one in lines) == [80, 100]
        assert {one["target"] for one in lines} == {f"user:{eve}"}
        await override(running, f"users/{eve}", {"quota": {"budget": {"amount": 1000, "days": 1}}})
        limit = await limit_of(running, eve, "budget") or {}
        assert (limit["limit"], limit["source"], limit["alert"]) == (1000, "admin for user", None)
        async with asyncio.timeout(LIMIT):
            while (await hub.request_start(eve, "more", {"app": "test-app"})).status_code == 409:
                await asyncio.sleep(0.2)
        await hub.stop_server(eve, "more")
        await override(running, f"users/{eve}", {})


async def test_a_group_uses_its_budget_together(running: ServiceHub) -> None:
    one, other = await newcomer(running), await newcomer(running)
    async with member(running, one, "course"), member(running, other, "course"):
        assert (await limit_of(running, other, "budget") or {})["used"] == 0
        async with running.hub.session(one, "one"):
            async with asyncio.timeout(LIMIT):
                while (limit := await limit_of(running, other, "budget") or {})["used"] < 1:
                    await asyncio.sleep(0.2)
        assert (limit["group"], limit["together"], limit["alert"]) == ("course", True, 100)
        said = await refused(running, other)
    whose = "the budget of group course for all its members together"
    assert said.startswith(f"Test app cannot start: {whose} is 1.00 EUR in a day, used: ")
    assert "if no session of the group runs until then" in said


@pytest.mark.skipif(not AS_ROOT, reason="the home of whoever runs the tests is no user's own")
async def test_files_that_take_too_much_are_measured_when_a_session_ends(running: ServiceHub) -> None:
    bob, hub = running.bob, running.hub
    api = await running.api(bob)
    async with member(running, bob, "small"):
        async with hub.session(bob, "one"):
            large = Path(pwd.getpwnam(bob).pw_dir, "large")
            large.write_bytes(b"x" * 9 * 2**20)
        async with asyncio.timeout(LIMIT):
            while (limit := await limit_of(running, bob, "storage") or {}).get("used", 0) < 9 * 2**20:
                await asyncio.sleep(0.2)
        assert (limit["limit"], limit["source"], limit["group"]) == (8 * 2**20, "group", "small")
        shown = (await api("GET", f"/sessions/{bob}/one")).json()["storage"]
        assert shown == {"used": limit["used"], "limit": 8 * 2**20}
        said = await refused(running, bob)
        assert said.startswith("Test app cannot start: the quota of group small is 0.00781 GiB of files, in use: 0.00")
        assert (await api("POST", f"/sessions/{bob}/one/resume")).status_code == 409
        large.unlink()
        begun = await api("POST", "/sessions", json={"app": "test-app", "name": "one"})
        assert begun.status_code == 202, "who has removed files is let in at once"
        assert begun.json()["storage"]["limit"] == 8 * 2**20
        await hub.stop_server(bob, "one")


async def test_nobody_but_the_service_says_what_was_used(running: ServiceHub) -> None:
    for token in (running.hub.token, await running.token(ADMIN), await running.token(running.ann)):
        reply = await running.hub.api("PUT", "/streamspace/usage", token=token, json={"users": {running.bob: []}})
        assert reply.status_code == 403
