"""A hub session's web server as a process: what it answers, to whom, and what it costs. The hub behind it is away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from streamspace_proxy.extension.entry import PolicyEntry
from streamspace_proxy.extension.hub_api import HubApi
from streamspace_proxy.extension.server import Life, Place, make_application
from streamspace_proxy.extension.sessions import OpenSession
from streamspace_proxy.extension.streamer_link import StreamerLink

from streamspace_hub.model import Policy
from tests.support.running import PYTHONPATH

BASE = "/user/ann/gimp/"
TOKEN = "token-of-this-test"
ALLOWED = {
    r"/(?:|lab|tree)/?",
    r"/api/?",
    r"/api/status",
    r"/oauth_callback",
    r"/streamspace/api/v1/stop",
    r"/streamspace()/api/v1/turn",
    "/streamspace()/api/v1/logs",
    r"/streamspace()",
    r"/streamspace()/",
    r"/streamspace(?:)/static/(.+)",
    r"/streamspace()/(http(?:/[A-Za-z0-9_-]{1,64})?)",
    r"/streamspace()/(ws|rfb)",
    r"/streamspace()/(api/v1/[a-z]+(?:/[a-z]+)*)",
}
JUPYTER = [
    "api/contents",
    "api/contents/x",
    "api/kernels",
    "api/kernelspecs",
    "api/sessions",
    "api/terminals",
    "api/nbconvert",
    "api/config/x",
    "api/me",
    "api/events/subscribe",
    "api/shutdown",
    "files/etc/passwd",
    "view/x",
    "nbconvert/html/x",
    "nbextensions/x",
    "kernelspecs/x",
    "edit/x",
    "notebooks/x",
    "terminals/1",
    "terminals/websocket/1",
    "proxy/22/",
    "proxy/absolute/22/",
    "metrics",
    "static/x",
    "lab/api/settings",
    "login",
    "logout",
    "custom/x",
    "user-redirect/x",
]


@dataclass
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]
    folder: Path
    seconds: float
    """From its start until it answered."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{BASE}"

    def log(self) -> str:
        return (self.folder / "log").read_text()


def environment(port: int, folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": PYTHONPATH,
        "HOME": str(folder),
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}{BASE}",
        "JUPYTERHUB_SERVICE_PREFIX": BASE,
        "JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api",
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-ann-gimp",
        "JUPYTERHUB_USER": "ann",
        "JUPYTERHUB_SERVER_NAME": "gimp",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:servers!server=ann/gimp"]',
        "STREAMSPACE_RUNTIME_DIR": str(folder),
        "STREAMSPACE_TEMPLATE": json.dumps({"name": "gimp", "title": "GIMP", "command": ["gimp"]}),
        "STREAMSPACE_POLICY": "{}",
    }


@contextlib.asynccontextmanager
async def running(user: str | None = None) -> AsyncIterator[tuple[Server, aiohttp.ClientSession]]:
    folder = Path(tempfile.mkdtemp(prefix="ss-", dir="/tmp"))
    account = pwd.getpwnam(user) if user else None
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.monotonic()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamspace_proxy.extension"],
            env=environment(port, folder),
            cwd=folder,
            stdout=log,
            stderr=log,
            user=account.pw_uid if account else None,
        )
    server = Server(port, process, folder, 0)
    try:
        async with aiohttp.ClientSession() as client:
            while True:
                assert process.poll() is None, server.log()
                with contextlib.suppress(aiohttp.ClientConnectorError):
                    await client.get(f"{server.url}api")
                    break
                await asyncio.sleep(0.02)
            server.seconds = time.monotonic() - started
            yield server, client
    finally:
        process.terminate()
        assert process.wait(10) == 0, server.log()
        shutil.rmtree(folder)


