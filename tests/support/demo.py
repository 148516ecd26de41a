"""Run `streamspace demo` for tests and benches: the real command, a free port, a folder and password of its own."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from streamspace_hub.demo.settings import ADMIN, USER, free_port, read_settings
from tests.support.waiting import PATIENCE, eventually

START_LIMIT = 90


@dataclass
class Demo:
    """A running demo."""

    url: str
    password: str
    folder: Path
    process: subprocess.Popen[str]
    announcement: str
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def log(self) -> str:
        """The hub's log so far."""
        return (self.folder / "hub.log").read_text(errors="replace")

    def hub_pid(self) -> int:
        """Process id of the hub, a child of the demo."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def token(self, user: str = "demo") -> str:
        """An API token of `user`, got as a script gets one: with name and password."""
        if user not in self._tokens:
            reply = httpx.post(
                f"{self.url}/hub/api/users/{user}/tokens",
                json={"auth": {"username": user, "password": self.password}, "note": "test"},
            )
            reply.raise_for_status()
            self._tokens[user] = reply.json()["token"]
        return self._tokens[user]

    def api(self, method: str, path: str, user: str = "demo", **request: Any) -> httpx.Response:
        """Call the hub's REST API as `user`."""
        return httpx.request(
            method,
            f"{self.url}/hub/api{path}",
            headers={"Authorization": f"token {self.token(user)}"},
            timeout=60,
            **request,
        )

    def start(self, app: str, name: str | None = None, user: str = "demo", wait: float = PATIENCE) -> None:
        """Start a session of `app` over REST and wait until the hub calls it ready."""
        name = name or app
        reply = self.api("POST", f"/users/{user}/servers/{name}", user, json={"app": app})
        assert reply.status_code in (201, 202), reply.text
        self.wait_for(lambda: self.server(name, user).get("ready"), f"session {name} to be ready", wait)

    def stop(self, name: str, user: str = "demo") -> None:
        """Stop a session and wait until it is gone."""
        reply = self.api("DELETE", f"/users/{user}/servers/{name}", user)
        assert reply.status_code in (202, 204, 404), reply.text
        self.wait_for(lambda: not self.server(name, user), f"session {name} to be gone")

    def server(self, name: str, user: str = "demo") -> dict[str, Any]:
        """The hub's model of a server; empty when it does not run."""
        servers: dict[str, dict[str, Any]] = self.api("GET", f"/users/{user}", user).json().get("servers") or {}
        return servers.get(name, {})

    def wait_for(self, condition: Any, what: str, limit: float = PATIENCE) -> Any:
        """Return the first true value of `condition()`; fail with the hub's log after `limit` seconds."""
        return eventually(condition, what, limit, lambda: self.log)


@contextmanager
def running_demo(*, makes_password: bool = False, user: str | None = None, **environment: str) -> Iterator[Demo]:
    """Start the demo, give it, end it as Ctrl-C does.

    `makes_password`: let it make its password and print it. `user`: the account that it runs under, ours if None.
    `environment`: further variables.
    """
    folder = Path(tempfile.mkdtemp(prefix="ss-demo-", dir="/var/tmp"))
    folder.chmod(0o755)
    port, password = free_port(), secrets.token_urlsafe(12)
    variables = {**os.environ, "STREAMSPACE_PORT": str(port), "STREAMSPACE_DEMO_DIR": str(folder), **environment}
    variables.pop("STREAMSPACE_DEMO_PASSWORD", None)
    if not makes_password:
        variables["STREAMSPACE_DEMO_PASSWORD"] = password
    options: dict[str, Any] = {}
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
        options = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        variables = {**variables, "HOME": str(folder), "USER": user}
        variables.pop("XDG_RUNTIME_DIR", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "streamspace_hub.cli", "demo"],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **options,
    )
    try:
        said = _announcement(process)
        if makes_password:
            password = said.rpartition("with the password ")[2].split()[0]
        yield Demo(f"http://127.0.0.1:{port}", password, folder, process, said)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        for name in (USER, ADMIN) if os.geteuid() == 0 else ():
            template = read_settings(
                {"STREAMSPACE_DEMO_DIR": str(folder), "STREAMSPACE_PORT": str(port)}
            ).account_template
            subprocess.run(["userdel", template.format(username=name)], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _announcement(process: subprocess.Popen[str]) -> str:
    """Read what the demo prints until it says where it is."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("Open http"):
            return said
    raise AssertionError(f"the demo ended: {said}")
