"""The service with PostgreSQL: listing a thousand sessions, mixed requests, memory, an audit line, an event's way.

A quarter of the mixed requests write: settings, and orders that are refused, one of which the audit log keeps.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from sqlalchemy import text

from streamspace_hub.model import PolicyDefaults, resolve_policy
from streamspace_hub.model.api import Outcome
from streamspace_hub.model.layers import Who
from streamspace_hub.model.overrides import Overrides
from streamspace_hub.model.policy import Policies, policy_layers
from streamspace_hub.model.sleep import Ladder, SleepRules, resolve
from streamspace_hub.service.audit import Attempt, AuditLog
from streamspace_hub.service.database import Database
from streamspace_hub.service.metrics import Metrics
from streamspace_hub.service.tables import SessionRow
from tests.bench.report import Figure
from tests.support.hub import TempHub
from tests.support.service import ADMIN, Api, ServiceHub, postgresql, replicas

SESSIONS = 1000
LISTS = 100
MANY, MANY_LISTS = 1_000_000, 20
MIXED = 1500
AT_ONCE = 16
LINES = 200
PAGE = 8192
"""Bytes of a page of PostgreSQL's log."""
EVENTS = 10
GROUPS, USERS, MEMBER_OF = 100, 2000, 10


@dataclass(frozen=True)
class Request:
    """One of the mix, and the status of its answer."""

    method: str
    path: str
    by_admin: bool = False
    status: int = 200
    writes: bool = False


ORDERS = (
    Request("PUT", "/users/{user}/settings", by_admin=True, writes=True),
    # Refused, which the audit log keeps.
    Request("POST", "/sessions/{user}/gimp/freeze", status=403, writes=True),
    Request("PUT", "/users/{user}/settings", by_admin=True, writes=True),
    # The hub knows no such session. Nothing is written, so it doesn't count as a write.
    Request("POST", "/sessions/{user}/gimp/freeze", by_admin=True, status=404),
    Request("PUT", "/users/{user}/settings", by_admin=True, writes=True),
)
READS = (
    Request("GET", "/sessions", by_admin=True),
    Request("GET", "/user"),
    Request("GET", "/apps/gimp"),
    Request("GET", "/audit", by_admin=True),
    Request("GET", "/sessions?app=gimp", by_admin=True),
)
MIX = (*(one for pair in zip(READS, ORDERS, strict=True) for one in pair), *READS)
"""An order after each read, and the reads once more: 4 of 15 write."""


def measure() -> Iterator[Figure]:
    """Resolve policies, and run one replica beside a hub."""
    given = {"groups": GROUPS, "users": USERS, "overrides": GROUPS + USERS, "groups_of_user": MEMBER_OF}
    yield _figure("policy and ladder of an app resolved", "ms", given, samples=_resolutions())
    yield from asyncio.run(_all())


async def _all() -> list[Figure]:
    async with postgresql() as server, replicas(1, server.url, STREAMSPACE_RATE_LIMIT="1000000") as (running, (only,)):
        database = Database(server.url.replace("postgresql:", "postgresql+psycopg:"))
        try:
            await _fill(database)
            return [figure async for figure in _figures(running, only, database, server.folder)]
        finally:
            await database.close()


