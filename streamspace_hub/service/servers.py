"""From the hub's models of servers to sessions, and from two looks at them to what has changed. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, Protocol

from streamspace_hub.model import SessionState
from streamspace_hub.model.api import Storage, UserSession
from streamspace_hub.model.asleep import Asleep
from streamspace_hub.model.hub_server import VIEWER, app_of, state_of, title_of

PENDING = (SessionState.STARTING, SessionState.STOPPING, SessionState.RESUMING, SessionState.HIBERNATING)
HIBERNATE_LIMIT = 900.0
"""Seconds after which nobody is taken to be putting a session to sleep any more."""
CANCELLED = "Spawn cancelled"
"""What JupyterHub says of a start that somebody has stopped."""
QUIET_FIELDS = {"last_activity"}
"""Changes of these are kept, but are no event."""


@dataclass(frozen=True)
class Change:
    """One thing that has happened to a session."""

    kind: Literal["session", "removed"]
    session: UserSession


def sessions_of(
    user: str,
    servers: Mapping[str, Mapping[str, Any]],
    apps: Mapping[str, str],
    sleepers: Mapping[str, Asleep] = MappingProxyType({}),
    storage: Storage | None = None,
) -> dict[str, UserSession]:
    """Return those of a user's servers that are sessions, by name.

    Args:
        user: the user's name.
        servers: the hub's models.
        apps: titles of the catalog's apps by name.
        sleepers: those that sleep with their memory, by name.
        storage: what the user's files take.
    """
    found = {}
    for name, server in servers.items():
        sleeps = sleepers.get(name)
        app = sleeps.app if sleeps else app_of(name, server, apps)
        if app is not None:
            found[name] = UserSession(
                user=user,
                name=name,
                app=app,
                title=title_of(name, server, apps.get(app, app)),
                state=state_of(server, sleeps=sleeps is not None),
                url=f"{server['url']}{VIEWER}",
                started=server.get("started"),
                last_activity=server.get("last_activity"),
                asleep_since=sleeps.since if sleeps else None,
                asleep_bytes=sleeps.bytes if sleeps else None,
                storage=storage,
            )
    return found


class Sleeping(Protocol):
    """What is known of a session's sleep: a row of the table `sleep`."""

    started: Any
    frozen: Any
    hibernating: Any
    memory: Any
    why_not: Any


def asleep(session: UserSession, row: Sleeping | None, now: float | None = None) -> UserSession:
    """Return a running session with what the hub does not know of.

    Whether its memory can be kept; that it is being put to sleep; that it is frozen, if it has not been active since.
    """
    if row is None or row.started != session.started or session.state is not SessionState.RUNNING:
        return session
    session = session.model_copy(update={"memory": row.memory, "why_not": row.why_not})
    now = time.time() if now is None else now
    if row.hibernating is not None and now - row.hibernating < HIBERNATE_LIMIT:
        return session.model_copy(update={"state": SessionState.HIBERNATING})
    if row.frozen is None or seconds(session.last_activity) > row.frozen:
        return session
    since = datetime.fromtimestamp(row.frozen, UTC).isoformat(timespec="seconds")
    return session.model_copy(update={"state": SessionState.FROZEN, "asleep_since": since})


def seconds(moment: str | None) -> float:
    """Return a time of the hub's in seconds since 1970; 0 for none."""
    return datetime.fromisoformat(moment).timestamp() if moment else 0.0


def merged(known: UserSession | None, seen: UserSession) -> UserSession:
    """Return `seen`, or the failure that it conceals: the hub calls a server that failed to start stopped."""
    if known is None:
        return seen
    if seen.state is SessionState.SLEEPING and known.state in (SessionState.RESUMING, SessionState.SLEEPING):
        return seen.model_copy(update={"message": known.message})  # why it could not be woken
    if seen.state is not SessionState.STOPPED:
        return seen
    if known.state in (SessionState.STARTING, SessionState.RESUMING, SessionState.FAILED):
        return seen.model_copy(update={"state": SessionState.FAILED, "message": known.message})
    return seen


def failed(session: UserSession, reason: str | None) -> UserSession:
    """Return a session that did not start, given the hub's `reason`, if it still knows one."""
    if reason == CANCELLED:
        return session.model_copy(update={"state": SessionState.STOPPED})
    return session.model_copy(update={"message": reason or "The session did not start."})


def ended(session: UserSession, reason: str | None) -> UserSession:
    """Return a session that was being stopped: by the hub, clearing up after a start, if that failed for `reason`."""
    if reason in (None, CANCELLED):
        return session
    return session.model_copy(update={"state": SessionState.FAILED, "message": reason})


def not_woken(session: UserSession, reason: str | None) -> UserSession:
    """Return a session that still sleeps, because it could not be started for the hub's `reason`."""
    return session if reason == CANCELLED else session.model_copy(update={"message": reason})


def changes(known: Mapping[str, UserSession], seen: Mapping[str, UserSession]) -> list[Change]:
    """Return what is to be told to subscribers, given what was known of one user and what is."""
    told = [
        Change("session", session)
        for name, session in seen.items()
        if name not in known or _loud(known[name]) != _loud(session)
    ]
    return told + [Change("removed", session) for name, session in known.items() if name not in seen]


def _loud(session: UserSession) -> dict[str, Any]:
    return session.model_dump(exclude=QUIET_FIELDS)
