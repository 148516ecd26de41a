"""`streamspace demo` as a process: what it prints, and that nothing is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import httpx
import psutil
import pytest

from streamspace_hub.demo.settings import SHORTEST_PASSWORD
from tests.bench.processes import tree
from tests.support.demo import running_demo
from tests.support.hub import AS_ROOT
from tests.support.sessions import runner_pid

pytestmark = pytest.mark.hub


def test_says_where_it_is_and_ends_everything_on_ctrl_c() -> None:
    with running_demo() as demo:
        assert demo.announcement.splitlines()[-1].startswith(f"Open {demo.url} and sign in as demo")
        assert demo.password not in demo.announcement
        wrong = httpx.post(
            f"{demo.url}/hub/api/users/demo/tokens", json={"auth": {"username": "demo", "password": "not it"}}
        )
        assert wrong.status_code == 403
        demo.start("terminal")
        started = tree(demo.process.pid)
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(60) == 0
        gone, alive = psutil.wait_procs(started, timeout=10)
        assert not alive
        assert len(gone) > 5


def test_password_is_not_in_the_log_or_in_a_command_line() -> None:
    with running_demo() as demo:
        demo.token()
        assert demo.password not in demo.log
        for process in tree(demo.process.pid):
            assert demo.password not in " ".join(process.cmdline())


def test_without_a_password_it_makes_one_and_prints_it_once() -> None:
    with running_demo(makes_password=True) as demo:
        assert len(demo.password) >= SHORTEST_PASSWORD
        assert demo.token("demo"), "signed in with it"
        assert demo.token("admin")
        assert demo.password not in demo.log
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.stdout is not None
        said = demo.announcement + demo.process.stdout.read()
        assert said.count(demo.password) == 1
        first = demo.password
    with running_demo(makes_password=True) as demo:
        assert demo.password != first


def test_run_by_an_ordinary_user_it_says_that_sessions_share_that_users_files() -> None:
    warning = "Not run as root: all sessions run as you, and share your files."
    with running_demo(user="nobody" if AS_ROOT else None) as demo:
        assert demo.announcement.count(warning) == 1
        demo.start("terminal")
        assert os.stat(f"/proc/{runner_pid('terminal')}").st_uid == os.stat(f"/proc/{demo.process.pid}").st_uid != 0


def test_what_is_secret_is_its_own_accounts_alone() -> None:
    with running_demo() as demo:
        modes = {path.name: path.stat().st_mode & 0o777 for path in demo.folder.iterdir() if path.is_file()}
        assert {"hub.sqlite", "cookie_secret", "hub.log"} <= modes.keys()
        assert {name for name, mode in modes.items() if mode & 0o077} <= {"proxy.pid"}


def test_a_wrong_setting_is_one_sentence() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "streamspace_hub.cli", "demo"],
        env={**os.environ, "STREAMSPACE_PORT": "http"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("STREAMSPACE_PORT is 'http'")
    assert "Traceback" not in ended.stderr
