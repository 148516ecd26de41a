"""Sessions as child processes of this Jupyter server, for where no hub of ours starts them.

Each is a session runner (`python -m streamspace_proxy.local --no-server`) in a runtime folder of its own. They end with
the Jupyter server: it stops them when it ends, and the runners ask the kernel to end them if it is killed. Must not
know tornado.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import aiohttp

from streamspace_hub.model import AppTemplate, Role, Session, SessionState, resolve_policy
from streamspace_hub.model.layers import said
from streamspace_proxy.desktop.settings import without_secrets
from streamspace_proxy.extension.launcher import How, LaunchError, Progress
from streamspace_proxy.extension.roles import Viewer
from streamspace_proxy.extension.sessions import OpenSession
from streamspace_proxy.extension.streamer_link import Request, StreamerDownError, StreamerLink

# -P: it starts in the user's home, where a file may be called like a module of ours.
RUNNER = (sys.executable, "-P", "-m", "streamspace_proxy.local", "--no-server")
END_LIMIT = 10.0
"""Seconds that a runner gets to end its session."""
RETRY_INTERVAL = 0.05
_FIRST_STEP, _LAST_STEP = 10, 90
_UNTOLD = "The session ended without saying why; session.log in {folder} may."


@dataclass
class _Here:
    """One session and what is known of it."""

    template: AppTemplate
    folder: Path
    link: StreamerLink
    process: asyncio.subprocess.Process
    started: datetime
    desktop: dict[str, Any] = field(default_factory=dict)
    """The desktop's latest status object; empty before the first."""
    stopping: bool = False
    failure: str | None = None
    """Why it ended by itself."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def state(self) -> SessionState:
        """The state as lists show it."""
        if self.failure is not None or self.desktop.get("state") == "failed":
            return SessionState.FAILED
        if self.stopping:
            return SessionState.STOPPING
        if self.desktop.get("state") != "running":
            return SessionState.STARTING
        return SessionState.FROZEN if self.frozen_since is not None else SessionState.RUNNING

    @property
    def frozen_since(self) -> str | None:
        """Since when its processes are stopped; ISO 8601, UTC."""
        sleep = self.desktop.get("sleep") or {}
        return str(sleep.get("since")) if sleep.get("state") == "frozen" else None

    def note(self) -> None:
        """Wake whoever waits for a change."""
        self.changed.set()
        self.changed = asyncio.Event()


class HereLauncher:
    """The apps that run beside one Jupyter server, at most one session for each app."""

    mode: Literal["hub", "here"] = "here"

    def __init__(self, base_url: str, runner: Sequence[str] = RUNNER) -> None:
        self._base_url = base_url
        self._runner = runner
        self._sessions: dict[str, _Here] = {}
        self._lock = asyncio.Lock()
        self._parent: Path | None = None

    # --- what the bridge needs

    def find(self, name: str) -> OpenSession | None:
        """Return the session of the app called `name`."""
        here = self._sessions.get(name)
        return None if here is None else OpenSession(name, here.template.title, here.link)

    def all(self) -> Iterable[OpenSession]:
        """Return every session."""
        return [OpenSession(name, here.template.title, here.link) for name, here in self._sessions.items()]

    # --- what the tiles ask for

    async def sessions(self) -> list[Session]:
        """Return the sessions."""
        return [self._session(here) for here in self._sessions.values()]

    async def start(self, template: AppTemplate, file: Path | None) -> tuple[Session, bool]:
        """Start the app, or find it running."""
        async with self._lock:
            here = self._sessions.get(template.name)
            if here is not None and here.state is SessionState.STOPPING:
                raise LaunchError(f"{template.title} is still being stopped. Try again in a moment.", 409)
            if here is not None and here.state is not SessionState.FAILED:
                if file is not None:
                    await self._open(here, file)
                return self._session(here), False
            if here is not None:
                await self._end(here)
            return self._session(await self._begin(template, file)), True

    async def progress(self, name: str) -> AsyncIterator[Progress | None]:
        """Yield the desktop's sentences as they come."""
        here = self._sessions.get(name)
        if here is None:
            raise LaunchError(f"No app called {name} is running here.", 404)
        percent, told = _FIRST_STEP, ""
        while True:
            change = here.changed
            message = here.desktop.get("message") or f"Starting {here.template.title}"
            match here.state:
                case SessionState.RUNNING | SessionState.FROZEN:
                    yield Progress(100, "Opening the session", ready=True, url=self._session(here).url)
                    return
                case SessionState.FAILED | SessionState.STOPPING:
                    yield Progress(100, here.failure or message, failed=True)
                    return
            if message != told:
                yield Progress(percent, message)
                percent, told = min(percent + 20, _LAST_STEP), message
            try:
                await asyncio.wait_for(change.wait(), 8)
            except TimeoutError:
                yield None

    async def stop(self, name: str) -> bool:
        """End the session's processes."""
        here = self._sessions.get(name)
        if here is None:
            raise LaunchError(f"No app called {name} is running here.", 404)
        await self._end(here)
        return True

    async def sleep(self, name: str, how: How) -> None:
        """Freeze it; its end would be that of its memory."""
        here = self._sessions.get(name)
        if here is None:
            raise LaunchError(f"No app called {name} is running here.", 404)
        if how == "hibernate":
            raise LaunchError("Apps that run beside this Jupyter server can be frozen only: they end with it.", 501)
        await self._order(here, "freeze", {}, f"{here.template.title} was not frozen")

    async def close(self) -> None:
        """End all sessions."""
        await asyncio.gather(*(self._end(here) for here in list(self._sessions.values())))
        if self._parent is not None:
            shutil.rmtree(self._parent, ignore_errors=True)

    # --- beginning and end of a session

    async def _begin(self, template: AppTemplate, file: Path | None) -> _Here:
        if self._parent is None:
            # Directly below /tmp: the path of a unix socket has 107 bytes at most.
            self._parent = Path(tempfile.mkdtemp(prefix="ss-", dir="/tmp"))
        folder = Path(tempfile.mkdtemp(prefix="", dir=self._parent))
        with (folder / "session.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self._runner,
                env=self._environment(template, folder, file),
                cwd=Path.home(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.PIPE,
                # Ctrl-C in the Jupyter server's terminal is for the Jupyter server, which then ends us in order.
                start_new_session=True,
            )
        link = StreamerLink(folder / "streamer.sock")
        here = _Here(template, folder, link, process, datetime.now(UTC))
        here.tasks = [asyncio.create_task(self._await_end(here)), asyncio.create_task(_follow_desktop(here))]
        self._sessions[template.name] = here
        return here

    def _environment(self, template: AppTemplate, folder: Path, file: Path | None) -> dict[str, str]:
        inherited = {k: v for k, v in without_secrets(os.environ).items() if not k.startswith("STREAMSPACE_")}
        return {
            **inherited,
            "STREAMSPACE_TEMPLATE": template.model_dump_json(exclude_defaults=True),
            "STREAMSPACE_POLICY": resolve_policy(said(template.policy, "app")).policy.model_dump_json(),
            "STREAMSPACE_RUNTIME_DIR": str(folder),
            "STREAMSPACE_SESSION": hashlib.sha256(str(folder).encode()).hexdigest()[:16],
            **({"STREAMSPACE_OPEN": str(file)} if file else {}),
        }

    async def _await_end(self, here: _Here) -> None:
        """Keep what the runner says last, and note its end."""
        assert here.process.stderr is not None
        said = ""
        async for line in here.process.stderr:
            said = line.decode(errors="replace").strip() or said
        code = await here.process.wait()
        if here.stopping:
            return
        if code == 0:
            await self._forget(here)
        else:
            told = here.desktop.get("message") if here.desktop.get("state") == "failed" else None
            here.failure = told or said.removeprefix("streamspace session: ") or _UNTOLD.format(folder=here.folder)
        here.note()

    async def _end(self, here: _Here) -> None:
        if here.stopping:
            await here.process.wait()
            return
        here.stopping = True
        here.note()
        with contextlib.suppress(ProcessLookupError):
            here.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(here.process.wait(), END_LIMIT)
            except TimeoutError:
                here.process.kill()
                await here.process.wait()
        await self._forget(here)
        here.note()

    async def _forget(self, here: _Here) -> None:
        if self._sessions.get(here.template.name) is here:
            del self._sessions[here.template.name]
        for task in here.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await here.link.close()
        await asyncio.to_thread(shutil.rmtree, here.folder, ignore_errors=True)

    # --- a session that runs

    async def _open(self, here: _Here, file: Path) -> None:
        await self._order(here, "open", {"path": str(file)}, f"{file.name} was not opened", "open")

    async def _order(
        self, here: _Here, verb: str, order: Mapping[str, str], failure: str, field: str | None = None
    ) -> None:
        owner = Viewer("jupyter", Role.OWNER)
        body = json.dumps(order).encode()
        try:
            request = Request("POST", f"api/v1/{verb}", body=body, content_type="application/json")
            response = await here.link.request(owner, request)
            async with response:
                if response.status >= 400:
                    reason = (await response.json()).get("message", f"status {response.status}")
                    raise LaunchError(f"{failure}: {reason}", response.status, field)
        except (StreamerDownError, aiohttp.ClientError, ValueError) as error:
            raise LaunchError(f"{failure}: {here.template.title} does not answer yet.", 503) from error

    def _session(self, here: _Here) -> Session:
        name = here.template.name
        return Session(
            name=name,
            app=name,
            title=here.template.title,
            state=here.state,
            url=f"{self._base_url}streamspace/here/{name}/",
            started=here.started.isoformat(),
            asleep_since=here.frozen_since,
        )


async def _follow_desktop(here: _Here) -> None:
    """Keep `here.desktop` as the desktop's control socket tells it, for as long as the session lives."""
    while True:
        with contextlib.suppress(OSError, ValueError, KeyError):
            reader, writer = await asyncio.open_unix_connection(str(here.folder / "desktop.sock"))
            with contextlib.closing(writer):
                writer.write(b'{"id": 1, "op": "subscribe"}\n')
                while line := await reader.readline():
                    here.desktop = json.loads(line)["status"]
                    here.note()
        await asyncio.sleep(RETRY_INTERVAL)