async def _figures(running: ServiceHub, only: Any, database: Database, folder: Path) -> AsyncIterator[Figure]:
    admin, ann = await running.api(ADMIN, only.url), await running.api(running.ann, only.url)
    given = {"database": "postgresql", "replicas": 1, "sessions": SESSIONS}
    for limit in (50, 200):
        samples = [await _timed(admin, "/sessions", limit=limit) for _ in range(LISTS)]
        yield _figure("listing sessions of all users", "ms", {**given, "page": limit}, samples=samples)
    samples = [await _list_everything(admin) for _ in range(10)]
    yield _figure("listing 1,000 sessions, all pages", "ms", {**given, "page": 200}, samples=samples)
    begun = time.perf_counter()
    await asyncio.gather(*(_mixed(admin, ann, number) for number in range(AT_ONCE)))
    rate = MIXED // AT_ONCE * AT_ONCE / (time.perf_counter() - begun)
    mix = {"at_once": AT_ONCE, "writes": f"{100 * sum(one.writes for one in MIX) // len(MIX)} %"}
    yield _figure("mixed requests", "1/s", {**given, **mix}, value=rate)
    memory = psutil.Process(only.process.pid).memory_info().rss / 1e6
    yield _figure("resident memory of a replica", "MB", given, value=memory)
    lines, rows, disk = await _audit(database, folder)
    yield _figure("audit line written and durable", "ms", {"database": "postgresql"}, samples=lines)
    yield _figure("the driver alone: a row written and durable", "ms", {"database": "postgresql"}, samples=rows)
    yield _figure("the disk alone: a page written and durable", "ms", {"page": "8 KiB"}, samples=disk)
    pairs = [(await _create(ann), await _hub_alone(running.hub, running.ann)) for _ in range(EVENTS)]
    yield _figure("session asked for: first answer", "ms", {}, samples=[ours for ours, _ in pairs])
    yield _figure("the same asked of the hub: accepted after", "ms", {}, samples=[alone for _, alone in pairs])
    more = [ours - alone for ours, alone in pairs]
    yield _figure("session asked for: longer than the hub takes alone", "ms", {}, samples=more)
    late = [await _event(running.hub, running.ann, ann, number) for number in range(EVENTS)]
    yield _figure("event after the hub knows, started elsewhere", "ms", {}, samples=late)
    await _fill_up(database)
    given = {"database": "postgresql", "replicas": 1, "sessions": MANY, "page": 50}
    for which, query in (("of all users", {}), ("with a text", {"search": "7654"})):
        samples = [await _timed(admin, "/sessions", limit=50, **query) for _ in range(MANY_LISTS)]
        yield _figure(f"listing sessions {which}", "ms", given, samples=samples)


def _figure(name: str, unit: str, conditions: dict[str, Any], **values: Any) -> Figure:
    return Figure(f"service: {name}", "streamspace", unit, conditions=conditions, **values)


def _resolutions() -> list[float]:
    """Return how long it takes to resolve what a user's sessions may do and when they sleep, with many rules, in ms."""
    policy, ladder = {"clipboard": "in", "max_fps": 30}, {"stop_after": 3600}
    groups, users = [f"group{one}" for one in range(GROUPS)], [f"user{one}" for one in range(USERS)]

    def tiers(rule: object) -> dict[str, dict[str, object]]:
        return {"groups": dict.fromkeys(groups, rule), "users": dict.fromkeys(users, rule)}

    policies, rules = Policies.model_validate(tiers(policy)), SleepRules.model_validate(tiers(ladder))
    overrides = Overrides.model_validate(tiers({"policy": policy, "sleep": ladder}))
    samples = []
    for user in users:
        who = Who(user, groups[:MEMBER_OF])
        begun = time.perf_counter()
        layers = policy_layers(PolicyDefaults(max_fps=25), PolicyDefaults(audio=False), policies, who)
        resolve_policy(*layers, overrides.policy(who))
        resolve(rules, Ladder(), who, admin=overrides.sleep(who))
        samples.append((time.perf_counter() - begun) * 1000)
    return samples


async def _fill(database: Database) -> None:
    async with database.writing() as session:
        session.add_all(
            SessionRow(
                user=f"user{number:04}", name="gimp", app="gimp", title="GIMP", state="stopped",
                url=f"/user/user{number:04}/gimp/streamspace/", started="2026-01-01T00:00:00Z", last_activity=None,
                message=None,
            )
            for number in range(SESSIONS)
        )  # fmt: skip


async def _fill_up(database: Database) -> None:
    """Make it a million sessions."""
    columns = "name, app, title, state, url, started"
    async with database.writing() as session:
        await session.execute(
            text(
                f"INSERT INTO sessions (\"user\", {columns}) SELECT 'many' || number, {columns} FROM sessions, "
                f"generate_series(1, {MANY - SESSIONS}) AS number WHERE \"user\" = 'user0000'"
            )
        )
        await session.execute(text("ANALYZE sessions"))


async def _timed(api: Api, path: str, **query: Any) -> float:
    begun = time.perf_counter()
    (await api("GET", path, params=query)).raise_for_status()
    return (time.perf_counter() - begun) * 1000


async def _list_everything(api: Api) -> float:
    begun, after, seen = time.perf_counter(), None, 0
    while True:
        page = (await api("GET", "/sessions", params={"limit": 200} | ({"after": after} if after else {}))).json()
        seen, after = seen + len(page["sessions"]), page["next"]
        if after is None:
            break
    assert seen == SESSIONS, seen
    return (time.perf_counter() - begun) * 1000


