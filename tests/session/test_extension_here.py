"""Apps beside a real Jupyter server, without a hub: started, seen, shared with nobody, and gone with the server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.support.running import PYTHONPATH, ROOT
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.x11
TOKEN = "a-token-of-this-test"
TEMPLATE = """\
name: shell
title: Shell
command: [xterm, -e, sh, -c, sleep 1000, "%f"]
"""


@dataclass
class Server:
    """A Jupyter server in a folder of its own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    client: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/base/"

    async def api(self, method: str, path: str, **request: Any) -> tuple[int, Any]:
        async with self.client.request(method, f"{self.url}streamspace/api/v1/{path}", **request) as reply:
            text = await reply.text()
            return reply.status, json.loads(text) if text else None

    async def progress(self, app: str) -> list[dict[str, Any]]:
        """The events of a start, to their end."""
        async with self.client.get(f"{self.url}streamspace/api/v1/sessions/{app}/progress") as reply:
            assert reply.content_type == "text/event-stream"
            lines = (await reply.text()).splitlines()
        return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]

    async def start(self, app: str = "shell", **body: str) -> dict[str, Any]:
        """Start an app and wait until it is ready."""
        status, session = await self.api("POST", "sessions", json={"app": app, **body})
        assert status in (200, 202), session
        events = await self.progress(app)
        assert events[-1].get("ready"), events
        return dict(session)

    async def until(self, state: str) -> None:
        """Wait until the only session is in a state."""
        deadline = time.monotonic() + PATIENCE
        while (listed := (await self.api("GET", "sessions"))[1]["sessions"])[0]["state"] != state:
            assert time.monotonic() < deadline, listed
            await asyncio.sleep(0.05)

    def log(self) -> str:
        return (self.folder / "jupyter.log").read_text(errors="replace")

    def runtime_folder(self) -> Path:
        """Where the sessions of this server have their folders."""
        for child in self.children():
            with contextlib.suppress(psutil.Error):
                if folder := child.environ().get("STREAMSPACE_RUNTIME_DIR"):
                    return Path(folder).parent
        raise AssertionError("no session runs")

    def session_processes(self) -> list[psutil.Process]:
        """The processes of its sessions."""
        found = []
        for child in self.children():
            with contextlib.suppress(psutil.Error):
                if "STREAMSPACE_SESSION" in child.environ() or "streamspace_proxy.local" in child.cmdline():
                    found.append(child)
        return found

    def children(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))


@contextlib.asynccontextmanager
async def jupyter(as_root: bool = False) -> AsyncIterator[Server]:
    """Run `jupyter server` with our extension and jupyter-server-proxy, as `nobody` where the tests are root."""
    folder = Path(tempfile.mkdtemp(prefix="ss-", dir="/tmp"))
    folder.chmod(0o755)
    home, config = folder / "home", folder / "etc" / "jupyter_server_config.d"
    for place in (home / "work", config, folder / "apps"):
        place.mkdir(parents=True)
    extensions = {"streamspace_proxy": True, "jupyter_server_proxy": True}
    (config / "test.json").write_text(json.dumps({"ServerApp": {"jpserver_extensions": extensions}}))
    (folder / "apps" / "shell.yaml").write_text(TEMPLATE)
    (folder / "apps" / "render.yaml").write_text(
        "name: render\ntitle: Render\ncommand: [xterm]\nresources: {gpu: {count: 16, required: true}}\n"
    )
    (folder / "apps" / "broken.yaml").write_text("name: Broken\ntitle: x\ncommand: [x]\n")
    (home / "work" / "a.txt").write_text("a")
    options: dict[str, Any] = {}
    if os.geteuid() == 0 and not as_root:
        account = pwd.getpwnam("nobody")
        for path in (home, home / "work"):
            os.chown(path, account.pw_uid, account.pw_gid)
        options = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "STREAMSPACE_"))}
    environment = {
        **inherited,
        "PYTHONPATH": PYTHONPATH,
        "HOME": str(home),
        "JUPYTER_CONFIG_PATH": str(folder / "etc"),
        "JUPYTER_NO_CONFIG": "",
        "JUPYTER_TOKEN": TOKEN,
        "STREAMSPACE_CATALOG_DIRS": str(folder / "apps"),
    }
    arguments = [f"--ServerApp.root_dir={home / 'work'}", f"--ServerApp.port={port}", "--ServerApp.base_url=/base/"]
    with (folder / "jupyter.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", *arguments],
            cwd=home,
            env=environment,
            stdout=log,
            stderr=log,
            **options,
        )
    try:
        async with aiohttp.ClientSession(headers={"Authorization": f"token {TOKEN}"}) as client:
            server = Server(folder, port, process, client)
            await _answering(server)
            yield server
    finally:
        with contextlib.suppress(psutil.Error):
            started = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            process.wait(20)
            for child in psutil.wait_procs(started, timeout=5)[1]:
                child.kill()
        process.kill()
        process.wait()
        shutil.rmtree(folder)