def test_every_route_is_on_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(1, Path("/tmp")).items():
        monkeypatch.setenv(name, value)
    session = OpenSession("gimp", "GIMP", StreamerLink(Path("/tmp/none")))
    now = datetime.now(UTC)
    place, hub = Place.from_environment(), HubApi.from_environment()
    application = make_application(place, session, hub, Life(now, now), PolicyEntry(Policy(), hub, "/"))
    # tornado adds nothing of its own: no `static_path` is set, and the last rule leads to our routes.
    found = [rule for outer in application.default_router.rules for rule in outer.target.rules]
    patterns = {
        rule.matcher.regex.pattern.removesuffix("$").removeprefix(re.escape(BASE.rstrip("/"))) for rule in found
    }
    assert patterns == ALLOWED


async def test_what_a_jupyter_server_has_is_not_there() -> None:
    async with running() as (server, client):
        for path in JUPYTER:
            for method in ("GET", "POST", "PUT", "DELETE"):
                async with client.request(method, server.url + path, allow_redirects=False) as reply:
                    assert reply.status == 404, (method, path, reply.status)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"{server.url}api/kernels/1/channels")
        assert refused.value.status == 404
        async with client.get(f"{server.url}api") as reply:
            assert reply.status == 200
            assert "X-JupyterHub-Version" in reply.headers
        for path in ("", "lab", "tree"):
            async with client.get(server.url + path, allow_redirects=False) as reply:
                assert (reply.status, reply.headers["Location"]) == (302, f"{BASE}streamspace/")


async def test_strangers_are_sent_to_the_hub_or_refused() -> None:
    async with running() as (server, client):
        async with client.get(f"{server.url}streamspace/?view=1", allow_redirects=False) as reply:
            assert reply.status == 302
            assert reply.headers["Location"].startswith("/hub/api/oauth2/authorize?client_id=jupyterhub-user-ann-gimp")
            assert "oauth-state" in reply.headers["Set-Cookie"]
        for method, path in (
            ("GET", "api/status"),
            ("GET", "streamspace/ws"),
            ("GET", "streamspace/rfb"),
            ("GET", "streamspace/api/v1/status"),
            ("POST", "streamspace/api/v1/open"),
            ("POST", "streamspace/api/v1/stop"),
        ):
            async with client.request(method, server.url + path, headers={"X-Streamspace-Role": "owner"}) as reply:
                assert reply.status == 403, path
                assert (await reply.json())["message"]
        # A token that nobody can check opens nothing, and appears in no log.
        async with client.get(
            f"{server.url}streamspace/api/v1/status", headers={"Authorization": "token a-guessed-token"}
        ) as reply:
            assert reply.status == 500
        assert "a-guessed-token" not in server.log()
        assert TOKEN not in server.log()


async def test_the_token_cannot_be_read_by_another_process_of_the_same_user() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to be two processes of another user")
    async with running("nobody") as (server, _):
        for name in ("environ", "mem", "maps"):
            look = subprocess.run(
                ["cat", f"/proc/{server.process.pid}/{name}"], user="nobody", capture_output=True, check=False
            )
            assert look.returncode != 0
            assert TOKEN.encode() not in look.stdout


async def test_a_missing_variable_is_named() -> None:
    variables = environment(1, Path("/tmp"))
    del variables["JUPYTERHUB_USER"]
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "streamspace_proxy.extension"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("JUPYTERHUB_USER is not set")


def test_any_users_name_has_its_place_in_the_hubs_api(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**environment(1, Path("/tmp")), "JUPYTERHUB_USER": "a/b?c d"}.items():
        monkeypatch.setenv(name, value)
    assert Place.from_environment().server_api == "/users/a%2Fb%3Fc%20d/servers/gimp"


async def test_it_is_small() -> None:
    async with running() as (server, _):
        info: Any = psutil.Process(server.process.pid).memory_info()
        # 95 MiB were measured; a Jupyter server with JupyterHub's extension takes twice as much.
        assert info.rss < 125 * 2**20
        modules = Path(f"/proc/{server.process.pid}/maps").read_text()
        assert "zmq" not in modules
