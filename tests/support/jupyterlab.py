"""A real JupyterLab with our built extension and our server extension, without a hub: apps run beside it."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.running import PYTHONPATH, ROOT
from tests.support.waiting import PATIENCE

BUILT = ROOT / "labextension" / "streamspace_labextension"
START_LIMIT = PATIENCE
TOKEN = "a-token-of-this-test"


@dataclass
class JupyterLab:
    """A running JupyterLab."""

    folder: Path
    """Everything of this server; removed with it."""
    root: Path
    """What the file browser shows."""
    port: int

    @property
    def url(self) -> str:
        """Address of JupyterLab, with the token, in a workspace without tabs."""
        return f"http://127.0.0.1:{self.port}/base/lab?reset&token={TOKEN}"

    def sessions(self) -> list[dict[str, Any]]:
        """The sessions, as the server lists them."""
        reply = httpx.get(
            f"http://127.0.0.1:{self.port}/base/streamspace/api/v1/sessions",
            headers={"Authorization": f"token {TOKEN}"},
            timeout=PATIENCE,
        )
        reply.raise_for_status()
        found: list[dict[str, Any]] = reply.json()["sessions"]
        return found

    def stop(self, name: str) -> None:
        """Stop a session as another browser would."""
        httpx.delete(
            f"http://127.0.0.1:{self.port}/base/streamspace/api/v1/sessions/{name}",
            headers={"Authorization": f"token {TOKEN}"},
            timeout=PATIENCE,
        ).raise_for_status()


@contextmanager
def running_jupyterlab(templates: dict[str, str]) -> Iterator[JupyterLab]:
    """Run JupyterLab with further app templates (text by file name); as `nobody` where the tests are root."""
    assert BUILT.is_dir(), "The JupyterLab extension is not built: npm run build -w labextension"
    folder = Path(tempfile.mkdtemp(prefix="ss-", dir="/tmp"))
    folder.chmod(0o755)
    root, config, apps = folder / "home" / "work", folder / "etc" / "jupyter_server_config.d", folder / "apps"
    for place in (root, config, apps, folder / "labextensions" / "@streamspace"):
        place.mkdir(parents=True)
    (folder / "labextensions" / "@streamspace" / "jupyterlab").symlink_to(BUILT)
    extensions = {"streamspace_proxy": True, "jupyterlab": True}
    (config / "test.json").write_text(json.dumps({"ServerApp": {"jpserver_extensions": extensions}}))
    for name, text in templates.items():
        (apps / name).write_text(text)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "jupyter.log").open("wb") as log:
        process = subprocess.Popen(
            _command(folder, root, port),
            cwd=root,
            env=_environment(folder),
            stdout=log,
            stderr=log,
            **_account(folder / "home"),
        )
    try:
        _wait(process, port, folder / "jupyter.log")
        yield JupyterLab(folder, root, port)
    finally:
        _end(process)
        shutil.rmtree(folder)


def _command(folder: Path, root: Path, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "jupyterlab", "--no-browser"),
        f"--ServerApp.root_dir={root}",
        f"--ServerApp.port={port}",
        "--ServerApp.base_url=/base/",
        f"--LabApp.extra_labextensions_path={folder / 'labextensions'}",
        "--LabApp.news_url=None",
    ]


def _environment(folder: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "STREAMSPACE_"))}
    return {
        **inherited,
        "HOME": str(folder / "home"),
        "JUPYTER_CONFIG_PATH": str(folder / "etc"),
        "JUPYTER_TOKEN": TOKEN,
        "PYTHONPATH": PYTHONPATH,
        "STREAMSPACE_CATALOG_DIRS": str(folder / "apps"),
    }


def _account(home: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("nobody")
    for path in (home, *home.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/base/api", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in psutil.wait_procs(started, timeout=5)[1]:
        child.kill()
