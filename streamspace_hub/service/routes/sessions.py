"""`sessions`: list, start, show, stop, remove. Whatever starts or stops one is done with the caller's own token."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import StringConstraints
from sqlalchemy import ColumnElement, and_, false, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from streamspace_hub.model import SessionState
from streamspace_hub.model.api import (
    MOST_COUNTED,
    CreateSession,
    Outcome,
    ServerName,
    SessionList,
    UserName,
    UserSession,
)
from streamspace_hub.model.app import LINE_PATTERN, AppName
from streamspace_hub.model.session import RESTING
from streamspace_hub.service import launching
from streamspace_hub.service.context import Context
from streamspace_hub.service.documents import problems
from streamspace_hub.service.hub import HubError
from streamspace_hub.service.identity import Visible
from streamspace_hub.service.keys import REPLAYED, Answer, fingerprint
from streamspace_hub.service.mirror import user_session
from streamspace_hub.service.problems import ProblemError
from streamspace_hub.service.requests import (
    ByCaller,
    json_answer,
    server_name,
    tagged,
)
from streamspace_hub.service.tables import SessionRow

router = APIRouter(tags=["sessions"])

PAGE = 50
LARGEST_PAGE = 200
KEY_HEADER = {REPLAYED: {"description": "`true`: this answer was given before.", "schema": {"type": "string"}}}
LOCATION = {"Location": {"description": "The session.", "schema": {"type": "string"}}}

Text = Annotated[str, StringConstraints(pattern=LINE_PATTERN, max_length=600)]
Server = Annotated[ServerName, Path(description="Name of its server; `~` is the default server.")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,255}$",
        description="Chosen by the caller, new for each thing to be done: the same request with it is done once.",
    ),
]


@router.get("/sessions", response_model=SessionList, responses=problems(401, 403, 404))
async def list_sessions(
    asked: ByCaller,
    user: Annotated[UserName | None, Query(description="Only sessions of this user.")] = None,
    app: Annotated[AppName | None, Query(description="Only sessions of this app.")] = None,
    state: Annotated[SessionState | None, Query(description="Only sessions in this state.")] = None,
    search: Annotated[Text | None, Query(description="Text in user, name, app or title, in any case.")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Sessions on one page.")] = PAGE,
    after: Annotated[Text | None, Query(description="`next` of the page before.")] = None,
) -> Response:
    """List the sessions that the caller may see."""
    visible = asked.caller.visible
    one = user if user is not None else _only_user(visible)
    if one is not None and (visible.everything or one in visible.users):
        await asked.context.mirror.refresh(one)
    conditions = [_seen(visible)]
    if user is not None:
        conditions.append(SessionRow.user == user)
    if app is not None:
        conditions.append(SessionRow.app == app)
    if state is not None:
        conditions.append(SessionRow.state == str(state))
    if search:
        columns = (SessionRow.user, SessionRow.name, SessionRow.app, SessionRow.title)
        conditions.append(or_(*(column.icontains(search, autoescape=True) for column in columns)))
    query = select(SessionRow).where(*conditions).order_by(SessionRow.user, SessionRow.name)
    if after is not None:
        place = after.partition("/")
        query = query.where(tuple_(SessionRow.user, SessionRow.name) > tuple_(place[0], place[2]))
    async with asked.context.database.reading() as session:
        rows = list((await session.execute(query.limit(limit + 1))).scalars())
        whole = after is None and len(rows) <= limit
        total = len(rows) if whole else await _count(session, conditions)
    following = f"{rows[limit - 1].user}/{rows[limit - 1].name}" if len(rows) > limit else None
    return tagged(
        asked.request, SessionList(sessions=[user_session(row) for row in rows[:limit]], total=total, next=following)
    )


@router.post(
    "/sessions",
    status_code=202,
    response_model=UserSession,
    responses={
        200: {"model": UserSession, "description": "It was running already", "headers": {**LOCATION, **KEY_HEADER}},
        202: {"description": "It is being started", "headers": {**LOCATION, **KEY_HEADER}},
        **problems(400, 401, 403, 404, 409, 413),
    },
)
async def create_session(asked: ByCaller, wanted: CreateSession, idempotency_key: Key = None) -> Response:
    """Start a session, or find it running."""
    if wanted.user is None and asked.caller.kind == "service":
        raise ProblemError("invalid", "user: is missing; a service says whose session it starts.")
    user, name = wanted.user or asked.caller.name, wanted.name or wanted.app
    if not asked.caller.may_manage(user, name):
        raise await asked.denied("session.create", f"{user}/{name}", "You may not start sessions of this user.")
    title = asked.context.titles.get(wanted.app)
    if title is None:
        raise ProblemError("not-found", f"There is no app `{wanted.app}`; `GET apps` lists those that there are.")

    async def work() -> Answer:
        return await create(asked, wanted, user, name, title)

    return await once(asked, idempotency_key, work, wanted.model_dump_json())


@router.get("/sessions/{user}/{server}", response_model=UserSession, responses=problems(401, 403, 404))
async def get_session(asked: ByCaller, user: UserName, server: Server) -> Response:
    """Show one session."""
    name = server_name(server)
    if not (asked.caller.may_see(user, name) or await asked.context.shared.has_part(asked.caller, user, name)):
        raise await asked.denied("session.read", f"{user}/{name}", "You may not see this session.")
    known = await known_session(asked.context, user, name)
    if not (asked.caller.is_admin or asked.caller.holds_for_user("view", user)):
        known = known.model_copy(update={"storage": None})  # their files are all of theirs, and not this session's
    return tagged(asked.request, known)


@router.post(
    "/sessions/{user}/{server}/stop",
    status_code=202,
    response_model=UserSession,
    responses={
        200: {"model": UserSession, "description": "It has stopped", "headers": KEY_HEADER},
        202: {"description": "It is being stopped", "headers": KEY_HEADER},
        **problems(401, 403, 404, 409),
    },
)
async def stop_session(asked: ByCaller, user: UserName, server: Server, idempotency_key: Key = None) -> Response:
    """Stop a session, also one that sleeps. Its files stay, what was not saved is lost."""
    name = server_name(server)
    await permit(asked, "session.stop", user, name)

    async def work() -> Answer:
        known = await known_session(asked.context, user, name)
        if known.state is SessionState.SLEEPING:
            known = await _give_up(asked, known)
        elif known.state not in RESTING:
            found = await _end(asked, "session.stop", user, name, remove=False)
            known = found or known.model_copy(update={"state": SessionState.STOPPED})
        return Answer(200 if known.state in RESTING else 202, known.model_dump_json())

    return await once(asked, idempotency_key, work)


@router.delete(
    "/sessions/{user}/{server}",
    status_code=204,
    response_class=Response,
    responses={202: {"model": UserSession, "description": "It is being stopped first"}, **problems(401, 403, 404, 409)},
)
async def delete_session(asked: ByCaller, user: UserName, server: Server) -> Response:
    """Stop a session and take it off the list. The user's files stay."""
    name = server_name(server)
    await permit(asked, "session.delete", user, name)
    await known_session(asked.context, user, name)
    left = await _end(asked, "session.delete", user, name, remove=True)
    return Response(status_code=204) if left is None else json_answer(left, 202)


