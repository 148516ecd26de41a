"""A real JupyterHub for a test: the real proxy, real accounts when run as root, a folder of its own, free ports."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import jupyterhub
from streamspace_spawner.processes import MARKER_VARIABLE

from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
NODE_TOOLS = ROOT / "build" / "node" / "node_modules" / ".bin"
LIMIT = PATIENCE
AS_ROOT = os.geteuid() == 0
USER_PREFIX = "ss-test-"
HUB_MAJOR = jupyterhub.version_info[0]

TEMPLATE = """\
name: test-app
title: Test app
command: [xterm, "%f"]
"""

CONFIG = """\
import json, sys
import streamspace_hub
c = get_config()
run = json.load(open({run!r}))
c.JupyterHub.bind_url = run["url"]
c.JupyterHub.hub_bind_url = run["hub_url"]
c.JupyterHub.db_url = f"sqlite:///{{run['folder']}}/hub.sqlite"
c.JupyterHub.cookie_secret_file = f"{{run['folder']}}/cookie_secret"
c.ConfigurableHTTPProxy.api_url = run["proxy_api"]
c.ConfigurableHTTPProxy.pid_file = f"{{run['folder']}}/proxy.pid"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.services = [{{"name": "test", "api_token": run["token"]}}]
c.JupyterHub.load_roles = [{{
    "name": "test",
    "services": ["test"],
    "scopes": ["admin:users", "admin:servers", "tokens", "access:servers"],
}}]
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.poll_interval = 1
c.StreamSpace.catalog_dirs = [f"{{run['folder']}}/apps"]
c.LocalStreamSpaceSpawner.create_accounts = True
c.LocalStreamSpaceSpawner.account_home_template = f"{{run['folder']}}/home/{{{{username}}}}"
c.StreamSpaceSpawner.runtime_root = f"{{run['folder']}}/run"
{extra}
streamspace_hub.install(c)
"""


class TempHub:
    """A running hub, seen as an administrator's script sees it."""

    def __init__(self, folder: Path, users: Sequence[str], extra: str, run_as: int | None = None) -> None:
        self.folder = folder
        self.users = list(users)
        self._run_as = run_as
        port, hub_port, proxy_port = free_ports(3)
        self.url = f"http://127.0.0.1:{port}"
        self.hub_url = f"http://127.0.0.1:{hub_port}"
        """Where the hub itself listens, behind its proxy."""
        self.token = secrets.token_hex(16)
        self.process: subprocess.Popen[bytes] | None = None
        self.client = httpx.AsyncClient(timeout=LIMIT)
        run = {
            "url": self.url,
            "hub_url": self.hub_url,
            "proxy_api": f"http://127.0.0.1:{proxy_port}",
            "folder": str(folder),
            "token": self.token,
        }
        (folder / "run.json").write_text(json.dumps(run))
        (folder / "jupyterhub_config.py").write_text(CONFIG.format(run=str(folder / "run.json"), extra=extra))
        (folder / "apps").mkdir()
        (folder / "apps" / "test-app.yaml").write_text(TEMPLATE)

    # --- the hub itself --------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the hub, or start it again, and wait until it answers."""
        path = os.pathsep.join([str(NODE_TOOLS), os.environ["PATH"]])
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTERHUB_", "STREAMSPACE_"))}
        with open(self.folder / "hub.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", "jupyterhub_config.py"],
                cwd=self.folder,
                env={**environment, "PATH": path, **({} if self._run_as is None else {"HOME": str(self.folder)})},
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self._run_as,
            )
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log
            with suppress(httpx.TransportError):
                if (await self.client.get(f"{self.url}/hub/health", timeout=2)).status_code == 200:
                    return
            await asyncio.sleep(0.1)
        raise AssertionError(f"the hub did not start:\n{self.log}")

    def kill(self) -> None:
        """End the hub as the kernel's OOM killer would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    async def end(self) -> None:
        """End the hub in good order; it ends its servers and its proxy."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self.process.wait, 40)
        finally:
            with suppress(ProcessLookupError, FileNotFoundError, ValueError):
                os.kill(int((self.folder / "proxy.pid").read_text()), signal.SIGTERM)
            self.process.kill()
            await self.client.aclose()

    @property
    def log(self) -> str:
        """The hub's log so far."""
        return (self.folder / "hub.log").read_text(errors="replace")

    # --- REST ------------------------------------------------------------------------------------------------------

    async def api(self, method: str, path: str, *, token: str = "", **request: Any) -> httpx.Response:
        """Call the hub's REST API, as the administrator's script unless with another token."""
        headers = {"Authorization": f"token {token or self.token}"}
        return await self.client.request(method, f"{self.url}/hub/api{path}", headers=headers, **request)

    async def get(self, path: str, *, token: str) -> httpx.Response:
        """Get a path through the hub's proxy."""
        return await self.client.get(f"{self.url}{path}", headers={"Authorization": f"token {token}"})

    async def user_token(self, user: str) -> str:
        """Return a new token of `user`."""
        reply = await self.api("POST", f"/users/{user}/tokens", json={})
        reply.raise_for_status()
        return str(reply.json()["token"])

    async def request_start(self, user: str, server: str, options: dict[str, Any] | None = None) -> httpx.Response:
        """Ask for a server, in the form of this hub's version."""
        body = None if options is None else {"user_options": options} if HUB_MAJOR >= 6 else options
        path = f"/users/{user}/servers/{server}" if server else f"/users/{user}/server"
        return await self.api("POST", path, json=body)

    async def start_server(self, user: str, server: str, options: dict[str, Any] | None = None) -> dict[str, Any]:
        """Start a server and wait until it is ready; return the hub's model of it."""
        reply = await self.request_start(user, server, options)
        assert reply.status_code in (201, 202), f"{reply.status_code} {reply.text}\n{self.log}"
        return await self.until_ready(user, server)

    @asynccontextmanager
    async def session(
        self, user: str, server: str = "one", options: dict[str, Any] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Run a session of the test app for a while; yield the hub's model of it."""
        try:
            yield await self.start_server(user, server, {"app": "test-app"} if options is None else options)
        finally:
            await self.stop_server(user, server)

    async def until_ready(self, user: str, server: str) -> dict[str, Any]:
        """Wait until a server is ready; return the hub's model of it."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            model = await self.server(user, server)
            assert model is not None, f"{server} did not start:\n{self.log}"
            if model["ready"]:
                return model
            await asyncio.sleep(0.1)
        raise AssertionError(f"{server} did not start:\n{self.log}")

    async def server(self, user: str, server: str) -> dict[str, Any] | None:
        """Return the hub's model of a running or pending server."""
        reply = await self.api("GET", f"/users/{user}")
        model: dict[str, Any] | None = reply.json()["servers"].get(server)
        return model

    async def stop_server(self, user: str, server: str) -> None:
        """Stop a server and wait until it is gone."""
        path = f"/users/{user}/servers/{server}" if server else f"/users/{user}/server"
        assert (await self.api("DELETE", path)).status_code in (202, 204)
        await self.until_gone(user, server)

    async def until_gone(self, user: str, server: str) -> None:
        """Wait until the hub knows that a server has ended."""
        deadline = time.monotonic() + LIMIT
        while await self.server(user, server) is not None:
            assert time.monotonic() < deadline, self.log
            await asyncio.sleep(0.1)


@asynccontextmanager
async def temp_hub(*users: str, extra: str = "", run_as: int | None = None) -> AsyncIterator[TempHub]:
    """Run a hub with `users` (made up if none are named) and the lines `extra` in its configuration.

    `run_as` is the uid that it runs under, ours if None.
    """
    if shutil.which("configurable-http-proxy", path=f"{NODE_TOOLS}:{os.environ['PATH']}") is None:
        raise RuntimeError("npm install --prefix build/node configurable-http-proxy@5 first (`make` does it)")
    folder = Path(tempfile.mkdtemp(prefix="ss-", dir="/tmp"))
    folder.chmod(0o755)
    hub = TempHub(folder, users or [new_user()], extra, run_as)
    if run_as is not None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, run_as, -1)
    try:
        await hub.start()
        for user in hub.users:
            (await hub.api("POST", f"/users/{user}")).raise_for_status()
        yield hub
    finally:
        try:
            await hub.end()
        finally:
            await asyncio.to_thread(_remove, hub)


def new_user() -> str:
    """Return the name of a user that nobody else has."""
    return f"{USER_PREFIX}{secrets.token_hex(4)}"


def processes_of(marker: str) -> list[int]:
    """Return the pids of living processes that carry a session's marker."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and f"{MARKER_VARIABLE}={marker}".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    import socket

    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _remove(hub: TempHub) -> None:
    # A test that failed while its hub was dead leaves the hub's sessions behind.
    for session in (hub.folder / "run").glob("*"):
        for pid in processes_of(session.name):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for user in hub.users:
        if not user.startswith(USER_PREFIX):
            continue
        with suppress(KeyError):
            pwd.getpwnam(user)
            subprocess.run(["userdel", "--force", "--", user], check=False, capture_output=True)
    shutil.rmtree(hub.folder, ignore_errors=True)
