"""Sessions as named servers of the hub that started this JupyterLab, asked for with the server's own token.

The token needs `servers!user` and `access:servers!user`. Must not know tornado.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urljoin

from streamspace_hub.model import AppTemplate, Session, SessionState
from streamspace_hub.model.asleep import Asleep
from streamspace_hub.model.hub_server import VIEWER, app_of, state_of, title_of
from streamspace_proxy.extension.hub_api import HubApi, HubError
from streamspace_proxy.extension.launcher import How, LaunchError, Progress, Queued

log = logging.getLogger("streamspace.lab")

ASLEEP = {
    "frozen": SessionState.FROZEN,
    "hibernating": SessionState.HIBERNATING,
    "asleep": SessionState.HIBERNATING,
}
"""What a running session's own word means here: one that sleeps with its memory, and still runs, is about to end."""
SOON = 0.3
"""Seconds in which the hub has refused a start that it will not even try."""
AGAIN = 10
"""Seconds until a start that waits for room is asked for again, where the hub does not say."""
SLEEP_LIMIT = 1.0
"""Seconds that a session gets to say whether it is frozen, before it counts as running."""
Titles = Mapping[str, str]
"""Titles of the catalog's apps by name."""
NO_SERVICE = (403, 404, 405)
"""What is answered for our service's address where none runs, or where our token knows nothing of it."""


class HubLauncher:
    """The sessions of one hub user; `titles` returns those of the catalog's apps."""

    mode: Literal["hub", "here"] = "hub"

    def __init__(  # noqa: PLR0913 - what it is told by the environment
        self,
        hub: HubApi,
        user: str,
        proxy_url: str | None,
        home: Path,
        titles: Callable[[], Awaitable[Titles]],
        *,
        base_url: str,
    ) -> None:
        self._hub = hub
        self._titles = titles
        self._user = f"/users/{quote(user, safe='')}"
        self._sleep = f"/streamspace/asleep/{quote(user, safe='')}"
        self._proxy_url = proxy_url
        self._home = home
        self._base_url = base_url
        self._starts: set[asyncio.Task[Any]] = set()

    async def sessions(self) -> list[Session]:
        """Return those of the user's servers that are sessions, and those that sleep."""
        titles = await self._titles()
        servers, sleepers = await asyncio.gather(self._servers(), self._sleepers())
        if sleepers.keys() - servers.keys():
            servers = (await self._ask("GET", f"{self._user}?include_stopped_servers=1") or {}).get("servers", {})
        pairs = ((server, sleepers.get(name)) for name, server in servers.items())
        found = [session for server, sleeps in pairs if (session := _session(server, titles, sleeps))]
        return list(await asyncio.gather(*(self._with_sleep(session) for session in found)))

    async def start(self, template: AppTemplate, file: Path | None) -> tuple[Session, bool]:
        """Start the named server, or find it."""
        known = (await self._servers()).get(template.name)
        if known is not None and not known.get("stopped"):
            session = _session(known, await self._titles())
            if session is None:
                raise LaunchError(
                    f"Your server `{template.name}` is not an app session. Stop it on the hub's home page first.", 409
                )
            if session.state is SessionState.STOPPING:
                raise LaunchError(f"{template.title} is still being stopped. Try again in a moment.", 409)
            if file is not None and session.state is SessionState.RUNNING:
                await self._open(known, template.title, file)
            return session, False
        return await self._spawn(template, file), True

    async def progress(self, name: str) -> AsyncIterator[Progress | None]:
        """Pass on the hub's progress events."""
        try:
            async for line in self._hub.stream(f"{self._server(name)}/progress"):
                yield _progress(line)
        except HubError as error:
            raise LaunchError(error.message, error.status) from error

    async def stop(self, name: str) -> bool:
        """Stop the server. Its files stay; so does its name on the hub's home page."""
        known = (await self._servers()).get(name)
        if known is None and name in await self._sleepers():
            await self._ask("DELETE", f"{self._sleep}/{quote(name, safe='')}")
            return True
        if known is None or _session(known, await self._titles()) is None:
            raise LaunchError(f"No app called {name} is running.", 404)
        await self._ask("DELETE", self._server(name))
        left = (await self._servers()).get(name)
        return left is None or bool(left.get("stopped"))

    async def sleep(self, name: str, how: How) -> None:
        """Have the service do it, which tells everybody; where there is none, a session still freezes by itself."""
        known = (await self._servers()).get(name)
        if known is None or _session(known, await self._titles()) is None:
            raise LaunchError(f"No app called {name} is running.", 404)
        server = f"{self._user.removeprefix('/users/')}/{quote(name, safe='')}"
        try:
            await self._post(f"{self._base_url}services/streamspace/api/v1/sessions/{server}/{how}")
        except HubError as error:
            if error.status not in NO_SERVICE:
                raise LaunchError(error.message, error.status) from error
            if how == "hibernate":
                raise LaunchError("Sleep with memory is the service's work, and this hub runs none.", 501) from error
            await self._freeze(known)

    async def _freeze(self, server: Mapping[str, Any]) -> None:
        try:
            await self._post(f"{server['url']}{VIEWER}api/v1/freeze")
        except HubError as error:
            raise LaunchError(error.message, error.status) from error

    async def _post(self, path: str) -> None:
        """Send an order to a path of the hub's proxy; raises HubError."""
        # Only to addresses from our spawner or the hub: this request carries our token.
        url = urljoin(self._proxy_url or "", path)
        if "://" not in url:
            raise HubError(501, "The hub's proxy cannot be reached from here.")
        await self._hub.request("POST", url, {})

    async def close(self) -> None:
        """End the connections; the sessions are the hub's and go on."""
        for start in list(self._starts):
            start.cancel()
        await self._hub.close()

    async def _spawn(self, template: AppTemplate, file: Path | None) -> Session:
        """Start the server and return as soon as the hub shows it; the rest of the start is told by `progress`."""
        options: dict[str, object] = {"app": template.name}
        if file is not None:
            options["open"] = self._below_home(file)
        # JupyterHub 5 takes the whole body for the options, 6 a field of it (and a title for its home page).
        version = str((await self._ask("GET", "/") or {}).get("version", ""))
        modern = int(version.partition(".")[0] or 0) >= 6
        body: dict[str, object] = {"user_options": options, "display_name": template.title} if modern else options
        # The hub answers when the server is up, or after ten seconds: too late to show how it goes.
        start = asyncio.create_task(self._ask("POST", self._server(template.name), body))
        self._starts.add(start)
        start.add_done_callback(self._start_done)
        titles = await self._titles()
        while True:
            await asyncio.wait({start}, timeout=SOON)
            server = (await self._servers()).get(template.name)
            session = _session(server, titles) if server else None
            if start.done():
                start.result()
            if session is not None:
                return session
            if start.done():
                raise LaunchError(f"{template.title} ended while it was being started.", 502)

    def _start_done(self, start: asyncio.Task[Any]) -> None:
        self._starts.discard(start)
        if not start.cancelled() and (error := start.exception()):
            log.warning("The hub did not start a session: %s", error)

    async def _open(self, server: Mapping[str, Any], title: str, file: Path) -> None:
        # Only addresses from our spawner or the hub: this request carries our token.
        url = urljoin(self._proxy_url or "", server["url"])
        if "://" not in url:
            raise LaunchError(f"{title} is running, but cannot be reached from here. Open {file.name} within it.", 501)
        try:
            await self._hub.request("POST", f"{url}{VIEWER}api/v1/open", {"path": str(file)})
        except HubError as error:
            raise LaunchError(f"{file.name} was not opened: {error.message}", error.status, "open") from error

    async def _with_sleep(self, session: Session) -> Session:
        """Return a running session with what only it knows at once: is it frozen, can its memory be kept."""
        if session.state is not SessionState.RUNNING:
            return session
        url = f"{urljoin(self._proxy_url or '', session.url)}api/v1/activity"
        try:
            async with asyncio.timeout(SLEEP_LIMIT):
                seen = await self._hub.request("GET", url) if "://" in url else {}
        except (HubError, TimeoutError):
            return session
        memory, why_not = seen.get("memory"), seen.get("why_not")
        session = session.model_copy(update={"memory": memory, "why_not": why_not})
        state = ASLEEP.get(str(seen.get("sleep")))
        since = seen.get("asleep_since")
        return session.model_copy(update={"state": state, "asleep_since": since}) if state else session

    async def _sleepers(self) -> Mapping[str, Asleep]:
        """Return what sleeps with its memory, by the server's name; a hub that knows of no such thing has none."""
        try:
            told = await self._hub.request("GET", self._sleep) or {}
        except HubError as error:
            if error.status in (403, 404):
                return {}
            raise LaunchError(error.message, error.status) from error
        return {name: Asleep.model_validate(one) for name, one in told.items()}

    async def _servers(self) -> Mapping[str, Any]:
        return (await self._ask("GET", self._user) or {}).get("servers", {})  # type: ignore[no-any-return]

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        try:
            return await self._hub.request(method, path, body)
        except HubError as error:
            queued = Queued(error.place, error.retry_after or AGAIN) if error.place is not None else None
            raise LaunchError(error.message, error.status, queued=queued) from error

    def _server(self, name: str) -> str:
        return f"{self._user}/servers/{quote(name, safe='')}"

    def _below_home(self, file: Path) -> str:
        # The session's home is the same volume as ours, but need not be mounted at the same path.
        if not file.is_relative_to(self._home):
            raise LaunchError(f"{file.name} is not below your home folder, so a session cannot see it.", field="open")
        return str(file.relative_to(self._home))


