"""The way that a user has to a peer: JupyterHub, configurable-http-proxy, a single-user server, jupyter-server-proxy.

The hub is of the release that ours is measured with, in the virtual environment of jupyter-remote-desktop-proxy.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import psutil
from playwright.sync_api import Page

from streamspace_hub.demo.settings import free_port
from tests.bench.processes import tree
from tests.bench.streaming.peers.installing import python_environment
from tests.bench.streaming.running import START_LIMIT, ended
from tests.bench.streaming.variant import Size, Target, Variant
from tests.support.hub import NODE_TOOLS

USER = "bench"
REQUIREMENTS = (
    "jupyter-remote-desktop-proxy==3.*",
    "jupyter-server-proxy==4.*",
    "jupyter_server==2.*",
    f"jupyterhub=={version('jupyterhub')}",
)
CONFIG = """\
import json
c = get_config()
run = json.load(open("run.json"))
c.JupyterHub.bind_url = run["url"]
c.JupyterHub.hub_bind_url = run["hub_url"]
c.ConfigurableHTTPProxy.api_url = run["proxy_api"]
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = run["password"]
c.Authenticator.allowed_users = {run["user"]}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = run["home"]
c.Spawner.cmd = [run["programs"] + "/jupyterhub-singleuser", "--allow-root"]
c.Spawner.environment = run["environment"]
c.JupyterHub.services = [{"name": "bench", "api_token": run["token"]}]
c.JupyterHub.load_roles = [{"name": "bench", "services": ["bench"], "scopes": ["admin:users", "admin:servers"]}]
"""


@dataclass(frozen=True)
class PeerHub:
    """A hub in which the server of one user runs."""

    url: str
    password: str
    process: subprocess.Popen[bytes]

    def at(self, path: str) -> str:
        """Where the user finds `path` of their server."""
        return f"{self.url}/user/{USER}/{path}"

    def sign_in(self, page: Page) -> None:
        """Sign in as a user does; on the hub's own page, since JupyterLab is not what is measured."""
        page.goto(f"{self.url}/hub/login?next=%2Fhub%2Fhome")
        page.fill("#username_input", USER)
        page.fill("#password_input", self.password)
        page.click("#login_submit")
        page.wait_for_url("**/hub/home")

    def parts(self) -> dict[str, list[psutil.Process]]:
        """Its processes: `hub`, `proxy`, and `jupyter`, the single-user server with all that it has started."""
        found: dict[str, list[psutil.Process]] = {}
        for process in tree(self.process.pid):
            with contextlib.suppress(psutil.Error):
                found.setdefault(_part(process), []).append(process)
        return found


def _part(process: psutil.Process) -> str:
    command = " ".join(process.cmdline())
    if "configurable-http-proxy" in command:
        return "proxy"
    return "hub" if "jupyterhub" in command and "singleuser" not in command else "jupyter"


def programs() -> Path:
    """The `bin` folder of the environment with hub, jupyter-server-proxy and jupyter-remote-desktop-proxy."""
    return python_environment("jupyter-remote-desktop-proxy", *REQUIREMENTS)


@contextmanager
def peer_hub(environment: Mapping[str, str] | None = None) -> Iterator[PeerHub]:
    """Run a hub and the server of its user, which gets `environment` beside what the hub gives it."""
    with tempfile.TemporaryDirectory(prefix="ss-hub-", ignore_cleanup_errors=True) as name, contextlib.ExitStack() as s:
        folder, port = Path(name), free_port()
        home, token, password = folder / "home", secrets.token_hex(16), secrets.token_urlsafe(12)
        home.mkdir()
        url = f"http://127.0.0.1:{port}"
        run = {
            "url": url, "hub_url": f"http://127.0.0.1:{free_port()}",
            "proxy_api": f"http://127.0.0.1:{free_port()}", "home": str(home), "programs": str(programs()),
            "user": USER, "password": password, "token": token, "environment": dict(environment or {}),
        }  # fmt: skip
        (folder / "run.json").write_text(json.dumps(run))
        (folder / "jupyterhub_config.py").write_text(CONFIG)
        log = s.enter_context(open(folder / "hub.log", "wb"))
        own = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTERHUB_", "PYTHONPATH"))}
        process = subprocess.Popen(
            [programs() / "jupyterhub", "-f", "jupyterhub_config.py"],
            env={**own, "PATH": f"{NODE_TOOLS}:{programs()}:{os.environ['PATH']}"},
            cwd=folder, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        hub = PeerHub(url, password, process)
        try:
            with ended(process, port), _all_ended(process.pid):
                _started(url, token)
                yield hub
        except Exception as error:
            error.add_note((folder / "hub.log").read_text(errors="replace")[-4000:])
            raise


def in_hub(variant: Variant) -> Variant:
    """The same at `proxy/PORT/` of a user's server: jupyter-server-proxy relays its pages and sockets."""

    @contextmanager
    def start(size: Size) -> Iterator[Target]:
        with variant.start(size) as target, peer_hub() as hub:
            port = target.url.rstrip("/").rpartition(":")[2]
            yield replace(
                target,
                url=hub.at(f"proxy/{port}/"),
                parts=lambda: {**hub.parts(), **target.parts()},
                prepare=hub.sign_in,
            )

    def install() -> None:
        variant.install()
        programs()

    return replace(variant, start=start, install=install)


def _started(url: str, token: str) -> None:
    """Wait for the hub, start the user's server, and wait until it is ready."""
    _until(lambda: _asked(f"{url}/hub/health") is not None, "the hub")
    _asked(f"{url}/hub/api/users/{USER}", token, "POST")
    _asked(f"{url}/hub/api/users/{USER}/server", token, "POST")
    _until(lambda: _ready(f"{url}/hub/api/users/{USER}", token), "the user's server")


def _ready(url: str, token: str) -> bool:
    user = _asked(url, token) or {}
    return bool(user.get("servers", {}).get("", {}).get("ready"))


def _asked(url: str, token: str = "", method: str = "GET") -> Any:
    """The answer's JSON, {} without a body; None while nobody answers as they should."""
    headers = {"Authorization": f"token {token}"} if token else {}
    request = urllib.request.Request(url, method=method, headers=headers, data=b"" if method == "POST" else None)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
    except HTTPError as error:
        if method == "POST" and error.code != 409:  # 409: the user is there already
            raise
        return None
    except OSError:
        return None
    return json.loads(body) if body else {}


def _until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + START_LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {START_LIMIT} s in vain for {what}")
        time.sleep(0.2)


@contextmanager
def _all_ended(pid: int) -> Iterator[None]:
    """End what descends from `pid`: X servers outlive the single-user server that has started them."""
    try:
        yield
    finally:
        descendants = psutil.Process(pid).children(recursive=True)
        for process in descendants:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = psutil.wait_procs(descendants, timeout=5)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
