"""The client to await. `sync_client.py` is the same without; a test compares the two."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel

from streamspace_hub.client import exchange
from streamspace_hub.client.errors import SessionFailedError
from streamspace_hub.client.exchange import Ask, EventReader
from streamspace_hub.client.place import Place, find_place
from streamspace_hub.model import SessionState
from streamspace_hub.model.api import (
    App,
    AppList,
    AuditVerdict,
    CreateSession,
    ExtendSession,
    Health,
    Identity,
    SessionList,
    Settings,
    UserQuota,
    UserSession,
)
from streamspace_hub.model.session import RESTING

M = TypeVar("M", bound=BaseModel)
LIVE = (SessionState.RUNNING, SessionState.FROZEN)


class AsyncClient:
    """StreamSpace on one hub, as the owner of one token, to await.

    Args:
        url: the hub's base URL; without it, from the environment (`find_place`).
        token: an API token of the hub; without it, from the environment.

    Every method raises `RefusedError` when the service refuses and `UnreachableError` when it does not answer; what may
    pass by itself is tried again before.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self.place: Place = find_place(url, token)
        self._http = httpx.AsyncClient(base_url=self.place.api, **exchange.options(self.place.token))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def health(self) -> Health:
        """Return whether the service is well; one that is not is no error here."""
        reply = await self._send(Ask("GET", "health"), tries=1)
        if reply.status_code == 503:
            return exchange.parsed(reply, Health)
        return exchange.parsed(exchange.checked(reply), Health)

    async def whoami(self) -> Identity:
        """Return who the token's owner is."""
        return await self._get("user", Identity)

    async def apps(self, *, search: str | None = None, category: str | None = None) -> list[App]:
        """Return the apps that can be launched, favourites first."""
        found = await self._get("apps", AppList, search=search, category=category)
        return found.apps

    async def sessions(
        self,
        *,
        user: str | None = None,
        app: str | None = None,
        state: SessionState | None = None,
        search: str | None = None,
    ) -> AsyncIterator[UserSession]:
        """Yield the sessions that the caller may see, page by page."""
        after: str | None = None
        while True:
            page = await self._get(
                "sessions", SessionList, user=user, app=app, state=state, search=search, after=after, limit=200
            )
            for session in page.sessions:
                yield session
            after = page.next
            if after is None:
                return

    async def session(self, name: str, *, user: str | None = None) -> UserSession:
        """Return one session; of the caller unless `user` is given."""
        return await self._get(await self._path(name, user), UserSession)

    async def launch(  # noqa: PLR0913 - named, and all but one optional
        self,
        app: str,
        *,
        name: str | None = None,
        user: str | None = None,
        open: str | None = None,  # noqa: A002 - the API's name for it
        queue: bool = False,
        wait: float | None = 300.0,
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

        Raises:
            SessionFailedError: it did not start, or not in time.
        """
        wanted = CreateSession(app=app, name=name, user=user, open=open, queue=queue)
        ask = exchange.post("sessions", wanted.model_dump(mode="json", exclude_none=True, exclude_defaults=True))
        begun = await self._ask(ask, UserSession)
        return begun if wait is None else await self.wait_until_running(begun, wait)

    async def wait_until_running(self, session: UserSession, limit: float = 300.0) -> UserSession:
        """Wait up to `limit` seconds until a session runs; return it. Raises `SessionFailedError`."""
        deadline = time.monotonic() + limit
        while session.state not in LIVE:
            if session.state in RESTING or time.monotonic() >= deadline:
                raise SessionFailedError(session)
            await asyncio.sleep(exchange.WAIT_STEP)
            session = await self.session(session.name, user=session.user)
        return session

    async def stop(self, name: str, *, user: str | None = None, wait: float | None = 60.0) -> UserSession:
        """Stop a session; its files stay. `wait`: seconds to wait until it has stopped, None: do not."""
        path = await self._path(name, user)
        session = await self._ask(exchange.post(f"{path}/stop"), UserSession)
        return await self._until_resting(session, path, wait)

    async def _until_resting(self, session: UserSession, path: str, wait: float | None) -> UserSession:
        deadline = time.monotonic() + (wait or 0)
        while wait is not None and session.state not in RESTING and time.monotonic() < deadline:
            await asyncio.sleep(exchange.WAIT_STEP)
            session = await self._get(path, UserSession)
        return session

    async def freeze(self, name: str, *, user: str | None = None) -> UserSession:
        """Stop a session's processes; they keep their memory, and go on with the next input, or viewer."""
        path = await self._path(name, user)
        return await self._ask(exchange.post(f"{path}/freeze"), UserSession)

    async def thaw(self, name: str, *, user: str | None = None) -> UserSession:
        """Let a frozen session's processes go on."""
        path = await self._path(name, user)
        return await self._ask(exchange.post(f"{path}/thaw"), UserSession)

    async def hibernate(self, name: str, *, user: str | None = None, wait: float | None = 60.0) -> UserSession:
        """Put a session to sleep with its memory; `resume` brings it back as it was. `wait` as for `stop`.

        Raises:
            RefusedError: its memory cannot be kept, and it goes on; the text says why.
        """
        path = await self._path(name, user)
        session = await self._ask(exchange.post(f"{path}/hibernate"), UserSession)
        return await self._until_resting(session, path, wait)

    async def extend(self, name: str, seconds: int, *, user: str | None = None) -> UserSession:
        """Keep a session awake for `seconds` from now on, as far as its policy allows; 0 ends that."""
        path = await self._path(name, user)
        body = ExtendSession(seconds=seconds).model_dump()
        return await self._ask(exchange.post(f"{path}/extend", body), UserSession)

    async def resume(self, name: str, *, user: str | None = None, wait: float | None = 300.0) -> UserSession:
        """Wake a session: thaw a frozen one, bring back what sleeps, start what has ended; `wait` as for `launch`."""
        path = await self._path(name, user)
        begun = await self._ask(exchange.post(f"{path}/resume"), UserSession)
        return begun if wait is None else await self.wait_until_running(begun, wait)

    async def remove(self, name: str, *, user: str | None = None) -> None:
        """Stop a session and take it off the list; the user's files stay."""
        path = await self._path(name, user)
        exchange.checked(await self._send(Ask("DELETE", path)))

    async def events(self, last_id: str | None = None) -> AsyncIterator[tuple[str, UserSession]]:
        """Yield `session` or `removed` with a session for each change, for ever; goes on where a connection ended."""
        reader = EventReader()
        reader.last_id = last_id
        failures = 0
        while True:
            headers = {"Last-Event-ID": reader.last_id} if reader.last_id else {}
            try:
                async with self._http.stream("GET", "events", headers=headers) as reply:
                    if not reply.is_success:
                        await reply.aread()
                        exchange.checked(reply)
                    failures = 0
                    async for line in reply.aiter_lines():
                        for kind, data in reader.feed(line):
                            if kind in ("session", "removed"):
                                yield kind, UserSession.model_validate(data)
            except httpx.HTTPError as error:
                failures += 1
                pause = exchange.pause_before(failures, None)
                if pause is None:
                    raise exchange.unreachable(self.place.url, error) from error
                await asyncio.sleep(pause)

    async def quota(self, *, user: str | None = None) -> UserQuota:
        """Return the limits of a user, and how much of each is in use; of the caller unless `user` is given."""
        whose = user if user is not None else await self._me()
        return await self._get(f"users/{exchange.segment(whose)}/quota", UserQuota)

    async def settings(self) -> Settings:
        """Return the caller's settings."""
        user = await self._me()
        return await self._get(f"users/{exchange.segment(user)}/settings", Settings)

    async def change_settings(self, **changes: Any) -> Settings:
        """Change some of the caller's settings; `RefusedError` (`changed`) when somebody else did meanwhile."""
        path = f"users/{exchange.segment(await self._me())}/settings"
        seen = exchange.checked(await self._send(Ask("GET", path)))
        wanted = Settings.model_validate({**exchange.parsed(seen, Settings).model_dump(), **changes})
        headers = {"If-Match": seen.headers["etag"]}
        return await self._ask(Ask("PUT", path, body=wanted.model_dump(mode="json"), headers=headers), Settings)

    async def verify_audit(self) -> AuditVerdict:
        """Have the service check its audit log; for administrators."""
        return await self._get("audit/verify", AuditVerdict)

    async def audit_lines(self) -> AsyncIterator[str]:
        """Yield the audit log, one JSON object for each line; for administrators."""
        async with self._http.stream("GET", "audit/export") as reply:
            if not reply.is_success:
                await reply.aread()
                exchange.checked(reply)
            async for line in reply.aiter_lines():
                yield line

    async def _me(self) -> str:
        return (await self.whoami()).name

    async def _path(self, name: str, user: str | None) -> str:
        whose = user if user is not None else await self._me()
        return f"sessions/{exchange.segment(whose)}/{exchange.segment(name or '~')}"

    async def _get(self, path: str, model: type[M], **query: Any) -> M:
        return await self._ask(Ask("GET", path, query), model)

    async def _ask(self, ask: Ask, model: type[M]) -> M:
        return exchange.parsed(exchange.checked(await self._send(ask)), model)

    async def _send(self, ask: Ask, tries: int = exchange.TRIES) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            reply: httpx.Response | None = None
            failure: httpx.HTTPError | None = None
            try:
                reply = await self._http.request(**ask.arguments())
            except httpx.HTTPError as error:
                failure = error
            pause = exchange.pause_before(attempt, reply) if attempt < tries else None
            if pause is not None:
                await asyncio.sleep(pause)
            elif reply is not None:
                return reply
            else:
                raise exchange.unreachable(self.place.url, failure or httpx.HTTPError("no answer")) from failure
