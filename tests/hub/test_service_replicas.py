"""Two replicas on one database: what one begins the other goes on with, and killing one loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from streamspace_hub.client import AsyncClient
from tests.support.event_stream import Events
from tests.support.hub import HUB_MAJOR
from tests.support.receiver import receiver
from tests.support.service import ADMIN, LIMIT, PREFIX, Api, ServiceHub, postgresql, replicas

pytestmark = [
    pytest.mark.hub,
    pytest.mark.x11,
    pytest.mark.asyncio(loop_scope="function"),
    pytest.mark.skipif(HUB_MAJOR < 6, reason="replicas share a database, whatever the hub: one version shows it"),
]

APP = {"app": "test-app"}


@contextlib.asynccontextmanager
async def database(kind: str) -> AsyncIterator[str | None]:
    if kind == "sqlite":
        yield None
        return
    async with postgresql() as server:
        yield server.url


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_killing_one_in_the_middle_of_requests_loses_no_answer_and_no_event(kind: str) -> None:
    async with database(kind) as url, replicas(2, url, STREAMSPACE_RATE_LIMIT="100000") as (running, (first, second)):
        one, two = await running.api(running.ann, first.url), await running.api(running.ann, second.url)
        admin = await running.api(ADMIN, second.url)
        events = Events(one, two)
        await events.begin()
        answered: list[str] = []

        async def choose() -> None:
            """Change the settings, over and over, at whichever replica answers."""
            for number in range(60):
                api = (one, two)[number % 2]
                with contextlib.suppress(httpx.TransportError):
                    await change(api, f"/users/{running.ann}/settings", [f"n{number}"], answered)

        changing = asyncio.create_task(choose())
        key = {"Idempotency-Key": "start-one"}
        begun = asyncio.create_task(one("POST", "/sessions", json=APP | {"name": "one"}, headers=key))
        while not answered or not await known_to_hub(running.hub, running.ann, "one"):
            await asyncio.sleep(0.01)
        first.kill()
        with contextlib.suppress(httpx.TransportError):
            await begun
        again = await until_done(two, "/sessions", APP | {"name": "one"}, key)
        assert again.status_code in (200, 202), again.text
        await two.until(f"/sessions/{running.ann}/one", "running")
        await changing
        await asyncio.wait_for(events.until("running"), LIMIT)
        # The same as who has asked the surviving replica for all of them: none is missing, none came twice.
        told = Events(two)
        await told.begin(last="0")
        await asyncio.wait_for(told.until("running"), LIMIT)
        await told.end()
        assert events.seen == told.seen
        verdict = (await admin("GET", "/audit/verify")).json()
        assert verdict["intact"], verdict
        lines = (await admin("GET", "/audit", params={"action": "settings.write", "limit": 500})).json()["events"]
        written = {line["details"]["favorites"][-1] for line in lines}
        assert set(answered) <= written, "what was answered for is in the log"
        assert len(answered) > 10
        await events.end()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_both_replicas_say_the_same(kind: str) -> None:
    quota = 'c.StreamSpace.quotas = {"default": {"sessions": 1}}'
    async with database(kind) as url, replicas(2, url, quota) as (running, (first, second)):
        one, two = await running.api(running.ann, first.url), await running.api(running.ann, second.url)
        key = {"Idempotency-Key": "k"}
        started = await one("POST", "/sessions", json=APP, headers=key)
        assert started.status_code == 202
        replayed = await two("POST", "/sessions", json=APP, headers=key)
        assert (replayed.json(), replayed.headers["idempotency-replayed"]) == (started.json(), "true")
        await two.until(f"/sessions/{running.ann}/test-app", "running")
        # Each asks the hub at moments of its own, and a young session's last activity changes.
        async with asyncio.timeout(LIMIT):
            while (lists := [await api("GET", "/sessions") for api in (one, two)])[0].json() != lists[1].json():
                await asyncio.sleep(0.2)
        assert lists[0].headers["etag"] == lists[1].headers["etag"]
        admins = [await running.api(ADMIN, replica.url) for replica in (first, second)]
        found = [(await api("GET", "/sessions", params={"user": running.ann})).json()["total"] for api in admins]
        assert found == [1, 1]
        # What the hub refuses is noted once, by whoever was asked.
        full = await two("POST", "/sessions", json=APP | {"name": "second"})
        assert full.status_code == 409, full.text
        assert (await running.hub.request_start(running.ann, "third", APP)).status_code == 409
        async with asyncio.timeout(LIMIT):
            while (await running.hub.api("GET", "/streamspace/refusals", token=first.token)).json()["refusals"]:
                await asyncio.sleep(0.2)
        query = {"action": "session.create", "outcome": "denied"}
        lines = (await admins[0]("GET", "/audit", params=query)).json()["events"]
        assert sorted((line["target"].rpartition("/")[2], line["actor"], line["origin"]) for line in lines) == [
            ("second", f"user:{running.ann}", "127.0.0.1"),
            ("third", "service:test", "hub"),
        ]


async def test_a_rate_limit_is_that_of_both_together() -> None:
    async with replicas(2, STREAMSPACE_RATE_LIMIT="100") as (running, (first, second)):
        await asyncio.gather(*(until_they_are(2, running, replica.url) for replica in (first, second)))
        token = await running.token(running.ann)
        one, two = [Api(replica.url, token) for replica in (first, second)]
        begun, answers = time.monotonic(), [0, 0]
        # Until both refuse, as a load balancer hands requests out.
        while answers[-2:] != [429, 429]:
            answers += [(await api("GET", "/user")).status_code for api in (one, two)]
        minutes = (time.monotonic() - begun) / 60
        assert 100 <= answers.count(200) <= 100 * (1 + minutes), answers
        for api in (one, two):
            await api.client.aclose()
        second.end()
        await until_they_are(1, running, first.url)


async def until_they_are(count: int, running: ServiceHub, url: str) -> None:
    """Wait until the replica at `url` knows that so many live. Each question comes with a token of its own."""
    async with asyncio.timeout(LIMIT), httpx.AsyncClient(base_url=f"{url}{PREFIX}", timeout=LIMIT) as client:
        while True:
            headers = {"Authorization": f"Bearer {await running.token(ADMIN)}"}
            reply = await client.get("/metrics", headers=headers)
            if f"streamspace_service_replicas {count}.0" in reply.text.splitlines():
                return
            await asyncio.sleep(1)


async def test_a_database_that_goes_away_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    async with (
        receiver(tmp_path) as there,
        postgresql() as server,
        replicas(1, server.url, STREAMSPACE_WEBHOOKS=json.dumps([there.hook])) as (running, (only,)),
    ):
        ann, path = await running.api(running.ann, only.url), f"/users/{running.ann}/settings"
        answered: list[str] = []
        await change(ann, path, ["gimp"], answered)
        events = Events(ann)
        await events.begin()
        script = Script(only.url, await running.token(running.ann))
        async with running.hub.session(running.ann, "before"):
            await there.until("running", running.ann)
            await script.until("before", "running")
        await asyncio.to_thread(server.stop)
        keyed = APP | {"name": "keyed"}
        for request in (
            ann("GET", path),
            ann("GET", "/apps"),
            ann("GET", "/sessions"),
            ann("GET", "/events", params={"wait": 1}),
            ann("POST", "/sessions", json=keyed, headers={"Idempotency-Key": "away"}),
            ann("POST", "/sessions", json=APP | {"name": "plain"}),
        ):
            away = await request
            assert away.status_code == 503, away.text
            assert away.json()["type"].endswith(":unavailable")
            assert int(away.headers["retry-after"]) >= 1
        for name in ("keyed", "plain"):
            assert not await known_to_hub(running.hub, running.ann, name), "nothing was begun"
        health = await ann("GET", "/health")
        assert (health.status_code, health.json()["database"], health.json()["hub"]) == (503, False, True)
        await running.hub.start_server(running.ann, "meanwhile", APP)
        assert (await running.hub.request_start(running.ann, "refused", {"app": "no-such-app"})).status_code == 400
        await asyncio.to_thread(server.start)
        back = await ann("GET", path)
        assert (back.status_code, back.json()["favorites"]) == (200, ["gimp"])
        # What has happened meanwhile is found, and told: to who follows, to webhooks, and in the ledger.
        begun = await ann("POST", "/sessions", json=keyed, headers={"Idempotency-Key": "away"})
        assert (begun.status_code, "idempotency-replayed" in begun.headers) == (202, False)
        for name in ("meanwhile", "keyed"):
            await there.until("running", running.ann, name)
        async with asyncio.timeout(LIMIT):
            while not {("meanwhile", "running"), ("keyed", "running")} <= {(n, state) for _, n, state in events.seen}:
                await asyncio.sleep(0.05)
        await events.end()
        await script.until("meanwhile", "running")
        await script.end()
        admin, query = await running.api(ADMIN, only.url), {"action": "session.create", "outcome": "denied"}
        async with asyncio.timeout(LIMIT):
            while not (lines := (await admin("GET", "/audit", params=query)).json()["events"]):
                await asyncio.sleep(0.05)
        assert [(line["target"], line["origin"]) for line in lines] == [(f"{running.ann}/refused", "hub")]
        rows = csv.DictReader(io.StringIO((await ann("GET", "/usage/export")).text))
        assert sorted(row["session"] for row in rows) == ["before", "keyed", "meanwhile"]


async def test_a_hub_that_goes_away_in_the_middle_of_a_sign_in_is_waited_for() -> None:
    async with replicas(1) as (running, (only,)), httpx.AsyncClient(base_url=f"{only.url}{PREFIX}") as browser:
        begun = await browser.get("/")
        assert begun.status_code == 302
        back = {"state": httpx.URL(begun.headers["location"]).params["state"], "code": "made-up"}
        running.hub.kill()
        away = await browser.get("/oauth_callback", params=back)
        assert (away.status_code, away.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert int(away.headers["retry-after"]) >= 1
        assert "The hub cannot be reached. Load this page again in a moment." in away.text
        await running.hub.start()
        # The same page once more: what has begun is known, and the hub is asked again, which knows no such code.
        again = await browser.get("/oauth_callback", params=back)
        assert (again.status_code, "did not accept the sign-in" in again.text) == (403, True)


class Script:
    """What somebody has written with the SDK, to follow events for ever."""

    def __init__(self, url: str, token: str) -> None:
        self._seen: list[tuple[str, str]] = []
        self._task = asyncio.create_task(self._follow(url, token))

    async def until(self, name: str, state: str) -> None:
        """Wait until it has heard that a session is in `state`."""
        async with asyncio.timeout(LIMIT):
            while (name, state) not in self._seen:
                assert not self._task.done(), self._task.exception()
                await asyncio.sleep(0.05)

    async def end(self) -> None:
        """End it."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _follow(self, url: str, token: str) -> None:
        async with AsyncClient(url, token) as client:
            async for _, session in client.events():
                self._seen.append((session.name, session.state))


async def change(api: Api, path: str, favorites: list[str], answered: list[str]) -> None:
    """Change a user's settings; note what was answered for."""
    seen = await api("GET", path)
    done = await api("PUT", path, json={"favorites": favorites}, headers={"If-Match": seen.headers["etag"]})
    assert done.status_code == 200, done.text
    answered.append(favorites[-1])


async def known_to_hub(hub: Any, user: str, server: str) -> bool:
    """Return whether the hub has begun to start a server."""
    return await hub.server(user, server) is not None


async def until_done(api: Api, path: str, body: dict[str, str], headers: dict[str, str]) -> httpx.Response:
    """Send a POST again and again while the replica that was killed holds its key."""
    while True:
        reply = await api("POST", path, json=body, headers=headers)
        if reply.status_code != 409:
            return reply
        await asyncio.sleep(float(reply.headers["retry-after"]))
