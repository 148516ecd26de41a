"""The ladder of sleep: one round over 5,000 sessions, and what that holds up in the service meanwhile."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from pydantic import SecretStr

from streamspace_hub.model.sleep import Ladder, SleepRules
from streamspace_hub.service.context import Context, make_context
from streamspace_hub.service.settings import ServiceSettings
from streamspace_hub.service.tables import SessionRow, SleepRow, WatchedRow
from tests.bench.report import Figure

SESSIONS = 5000
ROUNDS = 10
RULES = SleepRules(
    default=Ladder(freeze_after=3600, stop_after=86_400, quiet_hours=("22:00-06:00",)),
    groups={f"group{number}": Ladder(freeze_after=1800 + number) for number in range(20)},
)


def measure() -> Iterator[Figure]:
    """Measure rounds in one process of the service with SQLite."""
    yield from asyncio.run(_rounds())


async def _rounds() -> list[Figure]:
    async with _filled() as context:
        samples, held = [], []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            worst = asyncio.create_task(_longest_hold())
            await context.sleeping.round()
            samples.append((time.perf_counter() - begun) * 1000)
            worst.cancel()
            with suppress(asyncio.CancelledError):
                await worst
            held.append(_held.pop() * 1000)
    given = {"sessions": SESSIONS, "database": "sqlite"}
    return [
        Figure("ladder: one round", "streamspace", "ms", samples=samples, conditions=given),
        Figure("ladder: longest hold of the service's event loop", "streamspace", "ms", samples=held, conditions=given),
    ]


_held: list[float] = []


async def _longest_hold() -> None:
    worst = 0.0
    try:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0)
            worst = max(worst, time.perf_counter() - begun)
    finally:
        _held.append(worst)


@asynccontextmanager
async def _filled() -> AsyncIterator[Context]:
    """Give a service that knows of sessions which were just used; its hub is away, and not asked."""
    with tempfile.TemporaryDirectory() as folder:
        context = make_context(
            ServiceSettings(
                api_url="http://127.0.0.1:9",
                api_token=SecretStr("none"),
                database_url=SecretStr(f"sqlite:///{folder}/s.sqlite"),
                sleep=RULES,
            )
        )
        await context.database.upgrade()
        now = datetime.now(UTC).isoformat()
        async with context.database.writing() as session:
            for number in range(SESSIONS):
                user = f"user{number:05}"
                session.add(
                    SessionRow(
                        user=user, name="gimp", app="gimp", title="GIMP", state="running",
                        url=f"/user/{user}/gimp/streamspace/", started=now, last_activity=now,
                    )
                )  # fmt: skip
                session.add(WatchedRow(user=user, asked=0.0, groups=[f"group{number % 20}"]))
                session.add(SleepRow(user=user, name="gimp", started=now, active=time.time()))
        try:
            yield context
        finally:
            await context.close([])
