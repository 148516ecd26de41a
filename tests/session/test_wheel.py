"""What `pip install` of our wheel gives, in empty environments on whose PATH there is nothing else: no Node."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.hub import free_ports
from tests.support.running import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(900)  # what pip has to fetch

TOKEN = "a-token-of-this-test"
EXTENSION = "@streamspace/jupyterlab"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that other accounts may enter."""
    folder = Path(tempfile.mkdtemp(prefix="ss-wheel-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    # What setuptools has left in the source's own build folder would get into the wheel.
    (folder / "setup.cfg").write_text(f"[build]\nbuild_base={folder}/build\n[egg_info]\negg_base={folder}\n")
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    run(*pip, "-w", str(folder), str(ROOT), env={**os.environ, "DIST_EXTRA_CONFIG": str(folder / "setup.cfg")})
    [wheel] = folder.glob("streamspace_hub-*.whl")
    return wheel


def run(*command: str, env: dict[str, str]) -> str:
    ended = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"
    return ended.stdout + ended.stderr


class Environment:
    """A virtual environment with the wheel, one of its extras, and further packages."""

    def __init__(self, folder: Path, wheel: Path, extra: str, *packages: str) -> None:
        self.folder = folder / extra
        self.variables = {"PATH": str(self.folder / "bin"), "HOME": str(self.folder), "LANG": "C.UTF-8"}
        run(sys.executable, "-m", "venv", "--without-pip", str(self.folder), env=dict(os.environ))
        pip = (sys.executable, "-m", "pip", "--python", str(self.folder / "bin" / "python"), "install", "-q")
        run(*pip, f"streamspace-hub[{extra}] @ {wheel.as_uri()}", *packages, env=dict(os.environ))
        assert shutil.which("node", path=self.variables["PATH"]) is None

    def run(self, program: str, *arguments: str) -> str:
        return run(str(self.folder / "bin" / program), *arguments, env=self.variables)


@pytest.fixture(scope="module")
def session(folder: Path, wheel: Path) -> Environment:
    return Environment(folder, wheel, "session", "jupyterlab>=4.2,<5")


@contextmanager
def jupyterlab(environment: Environment) -> Iterator[httpx.Client]:
    """Run JupyterLab with nothing configured, as `nobody` where the tests are root; give a client of it."""
    [port] = free_ports(1)
    home = environment.folder / "home"
    home.mkdir()
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = pwd.getpwnam("nobody")
        os.chown(home, account.pw_uid, account.pw_gid)
        options = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    log = environment.folder / "jupyter.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [environment.folder / "bin" / "jupyter-lab", "--no-browser", f"--ServerApp.port={port}"],
            cwd=home,
            env={**environment.variables, "HOME": str(home), "JUPYTER_TOKEN": TOKEN},
            stdout=output,
            stderr=output,
            **options,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"token {TOKEN}"}) as client:

            def answers() -> bool:
                assert process.poll() is None, log.read_text()
                try:
                    return client.get("/api").status_code == 200
                except httpx.TransportError:
                    return False

            eventually(answers, "JupyterLab", log=log.read_text)
            yield client
    finally:
        process.terminate()
        process.wait(60)


def test_session_extra_beside_jupyterlab_gives_the_tiles(session: Environment) -> None:
    with jupyterlab(session) as client:
        listed = client.get("/streamspace/api/v1/apps").raise_for_status().json()
        assert listed["mode"] == "here"
        assert {"desktop", "gimp", "terminal"} <= {app["name"] for app in listed["apps"]}
        assert listed["problems"] == []
        page = client.get("/lab").raise_for_status().text
        config = json.loads(page.partition('id="jupyter-config-data" type="application/json">')[2].partition("<")[0])
        [ours] = [one for one in config["federated_extensions"] if one["name"] == EXTENSION]
        script = client.get(f"/lab/extensions/{EXTENSION}/{ours['load']}").raise_for_status()
        assert "javascript" in script.headers["content-type"]


def test_jupyterlab_lists_the_extension_as_one_that_works(session: Environment) -> None:
    [line] = [line for line in session.run("jupyter-labextension", "list").splitlines() if EXTENSION in line]
    assert "enabled" in line
    assert "OK" in line


def test_session_extra_has_the_command_and_nothing_of_the_service(session: Environment) -> None:
    assert session.run("streamspace", "version").strip()
    said = session.run(
        "python", "-c",
        "from importlib.util import find_spec; print([find_spec(name) for name in ('fastapi', 'uvicorn', 'psycopg')])",
    )  # fmt: skip
    assert said == "[None, None, None]\n"


def test_viewer_page_is_in_the_wheel(session: Environment) -> None:
    where = session.run("python", "-c", "import streamspace_proxy; print(streamspace_proxy.__path__[0])").strip()
    assert (Path(where) / "static" / "viewer.js").stat().st_size > 10_000


def test_hub_extra_alone_gives_the_spawner_and_nothing_of_a_session(folder: Path, wheel: Path) -> None:
    environment = Environment(folder, wheel, "hub")
    said = environment.run(
        "python", "-c",
        "import importlib.util, streamspace_hub; from streamspace_spawner import LocalStreamSpaceSpawner as spawner; "
        "print(spawner.__name__, [importlib.util.find_spec(name) for name in ('av', 'aiortc', 'jupyter_server')])",
    )  # fmt: skip
    assert said == "LocalStreamSpaceSpawner [None, None, None]\n"
