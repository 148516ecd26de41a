"""`sessions/.../freeze`, `thaw`, `extend`, `hibernate`, `resume`: the ladder of sleep by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Response

from streamspace_hub.model import SessionState
from streamspace_hub.model.api import CreateSession, ExtendSession, Outcome, UserAhead, UserName, UserSession
from streamspace_hub.model.session import RESTING
from streamspace_hub.service.documents import problems
from streamspace_hub.service.hub import HubError
from streamspace_hub.service.keys import Answer
from streamspace_hub.service.problems import ProblemError, retry_after
from streamspace_hub.service.requests import ByCaller, server_name, tagged
from streamspace_hub.service.routes.sessions import (
    KEY_HEADER,
    Key,
    Server,
    create,
    known_session,
    once,
    outcome_of,
    permit,
)
from streamspace_hub.service.session_link import SessionAwayError

router = APIRouter(tags=["sleep"])

LIVE = (SessionState.RUNNING, SessionState.FROZEN)


@router.post(
    "/sessions/{user}/{server}/freeze",
    response_model=UserSession,
    responses={200: {"description": "It is frozen", "headers": KEY_HEADER}, **problems(401, 403, 404, 409)},
)
async def freeze_session(asked: ByCaller, user: UserName, server: Server, idempotency_key: Key = None) -> Response:
    """Stop a session's processes. They keep their memory, and go on with the next input, or viewer."""
    return await _order(asked, _Order("freeze"), user, server, idempotency_key)


@router.post(
    "/sessions/{user}/{server}/thaw",
    response_model=UserSession,
    responses={200: {"description": "It goes on", "headers": KEY_HEADER}, **problems(401, 403, 404, 409)},
)
async def thaw_session(asked: ByCaller, user: UserName, server: Server, idempotency_key: Key = None) -> Response:
    """Let a frozen session's processes go on."""
    return await _order(asked, _Order("thaw"), user, server, idempotency_key)


@router.post(
    "/sessions/{user}/{server}/extend",
    response_model=UserSession,
    responses={200: {"description": "It stays awake", "headers": KEY_HEADER}, **problems(400, 401, 403, 404, 409, 413)},
)
async def extend_session(
    asked: ByCaller, user: UserName, server: Server, wanted: ExtendSession, idempotency_key: Key = None
) -> Response:
    """Keep a session awake for a while, as far as its policy's `busy_limit` allows; 0 seconds end that."""
    order = _Order("activity", {"busy_for": wanted.seconds, "why": f"{asked.caller.name} keeps it awake"})
    return await _order(asked, order, user, server, idempotency_key)


@router.post(
    "/sessions/{user}/{server}/hibernate",
    status_code=200,
    response_model=UserSession,
    responses={
        200: {"model": UserSession, "description": "It sleeps", "headers": KEY_HEADER},
        202: {"model": UserSession, "description": "Its memory is kept, and it is ending", "headers": KEY_HEADER},
        **problems(401, 403, 404, 409),
    },
)
async def hibernate_session(asked: ByCaller, user: UserName, server: Server, idempotency_key: Key = None) -> Response:
    """Put a session to sleep with its memory, and free the machine; `resume` brings it back as it was.

    Where its memory cannot be kept it goes on, and the answer (409) says why.
    """
    name = server_name(server)
    await permit(asked, "session.hibernate", user, name)
    if not asked.caller.may_stop(user, name):
        raise await asked.denied("session.hibernate", f"{user}/{name}", "You may not stop this session.")

    async def work() -> Answer:
        session = await known_session(asked.context, user, name)
        if session.state is not SessionState.SLEEPING:
            session = await _hibernated(asked, session)
        return Answer(200 if session.state in RESTING else 202, session.model_dump_json())

    return await once(asked, idempotency_key, work)


