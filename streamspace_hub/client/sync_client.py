"""The synchronous client. `async_client.py` is the same to await; a test compares the two."""

# ruff: noqa: UP028 - loops as in async_client.py

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import httpx
from pydantic import BaseModel

from streamspace_hub.client import exchange
from streamspace_hub.client.errors import ClientError, RefusedError, SessionFailedError
from streamspace_hub.client.exchange import Ask, EventReader, OnStep, Versioned
from streamspace_hub.client.place import Place, find_place
from streamspace_hub.model import SessionState
from streamspace_hub.model.api import (
    Announcement,
    App,
    AppList,
    AuditEvent,
    AuditList,
    AuditVerdict,
    CreateSession,
    ExtendSession,
    Health,
    Identity,
    LogLine,
    Outcome,
    OverrideEntry,
    OverrideList,
    ResolvedPolicy,
    SessionList,
    SessionLog,
    SessionShares,
    Settings,
    SharedSession,
    SharedSessionList,
    ShareRole,
    ShareWith,
    StartProgress,
    UsageReport,
    UserAhead,
    UserQuota,
    UserSession,
)
from streamspace_hub.model.overrides import Override
from streamspace_hub.model.session import RESTING

M = TypeVar("M", bound=BaseModel)
Page = TypeVar("Page", SessionList, SharedSessionList, OverrideList)
LIVE = (SessionState.RUNNING, SessionState.FROZEN)
STARTING = (SessionState.STARTING, SessionState.RESUMING)


