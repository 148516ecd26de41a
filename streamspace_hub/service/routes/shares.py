"""`sessions/.../shares`: with whom a session is shared. The hub keeps it, and is asked with the caller's token."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response

from streamspace_hub.model.api import Outcome, SessionShares, ShareWith, UserName
from streamspace_hub.service.documents import problems
from streamspace_hub.service.hub import HubError
from streamspace_hub.service.problems import ProblemError
from streamspace_hub.service.requests import ByCaller, json_answer, server_name, tagged
from streamspace_hub.service.routes.sessions import Server, known_session, permit
from streamspace_hub.service.sharing import beyond, scopes_of, shares_of

router = APIRouter(tags=["shares"])

Kind = Annotated[Literal["users", "groups"], Path(description="Whether `name` is a user or a group of the hub.")]
Name = Annotated[UserName, Path(description="Name of the user or group.")]
NOT_HERE = "Users may not share sessions on this hub, unless an administrator grants them the scope `shares!user`."


@router.get("/sessions/{user}/{server}/shares", response_model=SessionShares, responses=problems(401, 403, 404))
async def get_shares(asked: ByCaller, user: UserName, server: Server) -> Response:
    """Show with whom a session is shared."""
    name = server_name(server)
    await _permit(asked, "session.shares.read", user, name)
    return tagged(asked.request, await _shares(asked, user, name))


@router.put(
    "/sessions/{user}/{server}/shares/{kind}/{name}",
    response_model=SessionShares,
    responses=problems(400, 401, 403, 404, 409, 413),
)
async def put_share(
    asked: ByCaller, user: UserName, server: Server, kind: Kind, name: Name, wanted: ShareWith
) -> Response:
    """Share a session with a user or group, or change what they are in it."""
    session, whom = server_name(server), {kind[:-1]: name}
    await _permit(asked, "session.share", user, session)
    target = f"{user}/{session}"
    await asked.note("session.share", target, Outcome.ALLOWED, **whom, role=wanted.role)
    hub, token = asked.context.hub, asked.caller.token
    try:
        if less := beyond(wanted.role, user, session):
            await hub.unshare(user, session, whom, token, less)
        await hub.share(user, session, whom, scopes_of(wanted.role, user, session), token)
    except HubError as error:
        await asked.note("session.share", target, Outcome.FAILED, error.message, **whom)
        if error.status == 400:  # which says that there is no such user or group
            raise ProblemError("not-found", f"{error.message}.") from None
        raise
    return json_answer(await _shares(asked, user, session))


@router.delete(
    "/sessions/{user}/{server}/shares/{kind}/{name}",
    response_model=SessionShares,
    responses=problems(401, 403, 404, 409),
)
async def delete_share(asked: ByCaller, user: UserName, server: Server, kind: Kind, name: Name) -> Response:
    """Take a share back, if there is one. Who looks at that moment goes on until their connection ends."""
    session, whom = server_name(server), {kind[:-1]: name}
    await _permit(asked, "session.unshare", user, session)
    target = f"{user}/{session}"
    await asked.note("session.unshare", target, Outcome.ALLOWED, **whom)
    try:
        await asked.context.hub.unshare(user, session, whom, asked.caller.token)
    except HubError as error:
        await asked.note("session.unshare", target, Outcome.FAILED, error.message, **whom)
        raise
    return json_answer(await _shares(asked, user, session))


async def _permit(asked: ByCaller, action: str, user: str, name: str) -> None:
    await permit(asked, action, user, name)
    if not asked.caller.may_share(user, name):
        raise await asked.denied(action, f"{user}/{name}", NOT_HERE)
    await known_session(asked.context, user, name)


async def _shares(asked: ByCaller, user: str, name: str) -> SessionShares:
    models = await asked.context.hub.shares(user, name, asked.caller.token)
    return SessionShares(shares=shares_of(models, user, name))