async def _hibernated(asked: ByCaller, session: UserSession) -> UserSession:
    """Put a session to sleep with its memory; return it as it is then."""
    action, target = "session.hibernate", f"{session.user}/{session.name}"
    if session.state not in LIVE:
        raise ProblemError("conflict", _not_live(session))
    await asked.note(action, target, Outcome.ALLOWED)
    try:
        answer = await asked.context.sleeping.hibernate(session, asked.caller.token)
    except (SessionAwayError, HubError) as error:
        await asked.note(action, target, outcome_of(error), str(error))
        if isinstance(error, HubError):
            raise
        raise ProblemError("conflict", f"{error} Try again.", headers=retry_after(2)) from None
    if not answer.done:
        await asked.note(action, target, Outcome.FAILED, answer.message)
        raise ProblemError("conflict", answer.message)
    return await known_session(asked.context, session.user, session.name)


def _not_live(session: UserSession) -> str:
    if session.state is SessionState.HIBERNATING:
        return f"{session.title} is just being put to sleep; try again in a moment."
    return f"{session.title} is {session.state}; `resume` starts it again."


@router.post(
    "/sessions/{user}/{server}/resume",
    status_code=202,
    response_model=UserSession,
    responses={
        200: {"model": UserSession, "description": "It is awake", "headers": KEY_HEADER},
        202: {"description": "It is being started", "headers": KEY_HEADER},
        **problems(401, 403, 404, 409),
    },
)
async def resume_session(asked: ByCaller, user: UserName, server: Server, idempotency_key: Key = None) -> Response:
    """Wake a session: thaw a frozen one, bring one that sleeps back as it was, start one that has ended again."""
    name = server_name(server)
    await permit(asked, "session.resume", user, name)

    async def work() -> Answer:
        session = await known_session(asked.context, user, name)
        if session.state is SessionState.FROZEN:
            session = await _carried_out(asked, _Order("thaw"), session)
        elif session.state is SessionState.HIBERNATING:
            raise ProblemError("conflict", _not_live(session), headers=retry_after(2))
        elif session.state in RESTING:
            return await create(asked, CreateSession(app=session.app, user=user), user, name, session.title)
        return Answer(200, session.model_dump_json())

    return await once(asked, idempotency_key, work)


@router.get("/users/{user}/ahead", response_model=UserAhead, responses=problems(401, 403, 404))
async def get_ahead(asked: ByCaller, user: UserName) -> Response:
    """Show what the ladder of sleep has in store for a user's sessions, and when, if nobody uses them."""
    if not (asked.caller.is_admin or asked.caller.holds_for_user("view", user)):
        raise await asked.denied("ahead.read", user, "These are the sessions of somebody else.")
    await asked.context.mirror.refresh(user)
    return tagged(asked.request, UserAhead(user=user, sessions=await asked.context.sleeping.ahead(user)))


_VERBS = {"activity": "extend"}
"""What an order to a session is called here, where that is something else."""


@dataclass(frozen=True)
class _Order:
    """Something that a session is told to do."""

    what: str
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def action(self) -> str:
        """What the audit log calls it."""
        return f"session.{_VERBS.get(self.what, self.what)}"


async def _order(asked: ByCaller, order: _Order, user: str, server: str, key: str | None) -> Response:
    name = server_name(server)
    await permit(asked, order.action, user, name)

    async def work() -> Answer:
        session = await known_session(asked.context, user, name)
        if session.state not in LIVE:
            raise ProblemError("conflict", _not_live(session))
        return Answer(200, (await _carried_out(asked, order, session)).model_dump_json())

    return await once(asked, key, work, json.dumps(dict(order.body)))


async def _carried_out(asked: ByCaller, order: _Order, session: UserSession) -> UserSession:
    """Give a session an order; return it as it is then."""
    target = f"{session.user}/{session.name}"
    await asked.note(order.action, target, Outcome.ALLOWED, **order.body)
    try:
        answer = await asked.context.link.order(session, order.what, **order.body)
    except SessionAwayError as error:
        await asked.note(order.action, target, Outcome.FAILED, str(error))
        raise ProblemError("conflict", f"{error} Try again.", headers=retry_after(2)) from None
    if not answer.done:
        await asked.note(order.action, target, Outcome.FAILED, answer.message)
        raise ProblemError("conflict", answer.message)
    await asked.context.sleeping.remember(session, answer)
    return await known_session(asked.context, session.user, session.name)
