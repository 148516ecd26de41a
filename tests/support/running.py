"""Real desktops and real sessions for tests, each in a runtime folder of its own, and gone with their context.

`run_desktop` starts `python -m streamspace_proxy.desktop`, `run_session` starts `python -m streamspace_proxy.local`. A
session must not be root's: when the tests are, it runs as `nobody`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
PYTHONPATH = os.pathsep.join(str(ROOT / part) for part in ("", "spawner", "proxy"))
DESKTOP = (sys.executable, "-m", "streamspace_proxy.desktop")
RUNNER = (sys.executable, "-P", "-m", "streamspace_proxy.local")
MARKER = "STREAMSPACE_SESSION"
Status = dict[str, Any]


@dataclass
class Running:
    """A running desktop or session."""

    runtime_dir: Path
    home: Path
    marker: str
    process: subprocess.Popen[str]
    user: str | None
    start: Callable[[Mapping[str, str]], subprocess.Popen[str]]

    def start_again(self, **env: str) -> None:
        """Start it once more, after its end, with `env` in its environment."""
        assert self.process.poll() is not None
        self.process = self.start(env)

    async def request(self, op: str, **arguments: object) -> dict[str, Any]:
        """Ask the desktop's control socket; returns the answer."""
        reader, writer = await self.connect()
        with contextlib.closing(writer):
            writer.write(json.dumps({"id": 1, "op": op, **arguments}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await asyncio.wait_for(reader.readline(), PATIENCE))
            return answer

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the desktop's control socket."""
        return await asyncio.open_unix_connection(str(self.runtime_dir / "desktop.sock"))

    async def status(self) -> Status:
        """Return the desktop's status object."""
        status: Status = (await self.request("status"))["status"]
        return status

    async def until(self, condition: Callable[[Status], object], seconds: float = PATIENCE) -> Status:
        """Return the desktop's first status that fulfils `condition`."""
        deadline = time.monotonic() + seconds
        status: Status | None = None
        while True:
            with contextlib.suppress(OSError, ValueError):
                status = await self.status()
                if condition(status):
                    return status
            assert self.process.poll() is None, f"it has ended: {self.logs()}"
            assert time.monotonic() < deadline, f"waited in vain; last status {status}: {self.logs()}"
            await asyncio.sleep(0.03)

    async def running(self) -> Status:
        """Return the status once the app has a window."""
        return await self.until(lambda status: status["app"]["state"] == "running")

    async def environment(self) -> dict[str, str]:
        """Environment for X clients of the test: display and cookie."""
        display = (await self.until(lambda status: status["display"]))["display"]
        return {**os.environ, "DISPLAY": display, "XAUTHORITY": str(self.runtime_dir / "Xauthority")}

    async def x(self, *command: str) -> str:
        """Run an X client in the desktop and return what it prints."""
        return await output(*command, env=await self.environment())

    def logs(self) -> str:
        """Everything that was logged."""
        with contextlib.suppress(OSError):
            return "\n".join(
                f"--- {file.name}\n{file.read_text(errors='replace')}" for file in self.runtime_dir.glob("*.log")
            )
        return ""

    def processes(self) -> list[int]:
        """Every living process that carries the marker."""
        return processes_with(self.marker)

    async def ended(self, seconds: float = PATIENCE) -> int:
        """Wait for the end of the first process; returns its exit code."""
        deadline = time.monotonic() + seconds
        while (code := self.process.poll()) is None:
            assert time.monotonic() < deadline, f"it does not end: {self.logs()}"
            await asyncio.sleep(0.02)
        return code

    async def nothing_left(self, seconds: float = PATIENCE) -> None:
        """Wait until no process carries the marker; fails when one stays."""
        deadline = time.monotonic() + seconds
        while left := self.processes():
            assert time.monotonic() < deadline, f"left over: {[describe(pid) for pid in left]}"
            await asyncio.sleep(0.05)


def processes_with(marker: str) -> list[int]:
    """Every living process with this marker in its environment."""
    needle = f"{MARKER}={marker}".encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                environ = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")  # empty for a zombie
                if needle in environ:
                    found.append(int(name))
    return found


def describe(pid: int) -> str:
    """Return a process's command line, for messages."""
    with contextlib.suppress(OSError):
        return f"{pid}: " + Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return f"{pid}: gone"


async def output(*command: str, env: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, f"{command}: {said.decode()}"
    return said.decode()


def template(command: Sequence[str], **fields: object) -> dict[str, object]:
    """Return an app template as the spawner hands it over."""
    return {"name": "test", "title": "Test app", "command": list(command), "packages": ["test-app"], **fields}


@contextlib.asynccontextmanager
async def run_desktop(
    *command: str,
    env: Mapping[str, str | None] | None = None,
    user: str | None = None,
    program: Sequence[str] = DESKTOP,
    **fields: object,
) -> AsyncIterator[Running]:
    """Run a desktop with `command` as its app (default: an xterm).

    `fields` are further fields of the template (`window_mode="desktop"`). `env` is added to the environment, and a
    value of None removes a variable. `user` is the account that it runs under; None: the test's own. `program` is
    what is started in place of the desktop.
    """
    folder = Path(tempfile.mkdtemp(prefix="ss-", dir="/tmp"))
    runtime_dir, home = folder / "run", folder / "home"
    runtime_dir.mkdir(0o700)
    home.mkdir(0o755)
    marker = uuid.uuid4().hex
    environment: dict[str, str | None] = {
        **os.environ,
        "PYTHONPATH": PYTHONPATH,
        "HOME": str(home),
        MARKER: marker,
        "STREAMSPACE_RUNTIME_DIR": str(runtime_dir),
        "STREAMSPACE_TEMPLATE": json.dumps(template(command or ("xterm", "-e", "sleep", "1000"), **fields)),
        "STREAMSPACE_POLICY": "{}",
        "STREAMSPACE_MEMORY_SLEEP": "on",
        **(env or {}),
    }
    options: dict[str, Any] = {}
    if user is not None:
        account = pwd.getpwnam(user)
        for path in (folder, runtime_dir, home):
            os.chown(path, account.pw_uid, account.pw_gid)
        options = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    def start(more: Mapping[str, str]) -> subprocess.Popen[str]:
        with (folder / "stderr.log").open("ab") as log:
            return subprocess.Popen(
                program,
                env={name: value for name, value in {**environment, **more}.items() if value is not None},
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
                **options,
            )

    running = Running(runtime_dir, home, marker, start({}), user, start)
    try:
        yield running
    finally:
        await _end(running)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def run_session(
    *command: str,
    server: Sequence[str] | None = None,
    env: Mapping[str, str | None] | None = None,
    user: str | None = "nobody",
    **fields: object,
) -> AsyncIterator[Running]:
    """Run a whole session: runner, desktop, streamer, and with `server` (its arguments) the Jupyter server.

    `user` is the account that it runs under where the tests are root; else it is the test's own.
    """
    program = [*RUNNER, *(["--no-server"] if server is None else server)]
    user = user if os.geteuid() == 0 else None
    async with run_desktop(*command, env=env, user=user, program=program, **fields) as running:
        yield running


async def _end(running: Running) -> None:
    """End it as a spawner does, and whatever a failed test has left."""
    if running.process.poll() is None:
        running.process.terminate()
        with contextlib.suppress(AssertionError):
            await running.ended()
    for _ in range(3):
        for pid in running.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.02)
    running.process.wait()
