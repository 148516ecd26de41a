"""`usage`: how long sessions have run, what that took of cores, memory and GPUs, and what it costs."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import ColumnElement, and_, func, select, tuple_

from streamspace_hub.model.api import Moment, Outcome, UsageReport, UsageTotal, UserName
from streamspace_hub.model.app import AppName
from streamspace_hub.model.prices import Prices, Used
from streamspace_hub.service.book import within
from streamspace_hub.service.context import Context
from streamspace_hub.service.documents import problems
from streamspace_hub.service.problems import ProblemError
from streamspace_hub.service.requests import Asked, ByCaller, tagged
from streamspace_hub.service.tables import UsageRow, WatchedRow

router = APIRouter(tags=["usage"])

MONTH = 30 * 24 * 3600
GIB = 2**30
BATCH = 1000
CSV = "text/csv"
AMOUNTS = ("sessions", "seconds", "core_seconds", "gib_seconds", "gpu_seconds", "cost")
COLUMNS = ("user", "session", "app", "started", "ended", "seconds", "cores", "memory_gib", "gpus", "cost", "currency")

Since = Annotated[Moment | None, Query(description="From then on (ISO 8601 with its zone); else 30 days before.")]
Until = Annotated[Moment | None, Query(description="Until then; else until now.")]
OfUser = Annotated[UserName | None, Query(description="Only of this user; for administrators, else of all.")]
OfApp = Annotated[AppName | None, Query(description="Only of this app.")]


@dataclass(frozen=True)
class _Window:
    """Which entries, and the part of them that lies in it."""

    since: float
    until: float
    now: float
    user: str | None
    app: str | None

    @property
    def begun(self) -> ColumnElement[float]:
        return within(self.since, self.until, self.now)[0]

    @property
    def ended(self) -> ColumnElement[float]:
        return within(self.since, self.until, self.now)[1]

    @property
    def condition(self) -> ColumnElement[bool]:
        wanted = [
            UsageRow.started < self.until,
            func.coalesce(UsageRow.ended, self.now) > self.since,
        ]
        if self.user is not None:
            wanted.append(UsageRow.user == self.user)
        if self.app is not None:
            wanted.append(UsageRow.app == self.app)
        return and_(*wanted)


@router.get("/usage", response_model=UsageReport, responses=problems(401, 403))
async def get_usage(
    asked: ByCaller,
    since: Since = None,
    until: Until = None,
    user: OfUser = None,
    app: OfApp = None,
    by: Annotated[Literal["user", "app", "group"], Query(description="What to add up by.")] = "app",
) -> Response:
    """Add up what was used in a time, the most first; an entry counts with the part that lies in it.

    A group has used what its members of now have, so that members of two groups count in both.
    """
    window = await _window(asked, since, until, user, app)
    key = UsageRow.app if by == "app" else UsageRow.user
    seconds = window.ended - window.begun
    query = (
        select(
            key,
            func.count(),
            func.sum(seconds),
            func.sum(seconds * UsageRow.cores),
            func.sum(seconds * UsageRow.memory),
            func.sum(seconds * UsageRow.gpus),
        )
        .where(window.condition)
        .group_by(key)
    )
    async with asked.context.database.reading() as session:
        rows = (await session.execute(query)).all()
        groups = dict((await session.execute(select(WatchedRow.user, WatchedRow.groups))).tuples().all())
    prices = asked.context.settings.prices
    totals = [_total(row[0], row[1], Used(row[2], row[3], row[4] / GIB, row[5]), prices) for row in rows]
    whole = _sum("", totals)
    if by == "group":
        names = {group for one in totals for group in groups.get(one.key, ())}
        totals = [_sum(name, [one for one in totals if name in groups.get(one.key, ())]) for name in names]
    totals.sort(key=lambda one: (-one.seconds, one.key))
    report = UsageReport(
        since=_stamp(window.since),
        until=_stamp(window.until),
        by=by,
        currency=prices.currency,
        totals=totals,
        total=whole,
    )
    return tagged(asked.request, report)


@router.get(
    "/usage/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": f"A line for each time that a session ran: {', '.join(COLUMNS)}. No `ended` while it runs.",
            "content": {CSV: {"schema": {"type": "string"}}},
        },
        **problems(401, 403),
    },
)
async def export_usage(
    asked: ByCaller, since: Since = None, until: Until = None, user: OfUser = None, app: OfApp = None
) -> Response:
    """Take the entries as CSV (RFC 4180), the oldest first; of each the part that lies in the time."""
    window = await _window(asked, since, until, user, app)
    await asked.note("usage.export", window.user, Outcome.ALLOWED)
    headers = {"Content-Disposition": 'attachment; filename="usage.csv"'}
    return StreamingResponse(_lines(asked.context, window), media_type=CSV, headers=headers)


async def _window(
    asked: Asked, since: datetime | None, until: datetime | None, user: str | None, app: str | None
) -> _Window:
    caller = asked.caller
    if user is None and not caller.is_admin:
        user = caller.name
    if not (caller.is_admin or (user is not None and caller.holds_for_user("view", user))):
        raise await asked.denied("usage.read", user, "This is the usage of somebody else.")
    now = time.time()
    end = now if until is None else until.timestamp()
    begin = end - MONTH if since is None else since.timestamp()
    if begin > end:
        raise ProblemError("invalid", "since: must not be after until.")
    return _Window(begin, end, now, user, app)


def _sum(key: str, totals: Sequence[UsageTotal]) -> UsageTotal:
    return UsageTotal(key=key, **{name: sum(getattr(one, name) for one in totals) for name in AMOUNTS})


def _total(key: str, sessions: int, used: Used, prices: Prices) -> UsageTotal:
    return UsageTotal(
        key=key,
        sessions=sessions,
        seconds=round(used.seconds, 3),
        core_seconds=round(used.core_seconds, 3),
        gib_seconds=round(used.gib_seconds, 3),
        gpu_seconds=round(used.gpu_seconds, 3),
        cost=prices.cost(used),
    )


async def _lines(context: Context, window: _Window) -> AsyncIterator[str]:
    yield _csv(COLUMNS)
    prices = context.settings.prices
    order = (UsageRow.started, UsageRow.user, UsageRow.name)
    query = select(UsageRow, window.begun, window.ended).where(window.condition).order_by(*order).limit(BATCH)
    rest = query
    while True:
        async with context.database.reading() as session:
            rows = (await session.execute(rest)).all()
        for row, begun, ended in rows:
            seconds, gib = ended - begun, row.memory / GIB
            used = Used(seconds, seconds * row.cores, seconds * gib, seconds * row.gpus)
            yield _csv(
                (
                    row.user, row.name, row.app, _stamp(begun), "" if row.ended is None else _stamp(ended),
                    f"{seconds:.0f}", f"{row.cores:g}", f"{gib:g}", row.gpus, f"{prices.cost(used):.4f}",
                    prices.currency,
                )
            )  # fmt: skip
        if len(rows) < BATCH:
            return
        last = rows[-1][0]
        rest = query.where(tuple_(*order) > tuple_(last.started, last.user, last.name))


def _csv(values: tuple[object, ...]) -> str:
    """Return one line. What a spreadsheet would take for a formula is text there (OWASP, "CSV Injection")."""
    line = io.StringIO()
    csv.writer(line).writerow(
        [f"'{value}" if str(value)[:1] in ("=", "+", "-", "@", "\t", "\r") else value for value in values]
    )
    return line.getvalue()


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
