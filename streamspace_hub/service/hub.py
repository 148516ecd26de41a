"""The hub's REST API, as much of it as the service needs, for JupyterHub 5.3 to 6.x. Knows no session, no database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from streamspace_hub.model.api import Storage
from streamspace_hub.model.asleep import Asleep
from streamspace_hub.model.session import REFUSAL
from streamspace_hub.model.step_up import Proven
from streamspace_hub.model.waiting import Place, place_in
from streamspace_hub.telemetry.logs import logged_with
from streamspace_hub.telemetry.tracing import Traces, headers

PAGE = 200
"""Users on one page: JupyterHub's own upper limit (`api_page_max_limit`)."""
PAGINATED = "application/jupyterhub-pagination+json"
READ_LIMIT = 15.0
CHANGES_SILENCE = 40.0
"""Seconds without a word of a hub that says every fifteen that it is there."""
FAILED = "Spawn failed: "
"""How the hub begins what it says of a start that has failed."""
START_LIMIT = 60.0
"""Seconds; the hub answers a start after `slow_spawn_timeout` (10 s) at the latest, and a stop likewise."""


class HubError(Exception):
    """The hub refused; `status` 502 when it did not answer at all. `message` is its sentence."""

    def __init__(
        self,
        status: int,
        message: str,
        retry_after: str | None = None,
        place: Place | None = None,
        refusal: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after
        self.place = place
        """Of a start that waits for room: where it stands."""
        self.refusal = refusal
        """Of a start that is refused: what the hub calls that."""


@dataclass(frozen=True)
class User:
    """A user as the hub knows them."""

    name: str
    servers: Mapping[str, Mapping[str, Any]]
    """The hub's models of their servers, stopped ones too, by name; without those that were never let in."""
    groups: Sequence[str] = ()
    asleep: Mapping[str, Asleep] = field(default_factory=dict)
    """Which of them sleep with their memory, by name."""
    storage: Storage | None = None
    """What the user's files take; None: that is not limited."""

    @classmethod
    def of(
        cls,
        model: Mapping[str, Any],
        asleep: Mapping[str, Any] | None = None,
        storage: Mapping[str, Any] | None = None,
        turned_away: Collection[str] = (),
    ) -> User:
        """Read the hub's model, and what it says of those that sleep, of files, and of those that never were."""
        servers = {name: one for name, one in (model.get("servers") or {}).items() if name not in turned_away}
        sleeping = {name: Asleep.model_validate(told) for name, told in (asleep or {}).items()}
        files = Storage.model_validate(storage) if storage else None
        return cls(model["name"], servers, sorted(model.get("groups") or []), sleeping, files)


@dataclass(frozen=True)
class Run:
    """A time that a session ran, as the hub's journal has it; seconds since 1970, `ended` None: it still does."""

    id: int
    user: str
    server: str
    app: str
    began: float
    ended: float | None


@dataclass(frozen=True)
class Refusal:
    """A start that the hub has refused; `at` in seconds since 1970."""

    key: str
    at: float
    user: str
    server: str
    by: str | None
    """`user:NAME` or `service:NAME`; None: the hub itself."""
    reason: str
    request: str
    """Under which number it was asked for; empty where there was none."""


class Hub:
    """One hub. Requests are made with the service's own token unless another is given.

    Args:
        api_url: of its REST API.
        token: the service's own.
        traces: where requests are noted.
        limits_storage: whether anybody's files are limited there now: else it is not asked for them.
    """

    def __init__(self, api_url: str, token: str, traces: Traces, limits_storage: Callable[[], bool]) -> None:
        self._token = token
        self._traces = traces
        self._limits_storage = limits_storage
        self._client = httpx.AsyncClient(
            base_url=api_url.rstrip("/") + "/",
            timeout=httpx.Timeout(READ_LIMIT),
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
            trust_env=False,
        )
        self._major: int | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def identify(self, token: str) -> dict[str, Any] | None:
        """Return the hub's model of a token's owner, with `scopes`; None when there is no such token."""
        try:
            model: dict[str, Any] = await self._ask("GET", "user", token=token)
        except HubError as error:
            if error.status in (401, 403):
                return None
            raise
        return model

    async def user(self, name: str) -> User | None:
        """Return a user; None when there is none of that name."""
        try:
            model = await self._ask("GET", f"users/{quote(name, safe='')}?include_stopped_servers=1")
        except HubError as error:
            if error.status == 404:
                return None
            raise
        # Those that run do not sleep.
        quiet = any(
            not server.get("ready") or server.get("pending") for server in (model.get("servers") or {}).values()
        )
        own = quote(name, safe="")
        asleep, turned_away = await self._told_of_quiet(own) if quiet else ({}, ())
        storage = await self._told(f"streamspace/storage/{own}") if self._limits_storage() else None
        return User.of(model, asleep, storage, turned_away)

    async def _told_of_quiet(self, user: str) -> tuple[Any, Any]:
        """Return which servers of a user sleep, and which were never let in."""
        asked = (self._told(f"streamspace/{what}/{user}") for what in ("asleep", "turned-away"))
        asleep, turned_away = await asyncio.gather(*asked)
        return asleep, turned_away

    async def _told(self, path: str) -> Any:
        """Return what a handler of ours says; nothing of a hub that has no such handler."""
        try:
            return await self._ask("GET", path) or {}
        except HubError as error:
            if error.status in (403, 404):
                return {}
            raise

    async def active_users(self) -> AsyncIterator[User]:
        """Yield each user with an active server."""
        asleep = await self._told("streamspace/asleep")
        storage = await self._told("streamspace/storage") if self._limits_storage() else {}
        models = [one async for one in self._items("users?state=active&include_stopped_servers=1", paginated=True)]
        # Not before: of each server that is listed, it is known by then whether it was turned away.
        turned_away = await self._told("streamspace/turned-away")
        for model in models:
            name = model["name"]
            yield User.of(model, asleep.get(name), storage.get(name), turned_away.get(name, ()))

    async def start(self, user: str, server: str, options: Mapping[str, Any], *, title: str, token: str) -> None:
        """Ask for a server in the name of `token`'s owner; returns when it is up, or the hub won't wait any longer."""
        # JupyterHub 5 takes the whole body for the options, 6 a field of it.
        body: dict[str, Any] = dict(options)
        if await self._version() >= 6:
            body = {"user_options": body, "display_name": title}
        with self._traces.span("POST /users/{user}/servers/{server}", kind="client"):
            known_by = {"X-Request-Id": request_id} if (request_id := logged_with().get("request_id")) else {}
            more = {**headers(), **known_by}
            await self._ask("POST", _server(user, server), token=token, body=body, limit=START_LIMIT, headers=more)

    async def stop(self, user: str, server: str, token: str, *, remove: bool = False) -> None:
        """Stop a server in the name of `token`'s owner, and forget it if `remove`."""
        body = {"remove": True} if remove else None
        await self._ask("DELETE", _server(user, server), token=token, body=body, limit=START_LIMIT)

    async def tell_asleep(self, user: str, server: str, *, since: str, size: int) -> None:
        """Tell the hub that a session's memory has been kept, `size` bytes of it: it is to be remembered as asleep."""
        body = {"user": user, "server": server, "since": since, "bytes": size}
        await self._ask("PUT", "streamspace/asleep", body=body)

    async def forget_sleep(self, user: str, server: str, token: str) -> None:
        """Give up the memory of a session that sleeps, in the name of `token`'s owner."""
        path = f"streamspace/asleep/{quote(user, safe='')}/{quote(server, safe='')}"
        await self._ask("DELETE", path, token=token, limit=START_LIMIT)

    async def shares(self, user: str, server: str, token: str) -> list[dict[str, Any]]:
        """Return the hub's models of a server's shares, as the owner of `token` may see them."""
        return [share async for share in self._items(_shares(user, server), token=token)]

    async def shared_with(self, user: str, token: str) -> list[dict[str, Any]]:
        """Return the hub's models of the shares with a user and with their groups, as `token`'s owner may see them."""
        return [share async for share in self._items(f"users/{quote(user, safe='')}/shared", token=token)]

    async def share(self, user: str, server: str, whom: Mapping[str, str], scopes: Sequence[str], token: str) -> None:
        """Share a server; `whom` is `{"user": NAME}` or `{"group": NAME}`. Scopes that it was shared with stay."""
        await self._ask("POST", _shares(user, server), token=token, body={**whom, "scopes": list(scopes)})

    async def unshare(
        self, user: str, server: str, whom: Mapping[str, str], token: str, scopes: Sequence[str] = ()
    ) -> None:
        """Take `scopes` of a share back, or the whole share."""
        body = {**whom, **({"scopes": list(scopes)} if scopes else {})}
        await self._ask("PATCH", _shares(user, server), token=token, body=body)

    async def progress(self, user: str, server: str) -> AsyncGenerator[dict[str, Any] | None, None]:
        """Yield the steps of a server's start as the hub tells them, None for its keep-alives; raises `HubError`."""
        path = f"{_server(user, server)}/progress"
        try:
            async with self._client.stream("GET", path, headers=self._headers(self._token)) as reply:
                if reply.status_code != 200:
                    raise HubError(reply.status_code, f"The hub answered {reply.status_code}.")
                async for line in reply.aiter_lines():
                    if line.startswith("data:"):
                        step: dict[str, Any] = json.loads(line.removeprefix("data:"))
                        yield step
                    elif not line:
                        yield None
        except httpx.HTTPError as error:
            raise _unreachable(error) from error

    async def failure(self, user: str, server: str, *, wait: bool = False) -> str | None:
        """Return why the last start of a server has failed, when the hub still knows.

        Args:
            user: whose it is.
            server: its name.
            wait: for the first word of a start that is still looked at: then it goes on, or was refused.
        """
        try:
            async with aclosing(self.progress(user, server)) as steps:
                async for step in steps:
                    # The first step is the hub's own, that it has been asked.
                    if step is not None and not (wait and step.get("progress") == 0):
                        return str(step.get("message", "")).removeprefix(FAILED) if step.get("failed") else None
        except (HubError, ValueError):
            return None
        return None

    async def changes(self) -> AsyncIterator[dict[str, Any] | None]:
        """Yield what the hub tells of servers that have changed, None at first; raises `HubError` when it does not."""
        limits = httpx.Timeout(READ_LIMIT, read=CHANGES_SILENCE)
        try:
            async with self._client.stream(
                "GET", "streamspace/changes", headers=self._headers(self._token), timeout=limits
            ) as reply:
                if reply.status_code != 200:
                    raise HubError(reply.status_code, f"The hub answered {reply.status_code}.")
                yield None
                async for line in reply.aiter_lines():
                    if line.startswith("data:"):
                        change: dict[str, Any] = json.loads(line.removeprefix("data:"))
                        yield change
        except httpx.HTTPError as error:
            raise _unreachable(error) from error

    async def runs(self) -> list[Run] | None:
        """Return when sessions began and ended, as far as was not acknowledged; None: this hub keeps no journal."""
        try:
            found = await self._ask("GET", "streamspace/runs")
        except HubError as error:
            if error.status in (403, 404):
                return None
            raise
        return [Run(**run) for run in found["runs"]]

    async def took_runs(self, runs: Sequence[Run]) -> None:
        """Tell the hub that these are in the ledger, with the ends that it has told."""
        await self._ask("PUT", "streamspace/runs", body={"taken": [(run.id, run.ended) for run in runs]})

    async def refusals(self) -> list[Refusal]:
        """Return the starts that the hub has refused, as far as was not acknowledged; none of a hub that tells none."""
        return [Refusal(**refusal) for refusal in (await self._told("streamspace/refusals")).get("refusals", ())]

    async def refusal(self, user: str, server: str, request: str) -> Refusal | None:
        """Return the newest refusal of a start that was asked for under this number, unless it was acknowledged."""
        asked = (user, server, request)
        for one in reversed(await self.refusals()):
            if (one.user, one.server, one.request) == asked:
                return one
        return None

    async def took_refusals(self, keys: Sequence[str]) -> None:
        """Tell the hub that these are in the audit log."""
        await self._ask("PUT", "streamspace/refusals", body={"taken": list(keys)})

    async def tell_usage(self, users: Mapping[str, Any], currency: str) -> None:
        """Tell the hub what users have used; a hub that takes no such thing checks no hours and budgets either."""
        await self._ask("PUT", "streamspace/usage", body={"users": users, "currency": currency})

    async def tell_announcement(self, announcement: Mapping[str, Any]) -> None:
        """Tell the hub what is announced: it starts nothing during maintenance."""
        await self._ask("PUT", "streamspace/announcement", body=announcement)

    async def tell_proven(self, proven: Proven) -> None:
        """Tell the hub of a second factor that was shown: sessions ask it who may come in."""
        await self._ask("PUT", "streamspace/step-up", body=proven.model_dump(mode="json"))

    async def proven(self, token: str) -> float | None:
        """Return when the user who owns `token` has shown a second factor by it; seconds since 1970."""
        found = (await self._ask("GET", "streamspace/step-up", token=token))["at"]
        return None if found is None else float(found)

    async def forget_proven(self, user: str) -> None:
        """Have the hub forget what a user has shown."""
        await self._ask("DELETE", f"streamspace/step-up/users/{quote(user, safe='')}")

    async def factors_key(self) -> bytes:
        """Return what second factors are encrypted with: 32 bytes that outlive our token."""
        return bytes.fromhex((await self._ask("GET", "streamspace/step-up/key"))["key"])

    async def tell_overrides(self, overrides: Mapping[str, Any]) -> None:
        """Tell the hub what administrators override: it resolves policies and checks quotas at starts."""
        await self._ask("PUT", "streamspace/overrides", body=overrides)

    async def ping(self) -> bool:
        """Return whether the hub answers."""
        try:
            await self._ask("GET", "", limit=3.0)
        except HubError:
            return False
        return True

    async def token_for_code(self, form: Mapping[str, str]) -> str:
        """Exchange an authorization code for the user's token (OAuth 2, RFC 6749 section 4.1.3)."""
        try:
            reply = await self._client.post("oauth2/token", data=dict(form))
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        if reply.status_code != 200:
            raise HubError(reply.status_code, "The hub did not accept the sign-in. Try again.")
        return str(reply.json()["access_token"])

    async def _items(self, path: str, **asking: Any) -> AsyncIterator[dict[str, Any]]:
        """Yield what is on all pages of a list of the hub's; `asking` is `_ask`'s."""
        more = "&" if "?" in path else "?"
        offset: int | None = 0
        while offset is not None:
            page = await self._ask("GET", f"{path}{more}offset={offset}&limit={PAGE}", **asking)
            for item in page["items"]:
                yield item
            following = page["_pagination"].get("next")
            offset = following["offset"] if following else None

    async def _version(self) -> int:
        if self._major is None:
            version = str((await self._ask("GET", "")).get("version", "0"))
            self._major = int(version.partition(".")[0])
        return self._major

    async def _ask(  # noqa: PLR0913 - what a request has
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        paginated: bool = False,
        limit: float = READ_LIMIT,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        kind = {"Accept": PAGINATED} if paginated else {}
        try:
            reply = await self._client.request(
                method,
                path,
                json=body,
                headers={**self._headers(token or self._token), **kind, **(headers or {})},
                timeout=limit,
            )
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        if reply.status_code >= 400:
            wait, place = reply.headers.get("Retry-After"), place_in(reply.headers)
            raise HubError(reply.status_code, _message(reply), wait, place, reply.headers.get(REFUSAL))
        return reply.json() if reply.content and "json" in reply.headers.get("Content-Type", "") else None

    @staticmethod
    def _headers(token: str) -> dict[str, str]:
        return {"Authorization": f"token {token}"}


def _server(user: str, server: str) -> str:
    base = f"users/{quote(user, safe='')}"
    return f"{base}/servers/{quote(server, safe='')}" if server else f"{base}/server"


def _shares(user: str, server: str) -> str:
    return f"shares/{quote(user, safe='')}/{quote(server, safe='')}"


def _message(reply: httpx.Response) -> str:
    try:
        return str(reply.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"The hub answered {reply.status_code}."


def _unreachable(error: httpx.HTTPError) -> HubError:
    what = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "cannot be reached"
    return HubError(502, f"The hub {what}.")