def _session(server: Mapping[str, Any], titles: Titles, sleeps: Asleep | None = None) -> Session | None:
    """Return the session that a server is; None for an ordinary server and for one that has ended."""
    name: str = server["name"]
    app = sleeps.app if sleeps else app_of(name, server, titles)
    state = state_of(server, sleeps=sleeps is not None)
    if app is None or state is SessionState.STOPPED:
        return None
    return Session(
        name=name,
        app=app,
        title=title_of(name, server, titles.get(app, app)),
        state=state,
        url=f"{server['url']}{VIEWER}",
        started=server.get("started"),
        last_activity=server.get("last_activity"),
        asleep_since=sleeps.since if sleeps else None,
        asleep_bytes=sleeps.bytes if sleeps else None,
    )


def _progress(line: str) -> Progress | None:
    """Return the event in one line of the hub's stream; None for keep-alives and what is not an event."""
    if not line.startswith("data:"):
        return None
    try:
        event = json.loads(line.removeprefix("data:"))
    except ValueError:
        return None
    ready, url = bool(event.get("ready")), event.get("url")
    return Progress(
        progress=int(event.get("progress", 0)),
        message="Opening the session" if ready else str(event.get("message", "")),
        ready=ready,
        failed=bool(event.get("failed")),
        url=f"{url.removesuffix(VIEWER)}{VIEWER}" if ready and url else None,
    )
