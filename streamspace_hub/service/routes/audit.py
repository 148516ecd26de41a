"""`audit`: the audit log, for administrators: search it, take a copy, check that it is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints
from sqlalchemy import select

from streamspace_hub.model.api import AuditList, AuditVerdict, Moment, Outcome
from streamspace_hub.model.app import LINE_PATTERN
from streamspace_hub.service.audit import audit_event
from streamspace_hub.service.context import Context
from streamspace_hub.service.documents import problems
from streamspace_hub.service.requests import ByCaller, tagged
from streamspace_hub.service.tables import AuditRow

router = APIRouter(tags=["audit"])

Text = Annotated[str, StringConstraints(pattern=LINE_PATTERN, max_length=600)]
JSON_LINES = "application/jsonl"


@router.get("/audit", response_model=AuditList, responses=problems(401, 403))
async def search_audit(
    asked: ByCaller,
    actor: Annotated[Text | None, Query(description="Who: `user:NAME` or `service:NAME`.")] = None,
    action: Annotated[Text | None, Query(description="What, e.g. `session.create`.")] = None,
    target: Annotated[Text | None, Query(description="Which session (`USER/NAME`) or user.")] = None,
    outcome: Annotated[Outcome | None, Query(description="How it went.")] = None,
    origin: Annotated[Text | None, Query(description="From where: an address, or `hub`.")] = None,
    request_id: Annotated[Text | None, Query(description="In which request: its `X-Request-Id`.")] = None,
    since: Annotated[Moment | None, Query(description="From then on (ISO 8601 with its zone).")] = None,
    until: Annotated[Moment | None, Query(description="Before then (ISO 8601 with its zone).")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="Lines on one page.")] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**53, description="`next` of the page before.")] = None,
) -> Response:
    """Search the log, the newest lines first."""
    await _permit(asked)
    query = select(AuditRow).order_by(AuditRow.seq.desc()).limit(limit + 1)
    exact = {
        AuditRow.actor: actor,
        AuditRow.action: action,
        AuditRow.target: target,
        AuditRow.outcome: outcome and str(outcome),
        AuditRow.origin: origin,
        AuditRow.request_id: request_id,
    }
    query = query.where(*(column == value for column, value in exact.items() if value is not None))
    if since is not None:
        query = query.where(AuditRow.time >= _stamp(since))
    if until is not None:
        query = query.where(AuditRow.time < _stamp(until))
    if before is not None:
        query = query.where(AuditRow.seq < before)
    async with asked.context.database.reading() as session:
        rows = list((await session.execute(query)).scalars())
    following = rows[limit - 1].seq if len(rows) > limit else None
    return tagged(asked.request, AuditList(events=[audit_event(row) for row in rows[:limit]], next=following))


@router.get("/audit/verify", response_model=AuditVerdict, responses=problems(401, 403))
async def verify_audit(asked: ByCaller) -> Response:
    """Check the chain from the first line to the last."""
    await _permit(asked)
    return tagged(asked.request, await asked.context.audit.check())


@router.get(
    "/audit/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The whole log, one JSON object (`AuditEvent`) for each line, the oldest first.",
            "content": {JSON_LINES: {"schema": {"type": "string"}}},
        },
        **problems(401, 403),
    },
)
async def export_audit(asked: ByCaller) -> Response:
    """Take a copy of the log. `streamspace audit verify FILE` checks it without the service."""
    await _permit(asked)
    await asked.note("audit.export", None, Outcome.ALLOWED)
    return StreamingResponse(_copy(asked.context), media_type=JSON_LINES)


async def _copy(context: Context) -> AsyncIterator[str]:
    async for event in context.audit.lines():
        yield event.model_dump_json() + "\n"


def _stamp(moment: datetime) -> str:
    """Return a time as lines of the log have it: all of one length and zone, so that their order is that of time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


async def _permit(asked: ByCaller) -> None:
    if not asked.caller.is_admin:
        raise await asked.denied("audit.read", None, "The audit log is for administrators.")
