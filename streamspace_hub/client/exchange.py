"""What both clients share: which request to send, what its answer means, when to try again. Sends nothing."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from streamspace_hub.client.errors import RefusedError, UnreachableError
from streamspace_hub.model.api import Problem, StartProgress

TRIES = 4
FIRST_PAUSE = 0.25
"""Seconds before the second try; each pause is twice the one before, and `Retry-After` counts more."""
LONGEST_PAUSE = 30.0
TIMEOUT = 60.0
TRY_AGAIN = (429, 502, 503, 504)
WAIT_STEP = 0.5
"""Seconds between looks at a session that is waited for."""
FOLLOW_STEP = 1.0
"""Seconds between looks at a log that is followed."""
ENDED = ("conflict", "not-found")
"""Problems that a session's log has when the session has ended."""

OnStep = Callable[[StartProgress], object]

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Ask:
    """One request. Safe to send again: a POST has an idempotency key."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for httpx's `request`."""
        query = {name: _text(value) for name, value in self.query.items() if value is not None}
        given: dict[str, Any] = {
            "method": self.method,
            "url": self.path,
            "params": query,
            "headers": dict(self.headers),
        }
        return given if self.body is None else {**given, "json": self.body}


@dataclass(frozen=True)
class Versioned(Generic[M]):
    """A document as it was read."""

    value: M
    etag: str
    """Names this version (RFC 9110, section 8.8.3): who replaces the document says which version they have read."""


def post(path: str, body: Any = None) -> Ask:
    """Return a POST that is carried out once, however often it is sent."""
    return Ask("POST", path, body=body, headers={"Idempotency-Key": secrets.token_urlsafe(16)})


def segment(text: str) -> str:
    """Return a name as a part of a path."""
    return quote(text, safe="~")


def whom(name: str, group: bool) -> str:
    """Return the end of the path of a share."""
    return f"{'groups' if group else 'users'}/{segment(name)}"


def override(user: str | None, group: str | None) -> str:
    """Return the path of an override: of a user, a group, or everybody."""
    if user is not None and group is not None:
        raise ValueError("An override is of a `user` or of a `group`, not of both.")
    if user is not None:
        return f"overrides/users/{segment(user)}"
    return "overrides/everybody" if group is None else f"overrides/groups/{segment(group)}"


def options(token: str) -> dict[str, Any]:
    """Return what both kinds of httpx client are made with."""
    return {"headers": {"Authorization": f"Bearer {token}"}, "timeout": TIMEOUT, "follow_redirects": False}


def pause_before(attempt: int, reply: httpx.Response | None) -> float | None:
    """Return the seconds to wait before try number `attempt` (the second is 1), or None to give up.

    `reply` is the last answer; None: there was none.
    """
    if attempt >= TRIES:
        return None
    if reply is None:
        return FIRST_PAUSE * 2.0 ** (attempt - 1)
    held = reply.status_code == 409 and "retry-after" in reply.headers
    if reply.status_code not in TRY_AGAIN and not held:
        return None
    try:
        wanted = float(reply.headers.get("retry-after", ""))
    except ValueError:
        wanted = FIRST_PAUSE * 2.0 ** (attempt - 1)
    return float(min(max(wanted, 0.0), LONGEST_PAUSE))


def pause_of_stream(failures: int, reply: httpx.Response | None, begun: bool) -> float | None:
    """Return the seconds to wait before a stream is asked for again, or None to give up.

    One that has `begun` is asked for until it is there again, however long the service or its database is away.
    """
    return pause_before(min(failures, TRIES - 1) if begun else failures, reply)


def checked(reply: httpx.Response) -> httpx.Response:
    """Return a good answer.

    Raises:
        RefusedError: the service refused.
        UnreachableError: something else answered, such as a hub without the service.
    """
    if reply.is_success:
        return reply
    if reply.headers.get("content-type", "").startswith("application/problem+json"):
        raise RefusedError(Problem.model_validate_json(reply.content))
    if reply.status_code in (404, 302):
        raise UnreachableError(
            "There is no StreamSpace service at this hub: an administrator turns it on (`install(c, service=True)`)."
        )
    raise UnreachableError(f"The StreamSpace service does not answer (HTTP {reply.status_code}).")


def parsed(reply: httpx.Response, model: type[M]) -> M:
    """Return the body of a good answer."""
    try:
        return model.model_validate_json(reply.content)
    except ValidationError:
        raise UnreachableError("What answered is not the StreamSpace service, or another version of it.") from None


def versioned(reply: httpx.Response, model: type[M]) -> Versioned[M]:
    """Return the body of a good answer, and which version of it this is."""
    return Versioned(parsed(reply, model), reply.headers["etag"])


def unreachable(url: str, error: httpx.HTTPError) -> UnreachableError:
    """Return the error for a service that did not answer at all."""
    why = "did not answer in time" if isinstance(error, httpx.TimeoutException) else f"cannot be reached ({error})"
    return UnreachableError(f"{url} {why}.")


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


class EventReader:
    """Puts the server-sent events of one connection together from lines (HTML Living Standard, section 9.2.6).

    `last_id` is that of the last event that was whole, to begin with the one that was asked for.
    """

    def __init__(self, last_id: str | None = None) -> None:
        self.last_id = last_id
        self._fields: dict[str, str] = {}

    @property
    def headers(self) -> dict[str, str]:
        """What is sent to go on after `last_id`."""
        return {"Last-Event-ID": self.last_id} if self.last_id else {}

    def feed(self, line: str) -> Iterator[tuple[str, Any]]:
        """Take a line without its end; yield kind and data of the event that it completes, if any."""
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")
            return
        fields, self._fields = self._fields, {}
        self.last_id = fields.get("id", self.last_id)
        if "data" in fields:
            yield fields.get("event", "message"), json.loads(fields["data"])
