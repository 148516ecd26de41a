"""`sessions/{user}/{server}/logs`: what the parts of a session have logged, for those who control it.

The session is asked with the caller's own token, and decides once more who may read it.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from streamspace_hub.model import SessionState
from streamspace_hub.model.api import SessionLog, UserName
from streamspace_hub.service.documents import problems
from streamspace_hub.service.problems import ProblemError, retry_after
from streamspace_hub.service.requests import ByCaller, json_answer, server_name
from streamspace_hub.service.routes.sessions import Server, known_session
from streamspace_hub.service.session_link import LogRefusedError, SessionAwayError

router = APIRouter(tags=["sessions"])

LIVE = (SessionState.RUNNING, SessionState.FROZEN)
MOST = 1000


@router.get("/sessions/{user}/{server}/logs", response_model=SessionLog, responses=problems(401, 403, 404, 409))
async def get_logs(
    asked: ByCaller,
    user: UserName,
    server: Server,
    lines: Annotated[
        int, Query(ge=0, le=MOST, description="Of each part's log: at most so many, the last ones.")
    ] = 100,
    after: Annotated[
        str | None,
        Query(pattern=r"^[0-9]{1,15}(\.[0-9]{1,15}){3}$", description="`next` of an answer before: what came since."),
    ] = None,
) -> Response:
    """Show what the parts of a running session have logged."""
    name = server_name(server)
    target = f"{user}/{name}"
    if not asked.caller.may_read_log(user, name):
        raise await asked.denied("session.logs", target, "You may not read the log of this session.")
    session = await known_session(asked.context, user, name)
    if session.state not in LIVE:
        raise ProblemError("conflict", f"{session.title} is {session.state}; its log can be read while it runs.")
    try:
        return json_answer(await asked.context.link.log(session, asked.caller.token, lines, after))
    except LogRefusedError as refused:
        raise await asked.denied("session.logs", target, str(refused)) from None
    except SessionAwayError as error:
        raise ProblemError("unavailable", str(error), headers=retry_after(2)) from None
