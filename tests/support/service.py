"""The StreamSpace service beside a real hub: as the hub starts it, or as replicas of our own that can be killed."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx

from tests.support.hub import TempHub, free_ports, new_user, temp_hub
from tests.support.postgres import Postgres

LIMIT = 60.0
PREFIX = "/services/streamspace"
ADMIN = "ss-test-admin"


class Api:
    """The service's REST API at one address, as the owner of one token."""

    def __init__(self, url: str, token: str | None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = httpx.AsyncClient(base_url=f"{url}{PREFIX}/api/v1", headers=headers, timeout=LIMIT)

    async def __call__(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request."""
        return await self.client.request(method, path, **request)

    async def until(self, path: str, state: str) -> dict[str, Any]:
        """Wait until the session at `path` is in `state`; return it."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            reply = await self("GET", path)
            assert reply.status_code == 200, reply.text
            if reply.json()["state"] == state:
                return dict(reply.json())
            await asyncio.sleep(0.1)
        raise AssertionError(f"{path} is not {state}: {reply.text}")


class ServiceHub:
    """A hub with the service, two users and an administrator of sessions."""

    def __init__(self, hub: TempHub) -> None:
        self.hub = hub
        self.ann, self.bob = hub.users[:2]
        self.tokens: dict[str, str] = {}
        self.given: list[str] = []
        self._apis: list[Api] = []

    async def token(self, user: str, scopes: list[str] | None = None) -> str:
        """Return a new token of `user`, with all that they may do or only `scopes`."""
        reply = await self.hub.api("POST", f"/users/{user}/tokens", json={} if scopes is None else {"scopes": scopes})
        reply.raise_for_status()
        self.given.append(str(reply.json()["token"]))
        return self.given[-1]

    async def api(self, user: str | None, url: str | None = None, scopes: list[str] | None = None) -> Api:
        """Return the API as `user` sees it (None: without a token), through the hub's proxy unless `url` is given."""
        if user is not None and scopes is not None:
            token: str | None = await self.token(user, scopes)
        else:
            token = await self._kept(user) if user else None
        api = Api(url or self.hub.url, token)
        self._apis.append(api)
        return api

    def check_discreet(self, log: str, *secrets: str) -> None:
        """See that a log holds none of the tokens that were given out, and none of `secrets`."""
        for token in (*self.given, *secrets):
            assert token not in log, f"a log holds a token: {[line for line in log.splitlines() if token in line][:3]}"

    async def join(self, user: str, group: str) -> None:
        """Put a user into a group."""
        reply = await self.hub.api("POST", f"/groups/{group}/users", json={"users": [user]})
        assert reply.status_code == 200, reply.text

    async def close(self) -> None:
        """Close the connections."""
        for api in self._apis:
            await api.client.aclose()

    async def _kept(self, user: str) -> str:
        if user not in self.tokens:
            self.tokens[user] = await self.token(user)
        return self.tokens[user]


CONFIG = """\
with open(run["folder"] + "/events.py", "w") as file:
    file.write("import logging\\n")
    file.write(f"c.EventLogger.handlers = [logging.FileHandler({{run['folder'] + '/events.jsonl'!r}})]\\n")
options = {options} | {{"events": run["folder"] + "/events.py"}}
streamspace_hub.install(c, catalog_dirs=c.StreamSpace.catalog_dirs, service=options)
"""

ABSENT_APP = """\
with open(run["folder"] + "/apps/absent.yaml", "w") as file:
    file.write("name: absent\\ntitle: Absent\\ncommand: [/no/such/program]\\n")
"""
"""Lines of a hub's configuration: an app whose program is installed nowhere."""

SHARING = """
c.JupyterHub.load_roles.append(
    {"name": "user", "scopes": ["self", "shares!user", "read:users:name", "read:groups:name"]}
)
c.JupyterHub.load_roles.append({"name": "grouping", "services": ["test"], "scopes": ["groups"]})
c.JupyterHub.load_groups = {"class": {"users": []}}
"""
"""Lines of a hub's configuration: users may share; there is a group, which the test may change."""

OWN_CONFIG = """\
c.JupyterHub.services.append({{"name": "streamspace", "api_token": {token!r}}})
streamspace_hub.install(c, service={{"admins": [{admin!r}]}})
"""


@asynccontextmanager
async def service_hub(config: str = "", **options: Any) -> AsyncIterator[ServiceHub]:
    """Run a hub that runs the service, with `options` of `install(c, service=...)` and further lines `config`."""
    (port,) = free_ports(1)
    given = {"url": f"http://127.0.0.1:{port}", "admins": [ADMIN], **options}
    async with temp_hub(new_user(), new_user(), extra=f"{config}\n{CONFIG.format(options=given)}") as hub:
        found = ServiceHub(hub)
        try:
            await until_up(hub.url, lambda: hub.log)
            yield found
            assert "could not be emitted" not in hub.log, "a line of the audit log does not fit its schema"
            found.check_discreet(hub.log)
        finally:
            await found.close()


class Replica:
    """One process of the service, started by us."""

    def __init__(self, hub: TempHub, token: str, port: int, database: str, **environment: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.token = token
        self.log_file = hub.folder / f"service-{port}.log"
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("JUPYTERHUB_", "STREAMSPACE_"))},
            "JUPYTERHUB_API_URL": f"{hub.hub_url}/hub/api",
            "JUPYTERHUB_API_TOKEN": token,
            "JUPYTERHUB_SERVICE_URL": self.url,
            "STREAMSPACE_DATABASE_URL": database,
            "STREAMSPACE_CATALOG_DIRS": str(hub.folder / "apps"),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "streamspace_hub.service"],
                cwd=self.log_file.parent,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await until_up(self.url, lambda: self.log)

    @property
    def log(self) -> str:
        """What it has logged."""
        return self.log_file.read_text(errors="replace")

    def kill(self) -> None:
        """End it as the kernel's OOM killer would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """End it in good order."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            finally:
                self.process.kill()


