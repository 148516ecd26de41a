"""`users/{user}/shared`: the sessions that others share with a user, or with a group of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from streamspace_hub.model.api import SharedSession, SharedSessionList, UserName
from streamspace_hub.service.documents import problems
from streamspace_hub.service.mirror import user_session
from streamspace_hub.service.requests import ByCaller, tagged
from streamspace_hub.service.routes.sessions import LARGEST_PAGE, PAGE, Text
from streamspace_hub.service.sharing import Part
from streamspace_hub.service.tables import SessionRow

router = APIRouter(tags=["shares"])

AT_ONCE = 400
"""Sessions that one query looks up."""
NOT_THEIRS = "This token may not read what is shared with this user: it needs `read:users:shares` of the hub."

Key = tuple[str, str]


@router.get("/users/{user}/shared", response_model=SharedSessionList, responses=problems(401, 403, 404))
async def list_shared(
    asked: ByCaller,
    user: UserName,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Sessions on one page.")] = PAGE,
    after: Annotated[Text | None, Query(description="`next` of the page before.")] = None,
) -> Response:
    """List the sessions that others share with a user, or with a group of theirs, and what the user is in them."""
    if not asked.caller.may_read_shared(user):
        raise await asked.denied("shared.read", user, NOT_THEIRS)
    parts = await asked.context.shared.parts(asked.caller, user)
    async with asked.context.database.reading() as session:
        rows = await _known(session, sorted(parts))
    place = after.partition("/") if after is not None else None
    following = [row for row in rows if place is None or (row.user, row.name) > (place[0], place[2])]
    page = following[:limit]
    return tagged(
        asked.request,
        SharedSessionList(
            sessions=[_shared(row, parts[row.user, row.name]) for row in page],
            total=len(rows),
            next=f"{page[-1].user}/{page[-1].name}" if len(following) > limit else None,
        ),
    )


async def _known(session: AsyncSession, keys: Sequence[Key]) -> list[SessionRow]:
    """Return those servers that are sessions, as they were told last, in the order of `keys`."""
    found: dict[Key, SessionRow] = {}
    for first in range(0, len(keys), AT_ONCE):
        query = select(SessionRow).where(tuple_(SessionRow.user, SessionRow.name).in_(keys[first : first + AT_ONCE]))
        found |= {(row.user, row.name): row for row in (await session.execute(query)).scalars()}
    return [found[key] for key in keys if key in found]


def _shared(row: SessionRow, part: Part) -> SharedSession:
    # What their files take is the owner's own business.
    known = user_session(row).model_dump(exclude={"storage"})
    return SharedSession(**known, role=part.role, groups=list(part.groups))
