"""Limits of what is used in a rolling window, hours and money: which a user has, and whether one is used up. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from streamspace_hub.model.hours import HOUR, HoursLimit, Span, free_at, used_seconds
from streamspace_hub.model.prices import Budget
from streamspace_hub.model.quota import Limit, Quota, Quotas, Running, Source, granted, granted_together

RollingKind = Literal["session_hours", "gpu_hours", "budget"]
ROLLING: Final[tuple[RollingKind, ...]] = ("session_hours", "gpu_hours", "budget")


@dataclass(frozen=True)
class Entry:
    """A time that a session ran, its GPUs, and what it costs."""

    begun: float
    ended: float | None
    gpus: int
    rate: float = 0.0
    """Money an hour."""


@dataclass(frozen=True)
class Grant:
    """A limit, and where it comes from, as of `Limit`."""

    kind: RollingKind
    amount: float
    """Hours, or money."""
    days: int
    source: Source
    group: str | None = None
    together: bool = False
    """Whether it is for all members of the group together."""

    def spans(self, entries: Iterable[Entry]) -> list[Span]:
        """Return what counts, weighted so that an hour is as much as it takes of the limit."""
        if self.kind == "session_hours":
            return [Span(one.begun, one.ended) for one in entries]
        if self.kind == "gpu_hours":
            return [Span(one.begun, one.ended, one.gpus) for one in entries if one.gpus]
        return [Span(one.begun, one.ended, one.rate) for one in entries if one.rate]

    def used(self, entries: Iterable[Entry], now: float) -> float:
        """Return how much is used: hours, or money."""
        return used_seconds(self.spans(entries), self.days, now) / HOUR

    def free_at(self, entries: Iterable[Entry], now: float) -> float | None:
        """Return when some is free again, if nothing runs until then; None: some is."""
        return free_at(self.spans(entries), self.amount, self.days, now)


def grants_of(quotas: Quotas, user: str, groups: Collection[str], admin: Quotas | None = None) -> list[Grant]:
    """Return a user's own limits, as `limits_of`; the most generous of their groups' has the most a day."""
    found: list[Grant] = []
    for kind in ROLLING:
        if nearest := granted(quotas, user, groups, lambda quota, kind=kind: limit_of(quota, kind), _a_day, admin):  # type: ignore[misc]
            limit, source, group = nearest
            found.append(Grant(kind, _amount(limit), limit.days, source, group))
    return found


def budgets_together(quotas: Quotas, groups: Collection[str], admin: Quotas | None = None) -> list[Grant]:
    """Return the budgets that groups have for all their members together."""
    found: list[Grant] = []
    for name in sorted(groups):
        if nearest := granted_together(quotas, name, lambda shared: shared.budget, admin):
            budget, source = nearest
            found.append(Grant("budget", budget.amount, budget.days, source, name, together=True))
    return found


def limit_of(quota: Quota, kind: RollingKind) -> HoursLimit | Budget | None:
    """Return one limit of a quota."""
    found: dict[RollingKind, HoursLimit | Budget | None] = {
        "session_hours": quota.session_hours,
        "gpu_hours": quota.gpu_hours,
        "budget": quota.budget,
    }
    return found[kind]


def refusal(grant: Grant, entries: Sequence[Entry], wanted: Running, now: float, currency: str = "") -> str | None:
    """Return why `wanted` may not start after what was used, in sentences for the user; None when it may."""
    if grant.kind == "gpu_hours" and not wanted.resources.gpu.count:
        return None
    free = grant.free_at(entries, now)
    if free is None:
        return None
    used = grant.used(entries, now)
    # Up, so that it is true in any minute that is shown.
    when = datetime.fromtimestamp(free + 60, UTC).strftime("%Y-%m-%d %H:%M UTC")
    days = "a day" if grant.days == 1 else f"{grant.days} days"
    limit = Limit(grant.amount, grant.source, grant.group, grant.together)
    if grant.kind == "budget":
        amount, spent = _money(grant.amount, currency), _money(used, currency)
        what = f"{limit.called('budget')} is {amount} in {days}, used: {spent}. Some is"
    else:
        unit = "session-hours" if grant.kind == "session_hours" else "GPU-hours"
        what = f"{limit.origin} is {grant.amount:g} {unit} in {days}, used: {used:.1f}. Some are"
    others = "no session of the group" if grant.together else "no session"
    return f"{wanted.title} cannot start: {what} free again on {when}, if {others} runs until then."


def longest_window(quotas: Quotas) -> int:
    """Return the days of the longest window that any limit has; 0 when there is none."""
    own = [limit for quota in quotas.every for kind in ROLLING if (limit := limit_of(quota, kind))]
    return max((limit.days for limit in [*own, *_shared(quotas)]), default=0)


def has_budgets(quotas: Quotas) -> bool:
    """Return whether there is any budget."""
    return bool(_shared(quotas)) or any(quota.budget for quota in quotas.every)


def _shared(quotas: Quotas) -> list[Budget]:
    return [one.budget for one in quotas.together.values() if one.budget]


def _amount(limit: HoursLimit | Budget) -> float:
    return limit.amount if isinstance(limit, Budget) else limit.hours


def _a_day(limit: HoursLimit | Budget) -> float:
    return _amount(limit) / limit.days


def _money(amount: float, currency: str) -> str:
    return f"{amount:.2f} {currency}".rstrip()
