"""`users`: whose sessions there are, and which groups they are in, for administrators who look for those of a group."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import select

from streamspace_hub.model.api import UserGroups, UserList, UserName
from streamspace_hub.service.documents import problems
from streamspace_hub.service.requests import ByCaller, tagged
from streamspace_hub.service.tables import SessionRow, WatchedRow

router = APIRouter(tags=["sessions"])

PAGE, LARGEST_PAGE = 200, 1000


@router.get("/users", response_model=UserList, responses=problems(401, 403))
async def list_users(
    asked: ByCaller,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Users on one page.")] = PAGE,
    after: Annotated[UserName | None, Query(description="`next` of the page before.")] = None,
) -> Response:
    """List the users that have sessions, with their groups as the hub told last; for administrators."""
    if not asked.caller.is_admin:
        raise await asked.denied("users.read", None, "The list of users is for administrators.")
    having = select(SessionRow.user).where(SessionRow.user == WatchedRow.user).exists()
    query = select(WatchedRow).where(having).order_by(WatchedRow.user).limit(limit + 1)
    if after is not None:
        query = query.where(WatchedRow.user > after)
    async with asked.context.database.reading() as session:
        rows = list((await session.execute(query)).scalars())
    following = rows[limit - 1].user if len(rows) > limit else None
    users = [UserGroups(name=row.user, groups=sorted(row.groups)) for row in rows[:limit]]
    return tagged(asked.request, UserList(users=users, next=following))