async def _answering(server: Server) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert server.process.poll() is None, server.log()
        with contextlib.suppress(aiohttp.ClientConnectorError):
            await server.api("GET", "sessions")
            return
        await asyncio.sleep(0.1)
    raise AssertionError(server.log())


async def test_the_tiles() -> None:
    async with jupyter() as server:
        status, body = await server.api("GET", "apps")
        assert (status, body["mode"]) == (200, "here")
        tiles = {app["name"]: app for app in body["apps"]}
        assert tiles["shell"]["installed"] is True
        assert tiles["shell"]["install_hint"] is None
        assert tiles["shell"]["icon"].startswith("data:image/svg+xml;base64,")
        assert "gimp" in tiles
        [problem] = [problem for problem in body["problems"] if "broken.yaml" in problem]
        assert re.search(r"/broken\.yaml:1: name: `Broken` is not accepted; use lower-case letters", problem)
        missing = next((app for app in body["apps"] if not app["installed"]), None)
        if missing is not None:
            status, body = await server.api("POST", "sessions", json={"app": missing["name"]})
            assert (status, body["field"]) == (409, "app")
            assert body["message"] == missing["install_hint"]


BAD = [
    ({"app": "nothing-such"}, 404, "app", "no app `nothing-such`"),
    ({"app": "../etc"}, 400, "app", "app:"),
    ({"app": "render"}, 409, "app", "Render needs 16 GPUs, and this machine has"),
    ({}, 400, "app", "missing"),
    ({"app": "shell", "as": "root"}, 400, "as", "no such field"),
    ({"app": "shell", "open": 5}, 400, "open", "text"),
    ({"app": "shell", "open": "../../../etc/passwd"}, 400, "open", "inside the folder"),
    ({"app": "shell", "open": "gone.txt"}, 404, "open", "no file gone.txt"),
    ({"app": "shell", "open": "a\0b"}, 400, "open", "not a path"),
    ([], 400, None, "mapping"),
]


async def test_bad_requests_name_the_field() -> None:
    async with jupyter() as server:
        for body, status, field, words in BAD:
            got, answer = await server.api("POST", "sessions", json=body)
            assert (got, answer.get("field")) == (status, field), answer
            assert words in answer["message"]
        assert (await server.api("POST", "sessions", data=b"{"))[0] == 400
        for method, path in (("DELETE", "sessions/shell"), ("GET", "sessions/shell/progress")):
            status, answer = await server.api(method, path)
            assert status == 404
            assert "shell" in answer["message"]
        assert (await server.api("GET", "sessions"))[1] == {"sessions": []}


async def test_strangers_get_nothing() -> None:
    async with jupyter() as shared, aiohttp.ClientSession() as stranger:
        for method, path in (
            ("GET", "api/v1/apps"),
            ("GET", "api/v1/sessions"),
            ("POST", "api/v1/sessions"),
            ("DELETE", "api/v1/sessions/shell"),
            ("GET", "api/v1/sessions/shell/progress"),
            ("GET", "here/shell/api/v1/status"),
            ("GET", "here/shell/ws"),
        ):
            async with stranger.request(method, f"{shared.url}streamspace/{path}", json={"app": "shell"}) as reply:
                assert reply.status == 403, path


async def test_an_app_from_its_start_to_its_end() -> None:
    async with jupyter() as server:
        status, session = await server.api("POST", "sessions", json={"app": "shell", "open": "a.txt"})
        assert status == 202
        assert session["url"] == "/base/streamspace/here/shell/"
        assert session["state"] == "starting"
        events = await server.progress("shell")
        assert events[-1] == {"progress": 100, "message": "Opening the session", "ready": True, "url": session["url"]}
        assert [event["progress"] for event in events] == sorted(event["progress"] for event in events)

        status, again = await server.api("POST", "sessions", json={"app": "shell"})
        assert (status, again["state"]) == (200, "running")
        assert [one["name"] for one in (await server.api("GET", "sessions"))[1]["sessions"]] == ["shell"]

        base = f"{server.url}streamspace/here/shell/"
        async with server.client.get(base) as page:
            assert page.status == 200
        async with server.client.ws_connect(f"{base}ws", protocols=["streamspace.v1"]) as ws:
            hello = await ws.receive_json(timeout=15)
            assert hello["type"] == "hello", hello
            assert (hello["role"], hello["app"]["title"]) == ("owner", "Shell")
        async with server.client.ws_connect(f"{base}ws?view=1", protocols=["streamspace.v1"]) as ws:
            assert (await ws.receive_json(timeout=15))["role"] == "viewer"
        argv = [argument for child in server.children() for argument in child.cmdline()]
        assert str(server.folder / "home" / "work" / "a.txt") in argv

        processes = [child for child in server.children() if child.is_running()]
        assert (await server.api("DELETE", "sessions/shell"))[0] == 204
        assert not psutil.wait_procs(processes, timeout=5)[1]
        assert (await server.api("GET", "sessions"))[1] == {"sessions": []}


