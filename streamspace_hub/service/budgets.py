"""Tells of budgets that run out: an event and a line of the audit log for each threshold that is crossed, once.

One replica does it for all, by a lease. What is used is added up by the database from the ledger; which threshold was
reached is in the database too, and changes with the event in one transaction: neither a restart nor another replica
tells it again, or leaves it out. Starts and wakes are refused by the hub, not here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select

from streamspace_hub.model.alerts import Threshold, crossing
from streamspace_hub.model.api import AuditEvent, BudgetAlert, Outcome
from streamspace_hub.model.hours import DAY, HOUR
from streamspace_hub.model.prices import Prices
from streamspace_hub.model.quota import Quotas
from streamspace_hub.model.rolling import Grant, budgets_together, grants_of, has_budgets
from streamspace_hub.service.audit import Attempt, AuditLog
from streamspace_hub.service.book import within
from streamspace_hub.service.database import Database, Unreachable
from streamspace_hub.service.events import NewEvent, add_events
from streamspace_hub.service.hours import entry_of
from streamspace_hub.service.leases import Lease
from streamspace_hub.service.overrides import OverrideStore
from streamspace_hub.service.tables import BudgetRow, UsageRow, WatchedRow
from streamspace_hub.service.watcher import pause_after

Scope = tuple[str, str]
"""`user` or `group`, and which."""

log = logging.getLogger("streamspace.service")


@dataclass
class Budgets:
    """One replica's part in it."""

    database: Database
    audit: AuditLog
    quotas: Quotas
    overrides: OverrideStore
    prices: Prices
    worker: str
    on_event: Callable[[], None]

    async def run(self) -> None:
        """Go on until cancelled; what fails is logged, and tried again."""
        lease = Lease(self.database, "budgets", self.worker)
        while True:
            begun = time.monotonic()
            try:
                if await self._has_any() and await lease.held():
                    await self.look(time.time())
            except Unreachable as error:
                log.warning("the database is away: %s", type(error).__name__)
            except Exception:
                log.exception("looking at budgets failed")
            await asyncio.sleep(pause_after(time.monotonic() - begun))

    async def _has_any(self) -> bool:
        return has_budgets(self.quotas) or has_budgets((await self.overrides.current()).quotas)

    async def look(self, now: float) -> list[BudgetAlert]:
        """Compare what is used at `now` (seconds since 1970) with all budgets; return what was told."""
        grants, members = await self._grants()
        used: dict[Scope, float] = defaultdict(float)
        spent = {days: await self._spent(days, now) for days in {grant.days for grant in grants.values()}}
        for scope, grant in grants.items():
            used[scope] = sum(spent[grant.days].get(name, 0.0) for name in members[scope])
        async with self.database.reading() as session:
            rows = (await session.execute(select(BudgetRow))).scalars()
            before = {(row.scope, row.name): row.reached for row in rows}
        told: list[BudgetAlert] = []
        for scope, grant in grants.items():
            if crossing(_threshold(before.get(scope)), used[scope], grant.amount).reached != before.get(scope):
                told += await self._cross(scope, grant, members[scope], used[scope], now)
        return told

    async def _grants(self) -> tuple[dict[Scope, Grant], dict[Scope, list[str]]]:
        """Return all budgets that anybody has, and who uses each."""
        admin = (await self.overrides.current()).quotas
        async with self.database.reading() as session:
            rows = await session.execute(select(WatchedRow.user, WatchedRow.groups))
            groups: dict[str, Sequence[str]] = {user: theirs for user, theirs in rows}  # noqa: C416 - rows are no pairs
        grants: dict[Scope, Grant] = {}
        members: dict[Scope, list[str]] = defaultdict(list)
        for user, theirs in groups.items():
            own = [grant for grant in grants_of(self.quotas, user, theirs, admin) if grant.kind == "budget"]
            for grant in [*own, *budgets_together(self.quotas, theirs, admin)]:
                scope = ("group", grant.group or "") if grant.together else ("user", user)
                grants[scope] = grant
                members[scope].append(user)
        return grants, members

    async def _spent(self, days: int, now: float) -> Mapping[str, float]:
        """Return what each user has spent in the last `days`."""
        edge = now - days * DAY
        query = (
            select(UsageRow.user, func.sum(_cost(self.prices, edge, now)))
            .where(func.coalesce(UsageRow.ended, now) > edge, UsageRow.started < now)
            .group_by(UsageRow.user)
        )
        async with self.database.reading() as session:
            return {user: float(spent) for user, spent in await session.execute(query)}

    async def _cross(
        self, scope: Scope, grant: Grant, members: Collection[str], used: float, now: float
    ) -> Sequence[BudgetAlert]:
        """Remember which threshold is reached, and tell of those that were crossed, in one transaction."""
        free = await self._free_at(grant, members, now) if used >= grant.amount else None
        lines: list[AuditEvent] = []
        async with self.database.writing() as session:
            row = await session.get(BudgetRow, scope, with_for_update=True)
            # What another replica has told meanwhile is not told again.
            change = crossing(_threshold(row.reached if row else None), used, grant.amount)
            if change.reached is None:
                if row is not None:
                    await session.delete(row)
            elif row is None:
                session.add(BudgetRow(scope=scope[0], name=scope[1], reached=change.reached))
            else:
                row.reached = change.reached
            alerts = [self._alert(scope, grant, threshold, used, free) for threshold in change.told]
            await add_events(
                session, [NewEvent("budget", alert.user or "", "", alert.model_dump(mode="json")) for alert in alerts]
            )
            for alert in alerts:
                lines.append(await self.audit.add(session, _attempt(scope, alert)))
            await session.flush()
        for line in lines:
            self.audit.publish(line)
        if alerts:
            self.on_event()
        return alerts

    async def _free_at(self, grant: Grant, members: Collection[str], now: float) -> str | None:
        recent = UsageRow.ended.is_(None) | (UsageRow.ended > now - grant.days * DAY)
        async with self.database.reading() as session:
            rows = (await session.execute(select(UsageRow).where(UsageRow.user.in_(members), recent))).scalars()
            entries = [entry_of(row, self.prices) for row in rows]
        free = await asyncio.to_thread(grant.free_at, entries, now)
        return None if free is None else datetime.fromtimestamp(free, UTC).isoformat(timespec="seconds")

    def _alert(self, scope: Scope, grant: Grant, threshold: Threshold, used: float, free: str | None) -> BudgetAlert:
        return BudgetAlert(
            user=None if grant.together else scope[1],
            group=grant.group,
            threshold=threshold,
            amount=grant.amount,
            used=round(used, 4),
            currency=self.prices.currency,
            days=grant.days,
            free_at=free if threshold == 100 else None,
        )


def _cost(prices: Prices, edge: float, now: float) -> ColumnElement[Any]:
    """Return what the part of an entry that lies between `edge` and `now` costs."""
    begun, ended = within(edge, now, now)
    rate: ColumnElement[Any] = prices.rate(UsageRow.cores, UsageRow.memory, UsageRow.gpus)
    return (ended - begun) * rate / HOUR


def _threshold(percent: int | None) -> Threshold | None:
    return None if percent is None else 80 if percent < 100 else 100


def _attempt(scope: Scope, alert: BudgetAlert) -> Attempt:
    return Attempt(
        actor=None,
        action="budget.alert",
        target=f"{scope[0]}:{scope[1]}",
        origin="budgets",
        request_id="",
        outcome=Outcome.ALLOWED,
        reason=None,
        details=alert.model_dump(mode="json", exclude={"user"}),
    )
