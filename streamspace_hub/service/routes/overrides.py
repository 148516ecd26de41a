"""`overrides`: what administrators set for everybody, a group or a user, over what hub, apps and users say."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import StringConstraints
from sqlalchemy import select, tuple_

from streamspace_hub.model.api import FieldProblem, Outcome, OverrideEntry, OverrideList, UserName
from streamspace_hub.model.app import LINE_PATTERN
from streamspace_hub.model.overrides import Override
from streamspace_hub.service.documents import problems
from streamspace_hub.service.overrides import Kind, locked, override_of, replace
from streamspace_hub.service.problems import ProblemError
from streamspace_hub.service.requests import ByCaller, check_version, etag_of, tagged
from streamspace_hub.service.tables import OverrideRow

router = APIRouter(tags=["overrides"])

PAGE, LARGEST_PAGE = 50, 200

# With slashes: some authenticators name groups by their paths.
GroupName = Annotated[
    str,
    StringConstraints(pattern=LINE_PATTERN, min_length=1, max_length=255),
    Path(description="Name of a group of the hub; there need not be one yet."),
]
Version = Annotated[str, Header(alias="If-Match", description="The ETag of the override as you have read it.")]
After = Annotated[str, StringConstraints(pattern=LINE_PATTERN, max_length=300)]
READS: dict[str, Any] = {"response_model": Override, "responses": problems(401, 403)}
WRITES: dict[str, Any] = {"response_model": Override, "responses": problems(400, 401, 403, 412, 413)}
REMOVES: dict[str, Any] = {"status_code": 204, "response_class": Response, "responses": problems(401, 403, 412)}


@router.get("/overrides", response_model=OverrideList, responses=problems(401, 403))
async def list_overrides(
    asked: ByCaller,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Overrides on one page.")] = PAGE,
    after: Annotated[After | None, Query(description="`next` of the page before.")] = None,
) -> Response:
    """List all overrides: that of everybody, those of groups, those of users; for administrators."""
    await _permit(asked, "override.read", None)
    query = select(OverrideRow).order_by(OverrideRow.kind, OverrideRow.name).limit(limit + 1)
    if after is not None:
        kind, _, name = after.partition("/")
        query = query.where(tuple_(OverrideRow.kind, OverrideRow.name) > tuple_(kind, name))
    async with asked.context.database.reading() as session:
        rows = list((await session.execute(query)).scalars())
    following = f"{rows[limit - 1].kind}/{rows[limit - 1].name}" if len(rows) > limit else None
    entries = [
        OverrideEntry.model_validate({"kind": row.kind, "name": row.name, "override": override_of(row)})
        for row in rows[:limit]
    ]
    return tagged(asked.request, OverrideList(overrides=entries, next=following))


@router.get("/overrides/everybody", **READS)
async def get_override(asked: ByCaller) -> Response:
    """Show what is set for everybody; for administrators."""
    return await _show(asked, "everybody", "")


@router.put("/overrides/everybody", **WRITES)
async def put_override(asked: ByCaller, override: Override, if_match: Version) -> Response:
    """Set it for everybody, if nobody else has meanwhile; for administrators."""
    return await _replace(asked, "everybody", "", override)


@router.delete("/overrides/everybody", **REMOVES)
async def delete_override(asked: ByCaller, if_match: Version) -> Response:
    """Take away what is set for everybody; for administrators."""
    return await _remove(asked, "everybody", "")


@router.get("/overrides/groups/{group:path}", **READS)
async def get_group_override(asked: ByCaller, group: GroupName) -> Response:
    """Show what is set for a group; for administrators."""
    return await _show(asked, "group", group)


@router.put("/overrides/groups/{group:path}", **WRITES)
async def put_group_override(asked: ByCaller, group: GroupName, override: Override, if_match: Version) -> Response:
    """Set it for a group, if nobody else has meanwhile; for administrators."""
    return await _replace(asked, "group", group, override)


@router.delete("/overrides/groups/{group:path}", **REMOVES)
async def delete_group_override(asked: ByCaller, group: GroupName, if_match: Version) -> Response:
    """Take away what is set for a group; for administrators."""
    return await _remove(asked, "group", group)


@router.get("/overrides/users/{user}", **READS)
async def get_user_override(asked: ByCaller, user: UserName) -> Response:
    """Show what is set for a user; for administrators."""
    return await _show(asked, "user", user)


@router.put("/overrides/users/{user}", **WRITES)
async def put_user_override(asked: ByCaller, user: UserName, override: Override, if_match: Version) -> Response:
    """Set it for a user, if nobody else has meanwhile; for administrators."""
    return await _replace(asked, "user", user, override)


@router.delete("/overrides/users/{user}", **REMOVES)
async def delete_user_override(asked: ByCaller, user: UserName, if_match: Version) -> Response:
    """Take away what is set for a user; for administrators."""
    return await _remove(asked, "user", user)


async def _show(asked: ByCaller, kind: Kind, name: str) -> Response:
    await _permit(asked, "override.read", _target(kind, name))
    async with asked.context.database.reading() as session:
        row = await session.get(OverrideRow, (kind, name))
    return tagged(asked.request, override_of(row))


async def _replace(asked: ByCaller, kind: Kind, name: str, override: Override) -> Response:
    await _write(asked, "override.write", kind, name, override)
    return tagged(asked.request, override)


async def _remove(asked: ByCaller, kind: Kind, name: str) -> Response:
    await _write(asked, "override.delete", kind, name, Override())
    return Response(status_code=204)


async def _write(asked: ByCaller, action: str, kind: Kind, name: str, override: Override) -> None:
    await _permit(asked, action, _target(kind, name))
    _check(asked, kind, override)
    details = override.model_dump(mode="json", exclude_none=True)
    what = asked.attempt(action, _target(kind, name), Outcome.ALLOWED, **details)
    async with asked.context.database.writing() as session:
        check_version(asked.request, etag_of((await locked(session, kind, name)).model_dump_json()))
        await replace(session, kind, name, override)
        line = await asked.context.audit.add(session, what)
    asked.context.audit.publish(line)
    asked.context.hub_overrides.note()


def _check(asked: ByCaller, kind: Kind, override: Override) -> None:
    """Refuse what would have no effect: what all have together who are no group, and budgets where nothing costs."""
    if kind != "group" and override.together.model_dump(exclude_none=True):
        raise _invalid("together", "is for groups: what all their members have together.")
    if not asked.context.settings.prices.costs_something:
        for part in ("quota", "together"):
            if getattr(override, part).budget is not None:
                raise _invalid(f"{part}.budget", "needs prices above 0 in the configuration of the service (`prices`).")


def _invalid(field: str, message: str) -> ProblemError:
    return ProblemError("invalid", f"{field}: {message}", errors=[FieldProblem(field=field, message=message)])


async def _permit(asked: ByCaller, action: str, target: str | None) -> None:
    if not asked.caller.is_admin:
        raise await asked.denied(action, target, "Overrides are for administrators.")


def _target(kind: Kind, name: str) -> str:
    return f"{kind}:{name}" if name else kind