async def once(asked: ByCaller, key: Key, work: Callable[[], Awaitable[Answer]], body: str = "") -> Response:
    """Do the work of a POST, or answer as it was answered when it came with this key before."""
    place = fingerprint("POST", asked.request.url.path, body)
    return response_of(await asked.context.keys.once(asked.caller.actor, key, place, work))


async def create(asked: ByCaller, wanted: CreateSession, user: str, name: str, title: str) -> Answer:
    """Start a session in the caller's name, which may do so, or find it running; return the answer."""
    asked.request.state.session = f"{user}/{name}"
    where = {"Location": f"{asked.context.settings.api_prefix}/sessions/{quote(user, safe='')}/{quote(name, safe='')}"}
    now = time.time()
    model = await asked.context.hub.user(user)
    if model is None:
        raise ProblemError("not-found", f"The hub knows no user {user}.")
    known = await asked.context.mirror.take(model, now)
    obstacle = launching.blocking(wanted, name, known, name in model.servers)
    if obstacle is not None:
        raise ProblemError("conflict", obstacle)
    runs = known[name] if name in known and known[name].state not in RESTING else None
    async with _noted(asked, f"{user}/{name}", wanted, runs=runs is not None):
        if runs is not None:
            return Answer(200, runs.model_dump_json(), where)
        server = launching.Server(user, name, asked.caller.token)
        context = asked.context
        session = await launching.start(context.hub, context.changes, context.mirror, server, wanted, title)
        if session.storage is None and name in known:  # of files the hub tells another time
            session = session.model_copy(update={"storage": known[name].storage})
        return Answer(202, session.model_dump_json(), where)


