"""`health`, `user` and `metrics`: is it there, who am I, how does it go."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response
from sqlalchemy import func, select

from streamspace_hub import __version__
from streamspace_hub.model.api import Health, Identity
from streamspace_hub.service.documents import problems
from streamspace_hub.service.lags import lags
from streamspace_hub.service.metrics import CONTENT_TYPE
from streamspace_hub.service.problems import retry_after
from streamspace_hub.service.requests import ByCaller, InContext, json_answer, tagged
from streamspace_hub.service.tables import SessionRow

router = APIRouter(tags=["service"])
plain = APIRouter(include_in_schema=False)


@router.get(
    "/health", response_model=Health, responses={503: {"model": Health, "description": "Database or hub are away"}}
)
async def health(context: InContext) -> Response:
    """Say whether database and hub answer. Needs no token."""
    database, hub = await asyncio.gather(context.database.ping(), context.hub.ping())
    whole = database and hub
    state = Health(status="ok" if whole else "unavailable", version=__version__, database=database, hub=hub)
    return json_answer(state, 200 if whole else 503, None if whole else retry_after(5))


@router.get("/user", response_model=Identity, responses=problems(401, 403))
async def whoami(asked: ByCaller) -> Response:
    """Say who the caller is."""
    return tagged(asked.request, Identity(name=asked.caller.name, kind=asked.caller.kind, admin=asked.caller.is_admin))


@plain.get("/metrics")
async def metrics(asked: ByCaller) -> Response:
    """Return the metrics for Prometheus; for administrators and the hub's `read:metrics`."""
    if not asked.caller.is_admin and "read:metrics" not in asked.caller.scopes:
        raise await asked.denied("metrics.read", None, "Metrics need the scope read:metrics.")
    async with asked.context.database.reading() as session:
        rows = await session.execute(select(SessionRow.state, func.count()).group_by(SessionRow.state))
        counts = {row[0]: row[1] for row in rows}
    context = asked.context
    behind = await lags(context.database, context.webhooks.names, context.syslog.name)
    return Response(context.metrics.page(counts, behind), media_type=CONTENT_TYPE)