class Client:
    """StreamSpace on one hub, as the owner of one token.

    Args:
        url: the hub's base URL; without it, from the environment (`find_place`).
        token: an API token of the hub; without it, from the environment.

    Every method raises `RefusedError` when the service refuses and `UnreachableError` when it does not answer; what may
    pass by itself is tried again before.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self.place: Place = find_place(url, token)
        self._http = httpx.Client(base_url=self.place.api, **exchange.options(self.place.token))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def health(self) -> Health:
        """Return whether the service is well; one that is not is no error here."""
        reply = self._send(Ask("GET", "health"), tries=1)
        if reply.status_code == 503:
            return exchange.parsed(reply, Health)
        return exchange.parsed(exchange.checked(reply), Health)

    def whoami(self) -> Identity:
        """Return who the token's owner is."""
        return self._get("user", Identity)

    def apps(
        self, *, search: str | None = None, category: str | None = None, mime_type: str | None = None
    ) -> list[App]:
        """Return the apps that can be launched, favourites first; with `mime_type` those that open such files."""
        found = self._get("apps", AppList, search=search, category=category, mime_type=mime_type)
        return found.apps

    def app(self, name: str) -> App:
        """Return one app."""
        return self._get(f"apps/{exchange.segment(name)}", App)

    def policy(self, app: str, *, user: str | None = None) -> ResolvedPolicy:
        """Return what sessions of an app may do, and who has set each value; the caller's unless `user` is given."""
        return self._get(f"policies/{exchange.segment(app)}", ResolvedPolicy, user=user)

    def sessions(
        self,
        *,
        user: str | None = None,
        app: str | None = None,
        state: SessionState | None = None,
        search: str | None = None,
    ) -> Iterator[UserSession]:
        """Yield the sessions that the caller may see, page by page."""
        wanted = {"user": user, "app": app, "state": state, "search": search}
        for page in self._pages("sessions", SessionList, **wanted):
            for session in page.sessions:
                yield session

    def session(self, name: str, *, user: str | None = None) -> UserSession:
        """Return one session; of the caller unless `user` is given."""
        return self._get(self._path(name, user), UserSession)

    def launch(  # noqa: PLR0913 - named, and all but one optional
        self,
        app: str,
        *,
        name: str | None = None,
        user: str | None = None,
        open: str | None = None,  # noqa: A002 - the API's name for it
        queue: bool = False,
        wait: float | None = 300.0,
        on_step: OnStep | None = None,
    ) -> UserSession:
        """Start a session, or find it running.

        Args:
            app: name of the app.
            name: name of the session; the app's without it.
            user: whose session; the caller's own without it.
            open: file to open, relative to the user's home.
            queue: where a quota has no room at present, take a place in the queue rather than be refused at once; the
                refusal (429) tells it, and who calls again within a minute keeps it.
            wait: seconds to wait until it runs; None returns as soon as it has begun.
            on_step: called with each step of the start while it is waited for.

        Raises:
            SessionFailedError: it did not start, or not in time.
        """
        wanted = CreateSession(app=app, name=name, user=user, open=open, queue=queue)
        ask = exchange.post("sessions", wanted.model_dump(mode="json", exclude_none=True, exclude_defaults=True))
        begun = self._ask(ask, UserSession)
        return begun if wait is None else self.wait_until_running(begun, wait, on_step)

    def progress(self, name: str, *, user: str | None = None, limit: float = 300.0) -> Iterator[StartProgress]:
        """Yield the steps of a session's start for up to `limit` seconds.

        The last one is `ready` or `failed`, unless the connection ends before.
        """
        deadline, reader = time.monotonic() + limit, EventReader()
        for line in self._lines(Ask("GET", f"{self._path(name, user)}/progress")):
            for kind, data in reader.feed(line):
                if kind == "progress":
                    yield StartProgress.model_validate(data)
            if time.monotonic() >= deadline:
                return

    def wait_until_running(
        self, session: UserSession, limit: float = 300.0, on_step: OnStep | None = None
    ) -> UserSession:
        """Wait up to `limit` seconds until a session runs; return it. Raises `SessionFailedError`.

        `on_step` is called with each step of the start, as far as they can be followed.
        """
        deadline = time.monotonic() + limit
        if on_step is not None and session.state in STARTING:
            with suppress(ClientError):  # what has come of it is looked up below
                for step in self.progress(session.name, user=session.user, limit=limit):
                    on_step(step)
        while session.state not in LIVE:
            if session.state in RESTING or time.monotonic() >= deadline:
                raise SessionFailedError(session)
            time.sleep(exchange.WAIT_STEP)
            session = self.session(session.name, user=session.user)
        return session

    def stop(self, name: str, *, user: str | None = None, wait: float | None = 60.0) -> UserSession:
        """Stop a session; its files stay. `wait`: seconds to wait until it has stopped, None: do not."""
        path = self._path(name, user)
        session = self._ask(exchange.post(f"{path}/stop"), UserSession)
        return self._until_resting(session, path, wait)

    def _until_resting(self, session: UserSession, path: str, wait: float | None) -> UserSession:
        deadline = time.monotonic() + (wait or 0)
        while wait is not None and session.state not in RESTING and time.monotonic() < deadline:
            time.sleep(exchange.WAIT_STEP)
            session = self._get(path, UserSession)
        return session

    def freeze(self, name: str, *, user: str | None = None) -> UserSession:
        """Stop a session's processes; they keep their memory, and go on with the next input, or viewer."""
        path = self._path(name, user)
        return self._ask(exchange.post(f"{path}/freeze"), UserSession)

    def thaw(self, name: str, *, user: str | None = None) -> UserSession:
        """Let a frozen session's processes go on."""
        path = self._path(name, user)
        return self._ask(exchange.post(f"{path}/thaw"), UserSession)

    def hibernate(self, name: str, *, user: str | None = None, wait: float | None = 60.0) -> UserSession:
        """Put a session to sleep with its memory; `resume` brings it back as it was. `wait` as for `stop`.

        Raises:
            RefusedError: its memory cannot be kept, and it goes on; the text says why.
        """
        path = self._path(name, user)
        session = self._ask(exchange.post(f"{path}/hibernate"), UserSession)
        return self._until_resting(session, path, wait)

    def extend(self, name: str, seconds: int, *, user: str | None = None) -> UserSession:
        """Keep a session awake for `seconds` from now on, as far as its policy allows; 0 ends that."""
        path = self._path(name, user)
        body = ExtendSession(seconds=seconds).model_dump()
        return self._ask(exchange.post(f"{path}/extend", body), UserSession)

    def resume(
        self, name: str, *, user: str | None = None, wait: float | None = 300.0, on_step: OnStep | None = None
    ) -> UserSession:
        """Wake a session: thaw a frozen one, bring back what sleeps, start what has ended.

        `wait` and `on_step` as for `launch`.
        """
        path = self._path(name, user)
        begun = self._ask(exchange.post(f"{path}/resume"), UserSession)
        return begun if wait is None else self.wait_until_running(begun, wait, on_step)

    def ahead(self, *, user: str | None = None) -> UserAhead:
        """Return when a user's sessions will sleep if nobody uses them; the caller's unless `user` is given."""
        return self._get(f"{self._of(user)}/ahead", UserAhead)

    def thumbnail(self, name: str, *, user: str | None = None) -> bytes:
        """Return what a running session shows as a JPEG, at most 320 pixels wide.

        Raises:
            RefusedError: `unavailable` while there is no picture.
        """
        return exchange.checked(self._send(Ask("GET", f"{self._path(name, user)}/thumbnail"))).content

    def logs(self, name: str, *, user: str | None = None, lines: int = 100, follow: bool = False) -> Iterator[LogLine]:
        """Yield the last `lines` that each part of a running session has logged; with `follow` also what comes then.

        It ends with the session.
        """
        path = f"{self._path(name, user)}/logs"
        after: str | None = None
        while True:
            try:
                found = self._get(path, SessionLog, lines=lines, after=after)
            except RefusedError as refused:
                if after is not None and refused.kind in exchange.ENDED:
                    return
                raise
            for line in found.lines:
                yield line
            if not follow:
                return
            after = found.next
            time.sleep(exchange.FOLLOW_STEP)

    def shares(self, name: str, *, user: str | None = None) -> SessionShares:
        """Return with whom a session is shared."""
        return self._get(f"{self._path(name, user)}/shares", SessionShares)

    def shared(self, *, user: str | None = None) -> Iterator[SharedSession]:
        """Yield the sessions that others share with the caller, unless `user` is given, or with a group of theirs."""
        path = f"{self._of(user)}/shared"
        for page in self._pages(path, SharedSessionList):
            for session in page.sessions:
                yield session

    def share(
        self, name: str, whom: str, role: ShareRole = "viewer", *, group: bool = False, user: str | None = None
    ) -> SessionShares:
        """Share a session with the user `whom`, or with all members of a group, or change their role in it."""
        path = f"{self._path(name, user)}/shares/{exchange.whom(whom, group)}"
        return self._ask(Ask("PUT", path, body=ShareWith(role=role).model_dump()), SessionShares)

    def unshare(self, name: str, whom: str, *, group: bool = False, user: str | None = None) -> SessionShares:
        """Take a share back, if there is one."""
        path = f"{self._path(name, user)}/shares/{exchange.whom(whom, group)}"
        return self._ask(Ask("DELETE", path), SessionShares)

    def remove(self, name: str, *, user: str | None = None) -> None:
        """Stop a session and take it off the list; the user's files stay."""
        path = self._path(name, user)
        exchange.checked(self._send(Ask("DELETE", path)))

    def events(
        self, last_id: str | None = None, *, name: str | None = None, user: str | None = None
    ) -> Iterator[tuple[str, UserSession]]:
        """Yield `session` or `removed` with a session for each change, for ever; goes on where a connection ended.

        Once there were events, it goes on when there are some again, however long the service is away.

        Args:
            last_id: the id of the event after which to go on; from now on without it.
            name: only of this session; of all that the caller may see without it.
            user: whose session `name` is; the caller's own without it.
        """
        path = "events" if name is None else f"{self._path(name, user)}/events"
        failures, begun = 0, False
        while True:
            reader = EventReader(last_id)
            reply: httpx.Response | None = None
            failure: httpx.HTTPError | None = None
            try:
                with self._http.stream("GET", path, headers=reader.headers) as reply:
                    if reply.is_success:
                        failures, begun = 0, True
                        for line in reply.iter_lines():
                            for kind, data in reader.feed(line):
                                if kind in ("session", "removed"):
                                    yield kind, UserSession.model_validate(data)
                    else:
                        reply.read()
            except httpx.HTTPError as error:
                reply, failure = None, error
            last_id = reader.last_id
            if reply is not None and reply.is_success:
                continue
            failures += 1
            pause = exchange.pause_of_stream(failures, reply, begun)
            if pause is not None:
                time.sleep(pause)
            elif reply is not None:
                exchange.checked(reply)
            else:
                raise exchange.unreachable(self.place.url, failure or httpx.HTTPError("no answer")) from failure

    def quota(self, *, user: str | None = None) -> UserQuota:
        """Return the limits of a user, and how much of each is in use; of the caller unless `user` is given."""
        return self._get(f"{self._of(user)}/quota", UserQuota)

    def usage(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        user: str | None = None,
        app: str | None = None,
        by: Literal["user", "app", "group"] = "app",
    ) -> UsageReport:
        """Return what was used from `since` (30 days before `until` without it) to `until` (now), added up.

        Times have their zone. Of all users for administrators, else of the caller, unless `user` is given.
        """
        return self._get("usage", UsageReport, since=since, until=until, user=user, app=app, by=by)

    def usage_lines(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        user: str | None = None,
        app: str | None = None,
    ) -> Iterator[str]:
        """Yield a line of CSV (RFC 4180) for each time that a session ran, after one with the columns' names.

        Arguments as for `usage`.
        """
        ask = Ask("GET", "usage/export", {"since": since, "until": until, "user": user, "app": app})
        for line in self._lines(ask):
            yield line

    def settings(self, *, user: str | None = None) -> Settings:
        """Return the settings of a user; of the caller unless `user` is given."""
        return self._get(f"{self._of(user)}/settings", Settings)

    def change_settings(self, *, user: str | None = None, **changes: Any) -> Settings:
        """Change some of a user's settings; `RefusedError` (`changed`) when somebody else did meanwhile."""
        path = f"{self._of(user)}/settings"
        seen = self._read(path, Settings)
        wanted = Settings.model_validate({**seen.value.model_dump(), **changes})
        return (self._replace(path, wanted, seen.etag)).value

    def announcement(self) -> Versioned[Announcement]:
        """Return what is announced to all users."""
        return self._read("announcement", Announcement)

    def announce(self, wanted: Announcement, etag: str) -> Versioned[Announcement]:
        """Announce something else; for administrators.

        Args:
            wanted: the new announcement.
            etag: of the one that it replaces, as it was read.

        Raises:
            RefusedError: `changed` when somebody else has announced something meanwhile.
        """
        return self._replace("announcement", wanted, etag)

    def overrides(self) -> Iterator[OverrideEntry]:
        """Yield all overrides, page by page; for administrators."""
        for page in self._pages("overrides", OverrideList):
            for entry in page.overrides:
                yield entry

    def override(self, *, user: str | None = None, group: str | None = None) -> Versioned[Override]:
        """Return what is set for a user or a group, for everybody without either; for administrators."""
        return self._read(exchange.override(user, group), Override)

    def set_override(
        self, wanted: Override, etag: str, *, user: str | None = None, group: str | None = None
    ) -> Versioned[Override]:
        """Replace what is set for a user, a group or everybody; `etag` and errors as for `announce`."""
        return self._replace(exchange.override(user, group), wanted, etag)

    def remove_override(self, etag: str, *, user: str | None = None, group: str | None = None) -> None:
        """Take away what is set for a user, a group or everybody; `etag` and errors as for `announce`."""
        ask = Ask("DELETE", exchange.override(user, group), headers={"If-Match": etag})
        exchange.checked(self._send(ask))

    def audit(  # noqa: PLR0913 - named, and all optional
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        target: str | None = None,
        outcome: Outcome | None = None,
        origin: str | None = None,
        request_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[AuditEvent]:
        """Yield lines of the audit log, the newest first, page by page; for administrators.

        Args:
            actor: only by this one: `user:NAME` or `service:NAME`.
            action: only this, e.g. `session.create`.
            target: only about this session (`USER/NAME`) or user.
            outcome: only those that went so.
            origin: only from there: an address, or `hub`.
            request_id: only in this request: its `X-Request-Id`.
            since: only from then on; with its zone.
            until: only before then; with its zone.
        """
        wanted = {"actor": actor, "action": action, "target": target, "outcome": outcome, "origin": origin}
        before: int | None = None
        while True:
            page = self._get(
                "audit", AuditList, **wanted, request_id=request_id, since=since, until=until, before=before, limit=500
            )
            for event in page.events:
                yield event
            before = page.next
            if before is None:
                return

    def verify_audit(self) -> AuditVerdict:
        """Have the service check its audit log; for administrators."""
        return self._get("audit/verify", AuditVerdict)

    def audit_lines(self) -> Iterator[str]:
        """Yield the audit log, one JSON object for each line; for administrators."""
        for line in self._lines(Ask("GET", "audit/export")):
            yield line

    def _me(self) -> str:
        return (self.whoami()).name

    def _of(self, user: str | None) -> str:
        return f"users/{exchange.segment(user if user is not None else self._me())}"

    def _path(self, name: str, user: str | None) -> str:
        whose = user if user is not None else self._me()
        return f"sessions/{exchange.segment(whose)}/{exchange.segment(name or '~')}"

    def _lines(self, ask: Ask) -> Iterator[str]:
        try:
            with self._http.stream(**ask.arguments()) as reply:
                if not reply.is_success:
                    reply.read()
                    exchange.checked(reply)
                for line in reply.iter_lines():
                    yield line
        except httpx.HTTPError as error:
            raise exchange.unreachable(self.place.url, error) from error

    def _read(self, path: str, model: type[M]) -> Versioned[M]:
        return exchange.versioned(exchange.checked(self._send(Ask("GET", path))), model)

    def _replace(self, path: str, wanted: M, etag: str) -> Versioned[M]:
        ask = Ask("PUT", path, body=wanted.model_dump(mode="json"), headers={"If-Match": etag})
        return exchange.versioned(exchange.checked(self._send(ask)), type(wanted))

    def _get(self, path: str, model: type[M], **query: Any) -> M:
        return self._ask(Ask("GET", path, query), model)

    def _pages(self, path: str, model: type[Page], **query: Any) -> Iterator[Page]:
        after: str | None = None
        while True:
            page = self._get(path, model, **query, after=after, limit=200)
            yield page
            after = page.next
            if after is None:
                return

    def _ask(self, ask: Ask, model: type[M]) -> M:
        return exchange.parsed(exchange.checked(self._send(ask)), model)

    def _send(self, ask: Ask, tries: int = exchange.TRIES) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            reply: httpx.Response | None = None
            failure: httpx.HTTPError | None = None
            try:
                reply = self._http.request(**ask.arguments())
            except httpx.HTTPError as error:
                failure = error
            pause = exchange.pause_before(attempt, reply) if attempt < tries else None
            if pause is not None:
                time.sleep(pause)
            elif reply is not None:
                return reply
            else:
                raise exchange.unreachable(self.place.url, failure or httpx.HTTPError("no answer")) from failure
