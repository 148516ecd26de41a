"""`streamspace demo` as a process: what it prints, and that nothing is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import httpx
import psutil
import pytest

from tests.bench.processes import tree
from tests.support.demo import running_demo

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
