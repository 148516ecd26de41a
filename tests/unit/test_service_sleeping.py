"""A round of sleep over the service's own database, with hub and sessions that answer as the test says."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from streamspace_hub.hibernation.decision import Due, Facts
from streamspace_hub.model.api import UserSession
from streamspace_hub.model.sleep import Ladder, SleepRules, Step
from streamspace_hub.service.context import Context, make_context
from streamspace_hub.service.hub import HubError, User
from streamspace_hub.service.session_link import Answer, SessionAwayError
from streamspace_hub.service.settings import ServiceSettings
from streamspace_hub.service.sleeping import last_used
from streamspace_hub.service.tables import AuditRow, SessionRow, SleepRow

HOUR = 3600.0
RULES = SleepRules(default=Ladder(freeze_after=1800, stop_after=7200, delete_after=86_400))


class Hub:
    """Stands for the hub at the moments when the real one is away, or refuses."""

    def __init__(self) -> None:
        self.stopped: list[tuple[str, str, bool]] = []
        self.refusal: HubError | None = None
        self.known: User | None = None

    async def stop(self, user: str, name: str, token: str, *, remove: bool = False) -> None:
        self.stopped.append((user, name, remove))
        if self.refusal is not None:
            raise self.refusal

    async def user(self, name: str) -> User:
        if self.known is None:
            raise HubError(502, "The hub cannot be reached.")
        return self.known

    async def close(self) -> None:
        return


class Link:
    """Stands for sessions that have just been used, or do not answer."""

    def __init__(self) -> None:
        self.idle: float | None = 0.0
        self.orders: list[str] = []
        self.refusal = ""

    async def activity(self, session: UserSession) -> Answer:
        return await self.order(session, "activity")

    async def order(self, session: UserSession, what: str, **body: Any) -> Answer:
        self.orders.append(what)
        if self.idle is None:
            raise SessionAwayError("The session does not answer.")
        if self.refusal and what == "hibernate":
            return Answer(False, self.idle, "awake", message=self.refusal)
        return Answer(self.idle >= body.get("if_idle", 0), self.idle, "awake", message="The session was active.")

    async def close(self) -> None:
        return


def stamp(ago: float) -> str:
    return datetime.fromtimestamp(time.time() - ago, UTC).isoformat()


@asynccontextmanager
async def service(database_url: str, *rows: SessionRow) -> AsyncIterator[tuple[Context, Hub, Link]]:
    settings = ServiceSettings(
        api_url="http://hub",
        api_token=SecretStr("none"),
        database_url=SecretStr(database_url),
        sleep=RULES,
    )
    context = make_context(settings)
    await context.database.upgrade()
    async with context.database.writing() as session:
        session.add_all(rows)
    hub, link = Hub(), Link()
    context.sleeping.hub = context.mirror._hub = hub  # type: ignore[assignment]
    context.sleeping.link = link  # type: ignore[assignment]
    try:
        yield context, hub, link
    finally:
        await context.close([])


def session(name: str, ago: float, state: str = "running") -> SessionRow:
    return SessionRow(
        user="ann", name=name, app="gimp", title="GIMP", state=state, url=f"/user/ann/{name}/streamspace/",
        started=stamp(ago), last_activity=stamp(ago),
    )  # fmt: skip


async def sleep_rows(context: Context) -> dict[str, SleepRow]:
    async with context.database.reading() as transaction:
        return {row.name: row for row in (await transaction.execute(select(SleepRow))).scalars()}


async def test_a_session_that_knows_better_is_neither_warned_nor_asked_again(database_url: str) -> None:
    async with service(database_url, session("gimp", 1500)) as (context, hub, link):
        assert await context.sleeping.round() == 1
        assert link.orders == ["activity", "warn"], "it is asked whether its memory can be kept, and warned"
        row = (await sleep_rows(context))["gimp"]
        assert row.step is None
        assert time.time() - row.active < 60
        assert await context.sleeping.round() == 0
        assert hub.stopped == []


@pytest.mark.parametrize(
    ("started", "last", "said", "used"),
    [
        (100, 200, 0, 200),
        (100, 200, 300, 300),
        (100, 1001, 0, 1001),  # clocks differ a little
        (100, 5000, 0, None),
        (100, 5000, 300, 300),
        (5000, 5000, 0, None),
        (5000, 5000, 900, 900),
        (5000, 5000, 5000, None),
    ],
)
def test_a_time_to_come_is_not_believed(started: float, last: float, said: float, used: float | None) -> None:
    assert last_used(started, last, said, 1000) == used


async def test_a_clock_that_was_set_back_neither_keeps_a_session_awake_nor_has_it_stopped(database_url: str) -> None:
    async with service(database_url, session("gimp", -9000)) as (context, hub, link):
        link.idle = 9000.0
        await context.sleeping.round()
        assert link.orders[0] == "activity", "it is asked by its own clock"
        row = (await sleep_rows(context))["gimp"]
        assert row.active <= time.time() - 9000
        await context.sleeping.round()
        assert "warn" in link.orders
        assert (await sleep_rows(context))["gimp"].step == "stop"
        assert hub.stopped == []


async def test_a_session_that_does_not_answer_after_the_clock_was_set_back_is_left_alone(database_url: str) -> None:
    async with service(database_url, session("gimp", -9000)) as (context, hub, link):
        link.idle = None
        await context.sleeping.round()
        await context.sleeping.round()
        assert hub.stopped == []
        assert (await sleep_rows(context)).get("gimp") is None


async def test_a_session_that_does_not_answer_is_stopped_all_the_same_after_its_warning_time(database_url: str) -> None:
    async with service(database_url, session("gimp", 9000)) as (context, hub, link):
        link.idle = None
        assert await context.sleeping.round() == 1
        row = (await sleep_rows(context))["gimp"]
        assert (row.step, hub.stopped) == ("stop", [])
        async with context.database.writing() as transaction:
            told = await transaction.get(SleepRow, ("ann", "gimp"))
            assert told is not None
            told.told = time.time() - 1
        await context.sleeping.round()
        assert hub.stopped == [("ann", "gimp", False)]


async def test_memory_that_cannot_be_kept_is_tried_three_times_and_then_passed_over(database_url: str) -> None:
    async with service(database_url, session("gimp", 9000)) as (context, hub, link):
        sleeping, one = context.sleeping, UserSession.model_validate(
            {"user": "ann", "name": "gimp", "app": "gimp", "title": "GIMP", "state": "running", "url": "/"}
        )  # fmt: skip
        server = {"url": "/user/ann/gimp/", "ready": True, "pending": None, "user_options": {"app": "gimp"}}
        hub.known = User("ann", {"gimp": server})
        link.refusal = "It has a seccomp filter."
        link.idle = 9000.0
        due = Due(Step.HIBERNATE, time.time(), 60.0, "nobody has used it for a while")
        for attempt in (1, 2, 3):
            await sleeping._hibernate(one, due, Facts(0.0, time.time() - 9000.0, memory=True))
            row = (await sleep_rows(context))["gimp"]
            assert (row.hibernating, row.memory) == (None, False if attempt == 3 else None), attempt
        assert row.why_not == "It has a seccomp filter."
        assert hub.stopped == []


async def test_what_the_hub_refuses_is_not_tried_again_at_once(database_url: str) -> None:
    async with service(database_url, session("gimp", 50 * HOUR, "stopped")) as (context, hub, _):
        hub.refusal = HubError(503, "The hub is busy.")
        await context.sleeping.round()
        assert await context.sleeping.round() == 0
        assert hub.stopped == [("ann", "gimp", True)]
        async with context.database.reading() as transaction:
            lines = list((await transaction.execute(select(AuditRow))).scalars())
        assert [(line.action, line.outcome, line.reason) for line in lines] == [
            ("session.delete", "allowed", "it has not been used since its end"),
            ("session.delete", "failed", "The hub is busy."),
        ]


async def test_a_default_server_stays_on_the_list(database_url: str) -> None:
    async with service(database_url, session("", 50 * HOUR, "stopped")) as (context, hub, _):
        assert await context.sleeping.round() == 0
        assert hub.stopped == []


async def test_a_hundred_are_dealt_with_in_one_round_and_the_rest_in_the_next(database_url: str) -> None:
    rows = [session(f"gimp-{number}", 50 * HOUR + number, "stopped") for number in range(120)]
    async with service(database_url, *rows) as (context, hub, _):
        hub.refusal = HubError(503, "The hub is busy.")
        assert await context.sleeping.round() == 100
        assert ("ann", "gimp-119", True) in hub.stopped, "the most overdue comes first"
        assert await context.sleeping.round() == 20