async def _mixed(admin: Api, ann: Api, first: int) -> None:
    """Send the mix over and over, from another place in it for each who asks."""
    user, tag = f"user{first:04}", (await admin("GET", f"/users/user{first:04}/settings")).headers["etag"]
    for number in range(MIXED // AT_ONCE):
        one = MIX[(first + number) % len(MIX)]
        body: dict[str, Any] = {}
        if one.method == "PUT":
            body = {"json": {"favorites": [f"app{number}"]}, "headers": {"if-match": tag}}
        reply = await (admin if one.by_admin else ann)(one.method, one.path.format(user=user), **body)
        assert reply.status_code == one.status, f"{one}: {reply.status_code} {reply.text}"
        if one.method == "PUT":
            tag = reply.headers["etag"]


async def _audit(database: Database, folder: Path) -> tuple[list[float], list[float], list[float]]:
    """Return how long each line takes, in ms, and by turns what nobody can do without: a commit, a page on the disk."""
    log, lines, rows, disk = AuditLog(database, Metrics()), [], [], []
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with await psycopg.AsyncConnection.connect(url) as alone:
        await alone.execute("CREATE TABLE alone (line text)")
        await alone.commit()
        with tempfile.TemporaryFile(dir=folder) as file:
            # As PostgreSQL's log: in a file that is as long as it will be, a page after the other.
            file.write(bytes(PAGE * LINES))
            os.fsync(file.fileno())
            for number in range(LINES):
                begun = time.perf_counter()
                await log.write(Attempt("user:bench", "bench", None, "127.0.0.1", "bench", Outcome.ALLOWED))
                lines.append(_since(begun))
                begun = time.perf_counter()
                await alone.execute("INSERT INTO alone VALUES ('a line')")
                await alone.commit()
                rows.append(_since(begun))
                begun = time.perf_counter()
                os.pwrite(file.fileno(), os.urandom(PAGE), number * PAGE)
                os.fdatasync(file.fileno())
                disk.append(_since(begun))
    return lines, rows, disk


def _since(begun: float) -> float:
    """Return the milliseconds since `begun`."""
    return (time.perf_counter() - begun) * 1000


async def _create(ann: Api) -> float:
    begun = time.perf_counter()
    session = (await ann("POST", "/sessions", json={"app": "test-app"})).json()
    taken = (time.perf_counter() - begun) * 1000
    path = f"/sessions/{session['user']}/test-app"
    await ann.until(path, "running")
    await ann("POST", f"{path}/stop")
    await ann.until(path, "stopped")
    return taken


async def _hub_alone(hub: TempHub, user: str) -> float:
    """Return how long the hub itself takes until it has accepted a start, in ms: what we add is the rest."""
    url, headers = f"{hub.hub_url}/hub/api/streamspace/changes", {"Authorization": f"token {hub.token}"}
    async with hub.client.stream("GET", url, headers=headers, timeout=None) as told:
        lines = told.aiter_lines()
        await anext(lines)
        begun = time.perf_counter()
        asked = asyncio.create_task(hub.request_start(user, "alone", {"app": "test-app"}))
        async for line in lines:
            if line.startswith("data:") and json.loads(line.removeprefix("data:"))["what"] == "accepted":
                break
        taken = (time.perf_counter() - begun) * 1000
    await asked
    await hub.until_ready(user, "alone")
    await hub.stop_server(user, "alone")
    return taken


async def _event(hub: TempHub, user: str, ann: Api, number: int) -> float:
    """Return how long after the hub calls a session ready its event arrives, in ms."""
    name, connected = f"event{number}", asyncio.Event()

    async def watch() -> float:
        async with ann.client.stream("GET", "/events") as stream:
            async for line in stream.aiter_lines():
                connected.set()
                if line.startswith("data:"):
                    session = json.loads(line.removeprefix("data:"))
                    if session["name"] == name and session["state"] == "running":
                        return time.perf_counter()
        raise AssertionError("the stream ended")

    watching = asyncio.create_task(watch())
    await connected.wait()
    await hub.request_start(user, name, {"app": "test-app"})
    while not ((await hub.server(user, name)) or {}).get("ready"):
        await asyncio.sleep(0.01)
    known = time.perf_counter()
    late = (await watching - known) * 1000
    await hub.stop_server(user, name)
    return max(late, 0.0)
