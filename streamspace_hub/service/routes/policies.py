"""`policies` and `quota`: what sessions may do and take, and where each value comes from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import select

from streamspace_hub.model import Resources
from streamspace_hub.model.alerts import reached
from streamspace_hub.model.api import PolicyValue, QuotaLimit, ResolvedPolicy, SleepValue, UserName, UserQuota
from streamspace_hub.model.hours import DAY
from streamspace_hub.model.layers import Who
from streamspace_hub.model.quota import Kind, Limit, Quotas, Running, limits_of, storage_of, together_of, usage_of
from streamspace_hub.model.rolling import budgets_together, grants_of
from streamspace_hub.model.session import RESTING
from streamspace_hub.model.sleep import resolve
from streamspace_hub.service.documents import problems
from streamspace_hub.service.hours import entry_of
from streamspace_hub.service.hub import User
from streamspace_hub.service.policies import policy_of
from streamspace_hub.service.problems import ProblemError
from streamspace_hub.service.requests import ByCaller, tagged
from streamspace_hub.service.routes.settings import stored_settings
from streamspace_hub.service.tables import SessionRow, UsageRow, WatchedRow

router = APIRouter(tags=["policies"])


@router.get("/policies/{app}", response_model=ResolvedPolicy, responses=problems(401, 403, 404))
async def get_policy(
    asked: ByCaller,
    app: str,
    user: Annotated[UserName | None, Query(description="Of this user; else of the caller.")] = None,
) -> Response:
    """Show what a user's sessions of an app may do, after how long they sleep, and who has set each value."""
    entry = asked.context.catalog.apps.get(app)
    if entry is None:
        raise ProblemError("not-found", "There is no such app; `GET apps` lists those that there are.")
    if user is not None and not (asked.caller.is_admin or asked.caller.holds_for_user("view", user)):
        raise await asked.denied("policy.read", user, "This is the policy of somebody else.")
    name = asked.caller.name if user is None and asked.caller.kind == "user" else user
    who = await _who(asked, name) if name is not None else Who("")
    settings, overrides = asked.context.settings, await asked.context.overrides.current()
    resolved = await policy_of(asked.context, entry.template, who)
    values = [
        PolicyValue(name=name, value=value, source=resolved.sources[name].by, group=resolved.sources[name].group)
        for name, value in resolved.policy.model_dump(mode="json").items()
    ]
    chosen = (await stored_settings(asked.context.database, who.name)).sleep
    ladder = resolve(settings.sleep, entry.template.sleep, who, chosen, overrides.sleep(who))
    sleep = [
        SleepValue(
            name=name,
            value=value,
            source=ladder.sources[name].by,
            group=ladder.sources[name].group,
            longest=ladder.bounds.get(name),
        )
        for name, value in ladder.ladder.model_dump(mode="json").items()
    ]
    return tagged(asked.request, ResolvedPolicy(app=entry.template.name, user=name, values=values, sleep=sleep))


async def _who(asked: ByCaller, user: str) -> Who:
    """Return a user with their groups."""
    return Who(user, (await _user(asked, user)).groups)


async def _user(asked: ByCaller, user: str) -> User:
    """Return a user as the hub knows them."""
    model = await asked.context.hub.user(user)
    if model is None:
        raise ProblemError("not-found", f"The hub knows no user {user}.")
    return model


@router.get("/users/{user}/quota", response_model=UserQuota, responses=problems(401, 403, 404))
async def get_quota(asked: ByCaller, user: UserName) -> Response:
    """Show a user's limits, where each comes from, and how much of it is in use."""
    if not (asked.caller.is_admin or asked.caller.holds_for_user("view", user)):
        raise await asked.denied("quota.read", user, "This is the quota of somebody else.")
    quotas, admin = asked.context.settings.quotas, (await asked.context.overrides.current()).quotas
    model = await _user(asked, user)
    who = Who(user, model.groups)
    known = await asked.context.mirror.refresh(user)
    running = [_running(asked, one.app) for one in known.values() if one.state not in RESTING]
    limits = [_at_once(kind, limit, running) for kind, limit in limits_of(quotas, user, who.groups, admin).items()]
    limits += await _rolling(asked, who, admin)
    limits += _files(asked, model, admin)
    for group in who.groups:
        if shared := together_of(quotas, group, admin):
            everybody = await _running_together(asked, group)
            limits += [_at_once(kind, limit, everybody) for kind, limit in shared.items()]
    return tagged(asked.request, UserQuota(user=user, limits=limits))


def _at_once(kind: Kind, limit: Limit, running: Sequence[Running]) -> QuotaLimit:
    return QuotaLimit(
        kind=kind,
        limit=limit.amount,
        used=usage_of(kind, running),
        source=limit.source,
        group=limit.group,
        together=limit.together,
    )


def _files(asked: ByCaller, user: User, admin: Quotas) -> list[QuotaLimit]:
    limit = storage_of(asked.context.settings.quotas, user.name, user.groups, admin)
    if limit is None or user.storage is None or user.storage.used is None:
        return []
    return [
        QuotaLimit(kind="storage", limit=limit.amount, used=user.storage.used, source=limit.source, group=limit.group)
    ]


async def _running_together(asked: ByCaller, group: str) -> list[Running]:
    resting = [str(state) for state in RESTING]
    query = select(SessionRow.app).where(
        SessionRow.user.in_(await _members(asked, group)), SessionRow.state.not_in(resting)
    )
    async with asked.context.database.reading() as session:
        return [_running(asked, app) for app in (await session.execute(query)).scalars()]


async def _members(asked: ByCaller, group: str) -> list[str]:
    """Return the members of a group, as far as they have ever run something."""
    async with asked.context.database.reading() as session:
        rows = (await session.execute(select(WatchedRow.user, WatchedRow.groups))).tuples().all()
    return [user for user, groups in rows if group in groups]


async def _rolling(asked: ByCaller, who: Who, admin: Quotas) -> list[QuotaLimit]:
    settings, now = asked.context.settings, time.time()
    quotas = settings.quotas
    found = []
    for grant in [*grants_of(quotas, who.name, who.groups, admin), *budgets_together(quotas, who.groups, admin)]:
        users = await _members(asked, grant.group or "") if grant.together else [who.name]
        recent = UsageRow.ended.is_(None) | (UsageRow.ended > now - grant.days * DAY)
        async with asked.context.database.reading() as session:
            rows = (await session.execute(select(UsageRow).where(UsageRow.user.in_(users), recent))).scalars()
            entries = [entry_of(row, settings.prices) for row in rows]
        used, free = grant.used(entries, now), grant.free_at(entries, now)
        money = grant.kind == "budget"
        found.append(
            QuotaLimit(
                kind=grant.kind,
                limit=grant.amount,
                used=round(used, 4),
                source=grant.source,
                group=grant.group,
                together=grant.together,
                days=grant.days,
                free_at=None if free is None else datetime.fromtimestamp(free, UTC).isoformat(timespec="seconds"),
                currency=settings.prices.currency if money else None,
                alert=reached(used, grant.amount) if money else None,
            )
        )
    return found


def _running(asked: ByCaller, app: str) -> Running:
    entry = asked.context.catalog.apps.get(app)
    return Running(app, entry.template.resources if entry else Resources())
