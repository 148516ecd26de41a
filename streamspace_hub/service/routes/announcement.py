"""`announcement`: what administrators tell all users, and maintenance, during which nothing starts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response
from sqlalchemy.exc import IntegrityError

from streamspace_hub.model.api import Announcement, Outcome
from streamspace_hub.service.announcing import ONLY, announced, announcement_of
from streamspace_hub.service.documents import problems
from streamspace_hub.service.problems import ProblemError
from streamspace_hub.service.requests import ByCaller, check_version, etag_of, tagged
from streamspace_hub.service.tables import AnnouncementRow

router = APIRouter(tags=["announcement"])


@router.get("/announcement", response_model=Announcement, responses=problems(401, 403))
async def get_announcement(asked: ByCaller) -> Response:
    """Show what is announced."""
    return tagged(asked.request, await announced(asked.context.database))


@router.put("/announcement", response_model=Announcement, responses=problems(400, 401, 403, 412, 413))
async def put_announcement(
    asked: ByCaller,
    announcement: Announcement,
    if_match: Annotated[str, Header(description="The ETag of the announcement as you have read it.")],
) -> Response:
    """Announce something else, if nobody else has meanwhile; for administrators."""
    if not asked.caller.is_admin:
        raise await asked.denied("announcement.write", None, "Announcements are for administrators to make.")
    values = announcement.model_dump(mode="json")
    what = asked.attempt("announcement.write", None, Outcome.ALLOWED, **values)
    try:
        async with asked.context.database.writing() as session:
            row = await session.get(AnnouncementRow, ONLY, with_for_update=True)
            check_version(asked.request, etag_of(announcement_of(row).model_dump_json()))
            if row is None:
                session.add(AnnouncementRow(number=ONLY, **values))
            else:
                row.text, row.until, row.maintenance = values["text"], values["until"], values["maintenance"]
            line = await asked.context.audit.add(session, what)
    except IntegrityError:  # the first one of all, from two sides at once
        raise ProblemError("changed", "It was changed by somebody else meanwhile; read it again.") from None
    asked.context.audit.publish(line)
    asked.context.announcing.note()
    return tagged(asked.request, announcement)
