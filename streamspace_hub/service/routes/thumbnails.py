"""`sessions/{user}/{server}/thumbnail`: a small picture of a session's screen, for those who may see the screen."""

from __future__ import annotations

from fastapi import APIRouter, Response

from streamspace_hub.model import SessionState
from streamspace_hub.model.api import UserName
from streamspace_hub.service.documents import problems
from streamspace_hub.service.looking import policy_at_the_door
from streamspace_hub.service.problems import ProblemError, retry_after
from streamspace_hub.service.requests import ByLooker, server_name
from streamspace_hub.service.routes.sessions import Server
from streamspace_hub.service.tables import SessionRow
from streamspace_hub.service.thumbnails import FRESH, KIND

router = APIRouter(tags=["sessions"])


@router.get(
    "/sessions/{user}/{server}/thumbnail",
    response_class=Response,
    responses={
        200: {
            "description": "A JPEG, 320 pixels wide or less, at most some seconds old.",
            "content": {KIND: {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(401, 403, 404),
    },
)
async def get_thumbnail(asked: ByLooker, user: UserName, server: Server) -> Response:
    """Show what a running session shows. Has a rate limit of its own, for pages with many of them."""
    name = server_name(server)
    if not (asked.caller.may_look(user, name) or await _has_part(asked, user, name)):
        raise await asked.denied("session.look", f"{user}/{name}", "You may not see the screen of this session.")
    async with asked.context.database.reading() as session:
        row = await session.get(SessionRow, (user, name))
    if row is None:
        raise ProblemError("not-found", "There is no such session.")
    picture = None
    policy = await policy_at_the_door(asked, "session.look", user, name, row.app)
    # A picture is kept for all who look; of a session that asks each of them for a second factor there is none.
    if row.state == SessionState.RUNNING and asked.context.thumbnails.offered and not policy.step_up:
        picture = await asked.context.thumbnails.get(row.url, asked.caller.token)
    if picture is None:
        raise ProblemError("unavailable", "There is no picture at the moment.", headers=retry_after(FRESH))
    return Response(picture, media_type=KIND, headers={"Cache-Control": f"private, max-age={FRESH:.0f}"})


async def _has_part(asked: ByLooker, user: str, name: str) -> bool:
    """Return whether others share the session with the caller, whose token may see such screens."""
    return asked.caller.may_look_at_shared() and await asked.context.shared.has_part(asked.caller, user, name)