async def test_an_app_is_frozen_and_goes_on_when_somebody_looks() -> None:
    async with jupyter() as server:
        session = await server.start()
        assert (await server.api("POST", "sessions/shell/freeze"))[0] == 204
        (frozen,) = (await server.api("GET", "sessions"))[1]["sessions"]
        assert frozen["state"] == "frozen"
        assert frozen["asleep_since"] > frozen["started"]
        status, refused = await server.api("POST", "sessions/shell/hibernate")
        assert (status, refused["message"]) == (
            501,
            "Apps that run beside this Jupyter server can be frozen only: they end with it.",
        )
        base = f"{server.url}streamspace/here/{session['name']}/"
        async with server.client.ws_connect(f"{base}ws", protocols=["streamspace.v1"]) as ws:
            assert (await ws.receive_json(timeout=15))["type"] == "hello"
            await ws.send_json({"type": "visibility", "hidden": False})
            await server.until("running")
        for verb in ("freeze", "hibernate"):
            assert (await server.api("POST", f"sessions/no-such/{verb}"))[0] == 404


async def test_two_clicks_at_once_make_one_session() -> None:
    async with jupyter() as server:
        clicks = [server.api("POST", "sessions", json={"app": "shell"}) for _ in range(3)]
        assert sorted(status for status, _ in await asyncio.gather(*clicks)) == [200, 200, 202]
        assert len(list(server.runtime_folder().iterdir())) == 1


async def test_stopped_while_it_starts_and_started_while_it_stops() -> None:
    async with jupyter() as server:
        assert (await server.api("POST", "sessions", json={"app": "shell"}))[0] == 202
        assert (await server.api("DELETE", "sessions/shell"))[0] == 204
        assert not server.session_processes()
        await server.start()
        stop = asyncio.create_task(server.api("DELETE", "sessions/shell"))
        sessions = [{"state": ""}]
        while sessions and sessions[0]["state"] != "stopping":
            sessions = (await server.api("GET", "sessions"))[1]["sessions"]
        status, answer = await server.api("POST", "sessions", json={"app": "shell"})
        assert (await stop)[0] == 204
        if status == 409:  # else it had ended already
            assert answer["message"] == "Shell is still being stopped. Try again in a moment."
        await server.start()


async def test_no_secret_reaches_the_session() -> None:
    async with jupyter() as server:
        await server.start()
        for child in server.children():
            with contextlib.suppress(psutil.AccessDenied, psutil.NoSuchProcess):
                assert TOKEN not in str(child.environ()), child
                assert TOKEN not in " ".join(child.cmdline())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_nothing_outlives_the_jupyter_server(number: signal.Signals) -> None:
    async with jupyter() as server:
        await server.start()
        processes = server.children()
        assert len(processes) > 3
        folder = server.runtime_folder()
        server.process.send_signal(number)
        assert not psutil.wait_procs(processes, timeout=15)[1]
        server.process.wait(20)
        assert folder.exists() is (number == signal.SIGKILL), "only a killed server leaves its folder"
        shutil.rmtree(folder, ignore_errors=True)


async def test_a_runner_that_refuses_root_says_so() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    async with jupyter(as_root=True) as server:
        status, _ = await server.api("POST", "sessions", json={"app": "shell"})
        assert status == 202
        last = (await server.progress("shell"))[-1]
        assert last["failed"]
        assert last["message"] == "A session must not run as root. Start it as the user that it belongs to."
        assert (await server.api("GET", "sessions"))[1]["sessions"][0]["state"] == "failed"


async def test_jupyter_server_proxy_works_beside_us() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    web = subprocess.Popen([sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"], cwd=ROOT / "docs")
    try:
        async with jupyter() as server:
            await asyncio.sleep(1)
            async with server.client.get(f"{server.url}proxy/{port}/index.md") as reply:
                assert reply.status == 200, server.log()
                assert await reply.text() == (ROOT / "docs" / "index.md").read_text()
            async with server.client.get(f"{server.url}server-proxy/servers-info") as reply:
                assert reply.status == 200
            assert (await server.api("GET", "sessions"))[0] == 200
    finally:
        web.kill()
        web.wait()


async def test_listing_and_streaming_are_no_activity() -> None:
    async with jupyter() as server:
        await server.start()

        async def last_activity() -> str:
            async with server.client.get(f"{server.url}api/status?no_track_activity=1") as reply:
                return str((await reply.json())["last_activity"])

        before = await last_activity()
        await asyncio.sleep(0.01)
        await server.api("GET", "sessions")
        async with server.client.ws_connect(f"{server.url}streamspace/here/shell/ws") as ws:
            await ws.receive(timeout=15)
        assert await last_activity() == before