@asynccontextmanager
async def replicas(
    count: int, database: str | None = None, config: str = "", **environment: str
) -> AsyncIterator[tuple[Any, ...]]:
    """Run a hub and `count` replicas on one database (SQLite in the hub's folder unless given).

    `config` are further lines of the hub's configuration.
    """
    token, ports = secrets.token_hex(16), free_ports(count)
    # Without its URL, for which the hub would wait before it starts: replicas are asked directly.
    extra = f"{config}\n{OWN_CONFIG.format(token=token, admin=ADMIN)}"
    async with temp_hub(new_user(), new_user(), extra=extra) as hub:
        url = database or f"sqlite:///{hub.folder}/streamspace.sqlite"
        environment = {"STREAMSPACE_PROXY_URL": hub.url, **environment}
        running = [Replica(hub, token, port, url, **environment) for port in ports]
        found = ServiceHub(hub)
        try:
            await asyncio.gather(*(replica.start() for replica in running))
            yield found, running
            for replica in running:
                found.check_discreet(replica.log, token)
        finally:
            await found.close()
            for replica in running:
                await asyncio.to_thread(replica.end)


async def until_up(url: str, log: Any) -> None:
    """Wait until the service at `url` says that it is well."""
    deadline = time.monotonic() + LIMIT
    last = ""
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                reply = await client.get(f"{PREFIX}/api/v1/health")
                last = reply.text
                if reply.status_code == 200:
                    return
            await asyncio.sleep(0.1)
    raise AssertionError(f"the service did not start: {last}\n{log()[-6000:]}")


@asynccontextmanager
async def postgresql() -> AsyncIterator[Postgres]:
    """Run a PostgreSQL server of our own on loopback; yield it."""
    server = Postgres()
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.remove)
