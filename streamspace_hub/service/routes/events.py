"""`events`: changes of sessions as server-sent events, for all that the caller may see or for one session."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from streamspace_hub.model.api import StartProgress, UserName
from streamspace_hub.model.session import RESTING
from streamspace_hub.service.authentication import REMEMBER
from streamspace_hub.service.database import Unreachable
from streamspace_hub.service.documents import problems
from streamspace_hub.service.events import Event, EventFeed, Filter
from streamspace_hub.service.hub import Hub, HubError
from streamspace_hub.service.problems import ProblemError
from streamspace_hub.service.requests import ByCaller, server_name
from streamspace_hub.service.routes.sessions import Server, known_session

router = APIRouter(tags=["events"])

LONGEST = 3600
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events. `session`: a session changed, `data` is the session. `removed`: it was "
        "taken off the list. `budget`: the use of a budget has reached a threshold, `data` says whose and how much "
        "of it. `reset`: events were missed; list the sessions again. Each has an `id` to go "
        "on from.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
log = logging.getLogger("streamspace.service")

NUMBER = re.compile(r"[0-9]{1,18}")

Wait = Annotated[int, Query(ge=0, le=LONGEST, description="Seconds after which the stream ends; go on by its last id.")]
LastId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", max_length=64, description="Go on after this event; else from now."),
]


@router.get("/events", response_class=StreamingResponse, responses={**STREAM, **problems(401, 403)})
async def all_events(asked: ByCaller, wait: Wait = 300, last_event_id: LastId = None) -> Response:
    """Follow the changes of all sessions that the caller may see."""
    return await _stream(asked, Filter(asked.caller.visible), last_event_id, wait)


@router.get(
    "/sessions/{user}/{server}/events",
    response_class=StreamingResponse,
    responses={**STREAM, **problems(401, 403)},
)
async def session_events(
    asked: ByCaller,
    user: UserName,
    server: Server,
    wait: Wait = 300,
    last_event_id: LastId = None,
) -> Response:
    """Follow the changes of one session."""
    name = server_name(server)
    if not asked.caller.may_see(user, name):
        raise await asked.denied("session.read", f"{user}/{name}", "You may not see this session.")
    return await _stream(asked, Filter(asked.caller.visible, user, name), last_event_id, wait)


@router.get(
    "/sessions/{user}/{server}/progress",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events `progress`, `data` has `progress` (percent) and `message`; "
            "and of the last one `ready` or `failed` is true.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems(401, 403, 404, 409),
    },
)
async def session_progress(asked: ByCaller, user: UserName, server: Server) -> Response:
    """Follow the start of a session, step by step."""
    name = server_name(server)
    if not asked.caller.may_see(user, name):
        raise await asked.denied("session.read", f"{user}/{name}", "You may not see this session.")
    session = await known_session(asked.context, user, name)
    if session.state in RESTING:
        raise ProblemError("conflict", f"{session.title} is {session.state}, and not being started.")
    return _events(_steps(asked.context.hub, user, name))


async def _steps(hub: Hub, user: str, name: str) -> AsyncIterator[str]:
    """Pass the hub's steps on. What breaks off has no last step: the session's state says what has come of it."""
    try:
        async with aclosing(hub.progress(user, name)) as steps:
            async for step in steps:
                if step is None:
                    yield ": still here\n\n"
                else:
                    yield f"event: progress\ndata: {_step(step).model_dump_json()}\n\n"
    except HubError as error:
        log.info("the start of a session cannot be followed: %s", error)


def _step(told: Mapping[str, Any]) -> StartProgress:
    ready = bool(told.get("ready"))
    return StartProgress(
        progress=min(max(int(told.get("progress") or 0), 0), 100),
        message="It is up." if ready else str(told.get("message", "")),
        ready=ready,
        failed=bool(told.get("failed")),
    )


async def _may_stay(asked: ByCaller) -> bool:
    """Return whether the caller's token still holds what it held. While the hub is away, it does."""
    try:
        return await asked.context.authentication.is_still(asked.caller)
    except ProblemError:
        return True


async def _stream(asked: ByCaller, wanted: Filter, last: str | None, wait: int) -> Response:
    # Before the answer begins: a database that is away is told by its status, and not by a stream that breaks off.
    after, is_whole = await _place(asked.context.feed, last)
    return _events(_lines(asked, wanted, after, wait, is_whole=is_whole))


async def _place(feed: EventFeed, last: str | None) -> tuple[int, bool]:
    """Return after which event to go on, and whether the caller has missed none."""
    head = await feed.head()
    if last is None:
        return head, True
    # An id that is none of ours (another database) is like a place that is no longer kept.
    if NUMBER.fullmatch(last) and int(last) <= head and await feed.is_kept(int(last)):
        return int(last), True
    return head, False


def _events(lines: AsyncIterator[str]) -> Response:
    return StreamingResponse(
        lines,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


async def _lines(asked: ByCaller, wanted: Filter, after: int, wait: int, *, is_whole: bool) -> AsyncIterator[str]:
    if not is_whole:
        yield f"event: reset\nid: {after}\ndata: {{}}\n\n"
    # At once, so that the caller knows that everything from here on will be told.
    yield f"id: {after}\n: from here on\n\n"
    loop = asyncio.get_running_loop()
    ends, check = loop.time() + wait, loop.time() + REMEMBER
    events = asked.context.feed.follow(wanted, after)
    upcoming: asyncio.Task[Event] | None = None
    try:
        while loop.time() < ends:
            upcoming = upcoming or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({upcoming}, timeout=min(REMEMBER, ends - loop.time()))
            if loop.time() >= check:
                if not await _may_stay(asked):
                    return
                check = loop.time() + REMEMBER
            if not done:
                yield ": still here\n\n"
                continue
            event = upcoming.result()
            upcoming = None
            yield f"event: {event.kind}\nid: {event.seq}\ndata: {json.dumps(event.data)}\n\n"
    except Unreachable as error:  # whoever comes again is told so
        log.warning("a stream of events ends, the database is away: %s", type(error).__name__)
    finally:
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.wait({upcoming})
        await events.aclose()
