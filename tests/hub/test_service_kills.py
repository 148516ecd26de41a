"""A replica is killed in the middle of any request: what it answered holds, and what is sent again is done once."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import random
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import httpx
import pytest

from streamspace_hub.model.api import AuditEvent
from streamspace_hub.model.chain import ChainCheck
from tests.support.event_stream import Events
from tests.support.hub import HUB_MAJOR
from tests.support.service import ADMIN, LIMIT, Api, Replica, ServiceHub, postgresql, replicas

pytestmark = [
    pytest.mark.hub,
    pytest.mark.x11,
    pytest.mark.asyncio(loop_scope="function"),
    pytest.mark.skipif(HUB_MAJOR < 6, reason="replicas share a database, whatever the hub: one version shows it"),
]

ROUNDS = 2
SPREAD = 0.25
"""Seconds within which all requests of a round begin; at the end of them the replica is killed."""
LIVES = {
    "a": ["stopped", "removed"],
    "b": ["removed"],
    "f": ["frozen", "running"],
    "g": ["frozen", "running", "frozen"],
    "x": [],
    "made0": ["stopped"],
    "made1": [],
}
"""What becomes of each session after it runs, beside states that it only passes through."""


@dataclass
class Sent:
    """A request that is sent to the replica that is killed, and then again to the other one."""

    who: str
    method: str
    path: str
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    first: httpx.Response | None = None
    """What was answered before the kill."""

    async def send(self, api: Api) -> httpx.Response:
        """Send it."""
        return await api(self.method, self.path, json=self.body, headers=self.headers)

    async def until_killed(self, api: Api, after: float) -> None:
        """Send it to the replica that is killed."""
        await asyncio.sleep(after)
        with contextlib.suppress(httpx.TransportError):
            self.first = await self.send(api)
            assert self.first.is_success, f"{self.path}: {self.first.text}"

    async def again(self, api: Api) -> httpx.Response:
        """Send it once more, for as long as the one that was killed holds its key."""
        async with asyncio.timeout(LIMIT):
            while True:
                reply = await self.send(api)
                if reply.status_code != 409 or "retry-after" not in reply.headers:
                    return reply
                await asyncio.sleep(float(reply.headers["retry-after"]))


async def test_killed_in_the_middle_of_any_request() -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    async with postgresql() as server, replicas(2, server.url, STREAMSPACE_RATE_LIMIT="100000") as (running, both):
        apis = [
            {who: await running.api(name, one.url) for who, name in (("ann", running.ann), ("admin", ADMIN))}
            for one in both
        ]
        events = Events(*(of["ann"] for of in apis))
        await events.begin()
        await begin_sessions(running, apis[0]["ann"])
        cut = 0
        for number in range(ROUNDS):
            dying, living = number % 2, 1 - number % 2
            sent = await requests(running, apis[living], number)
            await kill_during(sent, apis[dying], both[dying], chance)
            cut += sum(one.first is None for one in sent)
            coming = asyncio.create_task(both[dying].start())
            replies = await asyncio.gather(*(one.again(apis[living][one.who]) for one in sent))
            for one, reply in zip(sent, replies, strict=True):
                check(one, reply)
            await come_to_rest(running, apis[living]["ann"], number)
            await coming
        assert cut, "no request was cut off"
        await check_all(running, apis[0], events)


async def begin_sessions(running: ServiceHub, ann: Api) -> None:
    """Start `a` and `b`, which end, `f` and `g`, one of which is frozen at a time, and `x`, which is extended."""
    for name in "abfgx":
        reply = await ann("POST", "/sessions", json={"app": "test-app", "name": name})
        assert reply.status_code == 202, reply.text
    for name, verb, body in (("f", "thaw", None), ("g", "freeze", None), ("x", "extend", {"seconds": 60})):
        await ann.until(f"/sessions/{running.ann}/{name}", "running")
        async with asyncio.timeout(LIMIT):  # it answers before its screen is up
            while (await ann("POST", f"/sessions/{running.ann}/{name}/{verb}", json=body)).status_code != 200:
                await asyncio.sleep(0.1)
    for name in "ab":
        await ann.until(f"/sessions/{running.ann}/{name}", "running")


async def requests(running: ServiceHub, living: dict[str, Api], number: int) -> list[Sent]:
    """Return the requests of a round; all of them can be carried out at the same time."""
    user, mine = running.ann, f"/sessions/{running.ann}"
    frozen, awake = ("g", "f") if number % 2 == 0 else ("f", "g")

    def key(what: str) -> dict[str, str]:
        return {"Idempotency-Key": f"{what}-{number}"}

    async def change(who: str, path: str, body: dict[str, Any]) -> Sent:
        seen = await living[who]("GET", path)
        return Sent(who, "PUT", path, body, {"If-Match": seen.headers["etag"]})

    return [
        Sent("ann", "POST", "/sessions", {"app": "test-app", "name": made(number)}, key("create")),
        Sent("ann", "POST", f"{mine}/{made(number - 1)}/stop", headers=key("stop")),
        Sent("ann", "DELETE", f"{mine}/{made(number - 2)}"),
        Sent("ann", "POST", f"{mine}/{awake}/freeze", headers=key("freeze")),
        Sent("ann", "POST", f"{mine}/{frozen}/thaw", headers=key("thaw")),
        Sent("ann", "POST", f"{mine}/x/extend", {"seconds": 600 + number}, key("extend")),
        await change("ann", f"/users/{user}/settings", {"favorites": [f"round{number}"]}),
        await change("admin", f"/overrides/users/{user}", {"policy": {"max_fps": 20 + number}}),
        await change("admin", "/announcement", {"text": f"round {number}"}),
        Sent("admin", "GET", "/audit/export"),
        Sent("ann", "GET", "/usage/export"),
    ]


def made(number: int) -> str:
    """Return the name of the session that is started in a round, stopped in the next, and removed in the one after."""
    return {-2: "b", -1: "a"}.get(number, f"made{number}")


async def kill_during(sent: list[Sent], dying: dict[str, Api], replica: Replica, chance: random.Random) -> None:
    """Send all of them, each at a moment of its own, and kill the replica."""
    tasks = [asyncio.create_task(one.until_killed(dying[one.who], chance.uniform(0, SPREAD))) for one in sent]
    await asyncio.sleep(SPREAD)
    await asyncio.to_thread(replica.kill)
    await asyncio.gather(*tasks)


def check(sent: Sent, reply: httpx.Response) -> None:
    """Check what a request was answered with the second time: it was carried out, by whichever replica."""
    what = f"{sent.method} {sent.path}: {reply.status_code} {reply.text[:500]}"
    match sent.method:
        case "POST":
            assert reply.is_success, what
            if sent.first is not None:
                assert reply.headers["idempotency-replayed"] == "true", what
                assert (reply.status_code, reply.text) == (sent.first.status_code, sent.first.text), what
        case "PUT":
            # 412: it had been carried out, so that its version is not the current one any more.
            assert reply.status_code == (412 if sent.first is not None else reply.status_code), what
            assert reply.status_code in (200, 412), what
        case "DELETE":
            assert reply.status_code in (202, 204, 404), what
        case _:
            assert reply.status_code == 200, what


async def come_to_rest(running: ServiceHub, ann: Api, number: int) -> None:
    """Wait until all that was asked for in a round has happened."""
    mine = f"/sessions/{running.ann}"
    frozen, awake = ("g", "f") if number % 2 == 0 else ("f", "g")
    for name, state in (
        (made(number), "running"),
        (made(number - 1), "stopped"),
        (awake, "frozen"),
        (frozen, "running"),
    ):
        await ann.until(f"{mine}/{name}", state)
    async with asyncio.timeout(LIMIT):
        while (await ann("GET", f"{mine}/{made(number - 2)}")).status_code != 404:
            await asyncio.sleep(0.1)


async def check_all(running: ServiceHub, apis: dict[str, Api], events: Events) -> None:
    """Check that all was done once: by the sessions, their events, the ledger, and the audit log."""
    ann, admin = apis["ann"], apis["admin"]
    here = {one["name"] for one in (await ann("GET", "/sessions")).json()["sessions"]}
    assert here == {name for name, life in LIVES.items() if "removed" not in life}
    told = Events(ann)
    await told.begin(last="0")
    async with asyncio.timeout(LIMIT):
        while events.seen != told.seen or not told.seen:
            await asyncio.sleep(0.1)
    await told.end()
    await events.end()
    for name, life in LIVES.items():
        # While it is taken off the list, a session that ran may be seen as one that has stopped.
        passing = ("starting", "stopping", *(["stopped"] if "stopped" not in life else []))
        states = [state for _, of, state in told.seen if of == name and state not in passing]
        assert [state for state, _ in groupby(states)] == ["running", *life], name

    rows = list(csv.DictReader(io.StringIO((await ann("GET", "/usage/export")).text)))
    ran = [(row["session"], row["started"], row["seconds"]) for row in rows]
    assert sorted(name for name, _, _ in ran) == sorted(LIVES), ran

    copy = (await admin("GET", "/audit/export")).text.splitlines()
    chain, lines = ChainCheck(), [AuditEvent.model_validate_json(line) for line in copy]
    assert all(chain.add(line) for line in lines), chain.problem
    user = running.ann
    settings = [line.details["favorites"] for line in lines if line.action == "settings.write"]
    assert settings == [[f"round{number}"] for number in range(ROUNDS)]
    overrides = [line.details["policy"]["max_fps"] for line in lines if line.action == "override.write"]
    assert overrides == [20 + number for number in range(ROUNDS)]
    announced = [line.details["text"] for line in lines if line.action == "announcement.write"]
    assert announced == [f"round {number}" for number in range(ROUNDS)]
    assert (await ann("GET", f"/users/{user}/settings")).json()["favorites"] == ["round1"]
    assert (await ann("GET", "/announcement")).json()["text"] == "round 1"
