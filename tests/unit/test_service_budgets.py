"""Budgets as the service watches them, with a real database: each crossing is told once, whoever looks."""

from __future__ import annotations

from sqlalchemy import select

from streamspace_hub.model.hours import DAY, HOUR
from streamspace_hub.model.prices import Prices
from streamspace_hub.model.quota import Quotas
from streamspace_hub.service.audit import AuditLog
from streamspace_hub.service.budgets import Budgets
from streamspace_hub.service.database import Database
from streamspace_hub.service.event_log import EventLog
from streamspace_hub.service.metrics import Metrics
from streamspace_hub.service.overrides import OverrideStore
from streamspace_hub.service.tables import AuditRow, EventRow, UsageRow, WatchedRow

NOW = 1_800_000_000.0
PRICES = Prices(currency="EUR", session_hour=1, gpu_hour=2)
QUOTAS = Quotas.model_validate(
    {
        "users": {"ann": {"budget": {"amount": 10, "days": 1}}},
        "together": {"lab": {"budget": {"amount": 20, "days": 7}}},
    }
)


def replica(database: Database) -> Budgets:
    audit = AuditLog(database, Metrics(), EventLog())
    return Budgets(database, audit, QUOTAS, OverrideStore(database), PRICES, "here", lambda: None)


async def use(database: Database, user: str, hours: tuple[float, float | None], gpus: int = 0) -> None:
    """Write an entry into the ledger, by hours from `NOW` on."""
    begun, ended = NOW + hours[0] * HOUR, None if hours[1] is None else NOW + hours[1] * HOUR
    async with database.writing() as session:
        row = UsageRow(user=user, name="one", started=begun, app="gimp", ended=ended, cores=1, memory=1, gpus=gpus)
        session.add(row)


async def watch(database: Database, **groups: list[str]) -> None:
    async with database.writing() as session:
        session.add_all([WatchedRow(user=user, asked=0, groups=theirs) for user, theirs in groups.items()])


async def test_each_crossing_is_told_once_across_replicas_and_restarts(database: Database) -> None:
    await watch(database, ann=[], bob=["other"])
    await use(database, "ann", (0, None))
    await use(database, "bob", (0, None), gpus=8)
    told = []
    for hours in (7.9, 8, 8.1, 9.99, 10, 11):
        for _ in range(2):
            told += [
                (hours, one.user, one.threshold, one.used) for one in await replica(database).look(NOW + hours * HOUR)
            ]
    assert told == [(8, "ann", 80, 8.0), (10, "ann", 100, 10.0)]
    async with database.reading() as session:
        events = (await session.execute(select(EventRow).order_by(EventRow.seq))).scalars().all()
        lines = (await session.execute(select(AuditRow).order_by(AuditRow.seq))).scalars().all()
    assert [(one.seq, one.kind, one.user, one.data["threshold"]) for one in events] == [
        (1, "budget", "ann", 80),
        (2, "budget", "ann", 100),
    ]
    assert events[1].data["free_at"].startswith("2027-01-16T08:00"), "a day after it began"
    assert [(one.action, one.target, one.details["threshold"]) for one in lines] == [
        ("budget.alert", "user:ann", 80),
        ("budget.alert", "user:ann", 100),
    ]
    assert (await replica(database).audit.check()).intact


async def test_what_has_left_the_window_can_be_crossed_again(database: Database) -> None:
    await watch(database, ann=[])
    await use(database, "ann", (0, 9))
    budgets = replica(database)
    assert [one.threshold for one in await budgets.look(NOW + 9 * HOUR)] == [80]
    assert await budgets.look(NOW + DAY + 2 * HOUR) == []
    await use(database, "ann", (26, 36), gpus=1)
    assert [one.threshold for one in await budgets.look(NOW + 36 * HOUR)] == [80, 100], "both, if nobody looked between"


async def test_a_group_uses_its_budget_together(database: Database) -> None:
    await watch(database, bob=["lab"], eve=["lab", "other"], sam=["other"])
    for user in ("bob", "eve", "sam"):
        await use(database, user, (0, 8))
    (alert,) = await replica(database).look(NOW + 8 * HOUR)
    assert (alert.user, alert.group, alert.threshold, alert.used, alert.currency) == (None, "lab", 80, 16.0, "EUR")