@asynccontextmanager
async def _noted(asked: ByCaller, target: str, wanted: CreateSession, *, runs: bool) -> AsyncIterator[None]:
    """Write into the audit log what becomes of a start that is tried inside; `runs`: there is nothing to be started.

    Who waits for room asks again every few seconds: that it waits is written when that begins, and what has come of it
    when that ends.
    """
    waiters, actor, action = asked.context.waiters, asked.caller.actor, "session.create"
    details = wanted.model_dump(mode="json", exclude_none=True)
    waits = await waiters.known(actor, target)
    if not waits and not runs:
        await asked.note(action, target, Outcome.ALLOWED, **details)
    try:
        yield
    except (HubError, LookupError) as error:
        queued = isinstance(error, HubError) and error.place is not None
        if not (waits and queued):
            refusal = error.refusal if isinstance(error, HubError) else None
            await asked.context.refusals.note(asked.attempt(action, target, outcome_of(error), str(error)), refusal)
        if queued:
            await waiters.keep(actor, target)
        elif waits:
            await waiters.drop(actor, target)
        raise launching.gone(target.rpartition("/")[2]) if isinstance(error, LookupError) else error from None
    if waits:
        await asked.note(action, target, Outcome.ALLOWED, **details)
        await waiters.drop(actor, target)


async def _give_up(asked: ByCaller, session: UserSession) -> UserSession:
    """Have the hub forget what sleeps; return the session as it is then."""
    target = f"{session.user}/{session.name}"
    await asked.note("session.stop", target, Outcome.ALLOWED)
    try:
        await asked.context.hub.forget_sleep(session.user, session.name, asked.caller.token)
    except HubError as error:
        await asked.note("session.stop", target, outcome_of(error), error.message)
        raise
    return await known_session(asked.context, session.user, session.name)


async def _end(asked: ByCaller, action: str, user: str, name: str, *, remove: bool) -> UserSession | None:
    target = f"{user}/{name}"
    await asked.note(action, target, Outcome.ALLOWED)
    try:
        server = launching.Server(user, name, asked.caller.token)
        context = asked.context
        return await launching.stop(context.hub, context.changes, context.mirror, server, remove=remove)
    except HubError as error:
        await asked.note(action, target, outcome_of(error), error.message)
        raise


def outcome_of(error: Exception) -> Outcome:
    """Return what became of an attempt that was not carried out: the hub said no, or something went wrong."""
    return Outcome.DENIED if isinstance(error, HubError) and error.status < 500 else Outcome.FAILED


async def permit(asked: ByCaller, action: str, user: str, name: str) -> None:
    """Refuse, and note, what the caller may not do with a session."""
    if not asked.caller.may_manage(user, name):
        raise await asked.denied(action, f"{user}/{name}", "You may not change this session.")


async def known_session(context: Context, user: str, name: str) -> UserSession:
    """Return a session as it is now, or answer that there is none."""
    known = (await context.mirror.refresh(user)).get(name)
    if known is None:
        raise ProblemError("not-found", "There is no such session.")
    return known


async def _count(session: AsyncSession, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Count rows, and stop at the most that is told: of a million, counting all takes longer than everything else."""
    some = select(SessionRow.user).where(*conditions).limit(MOST_COUNTED).subquery()
    return (await session.execute(select(func.count()).select_from(some))).scalar_one()


def _only_user(visible: Visible) -> str | None:
    return next(iter(visible.users)) if len(visible.users) == 1 and not visible.everything else None


def _seen(visible: Visible) -> ColumnElement[bool]:
    """Return the condition for rows of what is visible."""
    if visible.everything:
        return SessionRow.user == SessionRow.user
    either: list[ColumnElement[bool]] = [
        and_(SessionRow.user == user, SessionRow.name == name) for user, name in visible.servers
    ]
    if visible.users:
        either.append(SessionRow.user.in_(visible.users))
    return or_(*either) if either else false()


def response_of(answer: Answer) -> Response:
    """Return an answer that may have been given before."""
    return Response(answer.body, answer.status, answer.headers, "application/json")
