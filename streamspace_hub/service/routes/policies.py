"""`policies` and `quota`: what sessions may do and take, and where each value comes from."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import select

from streamspace_hub.model import Resources
from streamspace_hub.model.api import PolicyValue, QuotaLimit, ResolvedPolicy, SleepValue, UserName, UserQuota
from streamspace_hub.model.hours import DAY, HOUR, free_at, used_seconds
from streamspace_hub.model.layers import Who
from streamspace_hub.model.quota import Entry, Quotas, Running, hours_of, limits_of, spans_of, usage_of
from streamspace_hub.model.session import RESTING
from streamspace_hub.model.sleep import resolve
from streamspace_hub.service.documents import problems
from streamspace_hub.service.policies import policy_of
from streamspace_hub.service.problems import ProblemError
from streamspace_hub.service.requests import ByCaller, tagged
from streamspace_hub.service.routes.settings import stored_settings
from streamspace_hub.service.tables import UsageRow

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
    model = await asked.context.hub.user(user)
    if model is None:
        raise ProblemError("not-found", f"The hub knows no user {user}.")
    return Who(user, model.groups)


@router.get("/users/{user}/quota", response_model=UserQuota, responses=problems(401, 403, 404))
async def get_quota(asked: ByCaller, user: UserName) -> Response:
    """Show a user's limits, where each comes from, and how much of it is in use."""
    if not (asked.caller.is_admin or asked.caller.holds_for_user("view", user)):
        raise await asked.denied("quota.read", user, "This is the quota of somebody else.")
    who = await _who(asked, user)
    known = await asked.context.mirror.refresh(user)
    running = [_running(asked, one.app) for one in known.values() if one.state not in RESTING]
    overrides = await asked.context.overrides.current()
    limits = limits_of(asked.context.settings.quotas, user, who.groups, overrides.quotas)
    hours = await _hours(asked, who, overrides.quotas)
    return tagged(
        asked.request,
        UserQuota(
            user=user,
            limits=[
                QuotaLimit(
                    kind=kind,
                    limit=limit.amount,
                    used=usage_of(kind, running),
                    source=limit.source,
                    group=limit.group,
                )
                for kind, limit in limits.items()
            ]
            + hours,
        ),
    )


async def _hours(asked: ByCaller, who: Who, admin: Quotas) -> list[QuotaLimit]:
    grants = hours_of(asked.context.settings.quotas, who.name, who.groups, admin)
    if not grants:
        return []
    now = time.time()
    since = now - max(grant.limit.days for grant in grants.values()) * DAY
    recent = UsageRow.ended.is_(None) | (UsageRow.ended > since)
    async with asked.context.database.reading() as session:
        rows = (await session.execute(select(UsageRow).where(UsageRow.user == who.name, recent))).scalars()
        entries = [Entry(row.started, row.ended, row.gpus) for row in rows]
    found = []
    for kind, grant in grants.items():
        spans = spans_of(kind, entries)
        free = free_at(spans, grant.limit, now)
        found.append(
            QuotaLimit(
                kind=kind,
                limit=grant.limit.hours,
                used=round(used_seconds(spans, grant.limit.days, now) / HOUR, 4),
                source=grant.source,
                group=grant.group,
                days=grant.limit.days,
                free_at=None if free is None else datetime.fromtimestamp(free, UTC).isoformat(timespec="seconds"),
            )
        )
    return found


def _running(asked: ByCaller, app: str) -> Running:
    entry = asked.context.catalog.apps.get(app)
    return Running(app, entry.template.resources if entry else Resources())
