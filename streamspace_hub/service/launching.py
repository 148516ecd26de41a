"""Starting and stopping sessions by the hub, in the caller's name.

The hub answers when a server is up or gone, which can take minutes; we answer as soon as it shows that it has begun,
and hand on what it refuses at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from streamspace_hub.model import SessionState
from streamspace_hub.model.api import CreateSession, UserSession
from streamspace_hub.model.session import RESTING
from streamspace_hub.service.changes import HubChanges, Told
from streamspace_hub.service.hub import Hub, HubError
from streamspace_hub.service.mirror import Mirror
from streamspace_hub.service.problems import ProblemError, retry_after
from streamspace_hub.telemetry.logs import logged_with

SOON = 0.3
"""Seconds between looks at what the hub shows, if it does not tell: by the first one, a bad start is refused."""
TOLD = 10.0
"""The same, if it does: it says of each start that it is accepted, or refuses it, however busy it is."""
ENDING = {
    SessionState.STOPPING: "still being stopped",
    SessionState.HIBERNATING: "just being put to sleep",
}

log = logging.getLogger("streamspace.service")
_going_on: set[asyncio.Task[None]] = set()


def blocking(wanted: CreateSession, name: str, known: dict[str, UserSession], server_exists: bool) -> str | None:
    """Return why `wanted` can't be started as `name`, or None. A running session of the same app is no obstacle."""
    now = known.get(name)
    if now is None:
        return f"The server {name} exists, and is no session; choose another name." if server_exists else None
    if now.state in ENDING:
        return f"{now.title} is {ENDING[now.state]}; try again in a moment."
    other = now.app != wanted.app
    if now.state in RESTING and not (other and now.state is SessionState.SLEEPING):
        return None
    if other:
        doing = "keeps another app asleep" if now.state is SessionState.SLEEPING else "is running another app"
        return f"{name} {doing}, {now.app}; choose another name, or stop it first."
    if wanted.open is not None:
        return f"{now.title} is running already; open the file there."
    return None


@dataclass(frozen=True)
class Server:
    """A user's server that is or becomes a session, and the token of who asks."""

    user: str
    name: str
    token: str = field(repr=False)


async def start(  # noqa: PLR0913, PLR0917 - who asks whom for what
    hub: Hub, changes: HubChanges, mirror: Mirror, server: Server, wanted: CreateSession, title: str
) -> UserSession:
    """Ask the hub for a session; return it as soon as the hub shows it, or has told that it starts.

    Args:
        hub: which hub.
        changes: what it tells.
        mirror: where its word is kept.
        server: what is to be started, and in whose name.
        wanted: what in it.
        title: what to call it.

    Raises:
        HubError: the hub refused.
        LookupError: it has ended already.
    """
    options: dict[str, Any] = {"app": wanted.app}
    if wanted.open is not None:
        options["open"] = wanted.open
    if wanted.queue:
        options["queue"] = True

    def enough(now: UserSession) -> bool:
        return now.state not in RESTING

    with changes.expect(server.user, server.name, "accepted") as told:
        task = _go_on(hub.start(server.user, server.name, options, title=title, token=server.token))
        await _either(task, told, TOLD if changes.heard else SOON)
        if told.model is not None and (begun := mirror.told(server.user, told.model)) is not None:
            return begun  # the leading replica has heard it, too, and takes it up
        try:
            return await _shown(mirror, server, task, told, enough)
        except LookupError:
            # A start that the hub was still looking at when it answered: it says what came of it as soon as it knows,
            # and when it has forgotten that, it has the refusal.
            if why := await hub.failure(server.user, server.name, wait=True):
                raise HubError(409, why) from None
            if refused := await hub.refusal(server.user, server.name, logged_with().get("request_id", "")):
                raise HubError(409, refused.reason, refusal=refused.key) from None
            return await _shown(mirror, server, task, told, enough)


async def stop(hub: Hub, changes: HubChanges, mirror: Mirror, server: Server, *, remove: bool) -> UserSession | None:
    """Ask the hub to stop a session; return it as it is then, or None when it is gone.

    Raises:
        HubError: the hub refused.
    """

    def enough(now: UserSession) -> bool:
        return now.state is SessionState.STOPPING or (now.state in RESTING and not remove)

    with changes.expect(server.user, server.name, "state") as told:
        task = _go_on(hub.stop(server.user, server.name, server.token, remove=remove))
        try:
            return await _shown(mirror, server, task, told, enough)
        except LookupError:
            return None


async def _shown(
    mirror: Mirror,
    server: Server,
    task: asyncio.Task[None],
    told: Told,
    enough: Callable[[UserSession], bool],
) -> UserSession:
    while True:
        await _either(task, told, SOON)
        told.clear()
        done = task.done()
        if done:
            task.result()
        now = (await mirror.refresh(server.user)).get(server.name)
        if now is not None and (enough(now) or done):
            return now
        if done:
            raise LookupError(server.name)


async def _either(task: asyncio.Task[None], told: Told, limit: float) -> None:
    """Wait until `task` is done, the hub has told something, or it is time to look by ourselves."""
    telling = asyncio.ensure_future(told.wait())
    try:
        await asyncio.wait({task, telling}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    finally:
        telling.cancel()


def _go_on(work: Awaitable[None]) -> asyncio.Task[None]:
    """Let a request to the hub go on after we have answered."""

    async def going() -> None:
        await work

    task = asyncio.create_task(going())
    _going_on.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[None]) -> None:
    _going_on.discard(task)
    if not task.cancelled() and (error := task.exception()):
        log.info("the hub refused or did not carry out a request: %s", error)


def gone(name: str) -> ProblemError:
    """Return the answer when a session has ended while it was being started."""
    return ProblemError("conflict", f"{name} ended while it was being started.", headers=retry_after(2))
