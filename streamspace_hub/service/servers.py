"""From the hub's models of servers to sessions, and from two looks at them to what has changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from streamspace_hub.model import SessionState
from streamspace_hub.model.api import UserSession
from streamspace_hub.model.hub_server import VIEWER, app_of, state_of, title_of

PENDING = (SessionState.STARTING, SessionState.STOPPING)
CANCELLED = "Spawn cancelled"
"""What JupyterHub says of a start that somebody has stopped."""
QUIET_FIELDS = {"last_activity"}
"""Changes of these are kept, but are no event."""


@dataclass(frozen=True)
class Change:
    """One thing that has happened to a session."""

    kind: Literal["session", "removed"]
    session: UserSession


def sessions_of(user: str, servers: Mapping[str, Mapping[str, Any]], apps: Mapping[str, str]) -> dict[str, UserSession]:
    """Return those of a user's servers that are sessions, by name.

    Args:
        user: the user's name.
        servers: the hub's models.
        apps: titles of the catalog's apps by name.
    """
    found = {}
    for name, server in servers.items():
        app = app_of(name, server, apps)
        if app is not None:
            found[name] = UserSession(
                user=user,
                name=name,
                app=app,
                title=title_of(name, server, apps.get(app, app)),
                state=state_of(server),
                url=f"{server['url']}{VIEWER}",
                started=server.get("started"),
                last_activity=server.get("last_activity"),
            )
    return found


class Sleeping(Protocol):
    """What is known of a session's sleep: a row of the table `sleep`."""

    started: Any
    frozen: Any


def asleep(session: UserSession, row: Sleeping | None) -> UserSession:
    """Return a running session as frozen, if it was, and has not been active since; the hub does not know of that."""
    if row is None or row.frozen is None or row.started != session.started:
        return session
    if session.state is not SessionState.RUNNING or seconds(session.last_activity) > row.frozen:
        return session
    since = datetime.fromtimestamp(row.frozen, UTC).isoformat(timespec="seconds")
    return session.model_copy(update={"state": SessionState.FROZEN, "asleep_since": since})


def seconds(time: str | None) -> float:
    """Return a time of the hub's in seconds since 1970; 0 for none."""
    return datetime.fromisoformat(time).timestamp() if time else 0.0


def merged(known: UserSession | None, seen: UserSession) -> UserSession:
    """Return `seen`, or the failure that it conceals: the hub calls a server that failed to start stopped."""
    if known is None or seen.state is not SessionState.STOPPED:
        return seen
    if known.state in (SessionState.STARTING, SessionState.FAILED):
        return seen.model_copy(update={"state": SessionState.FAILED, "message": known.message})
    return seen


def failed(session: UserSession, reason: str | None) -> UserSession:
    """Return a session that did not start, given the hub's `reason`, if it still knows one."""
    if reason == CANCELLED:
        return session.model_copy(update={"state": SessionState.STOPPED})
    return session.model_copy(update={"message": reason or "The session did not start."})


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
