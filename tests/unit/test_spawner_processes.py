"""Ending a session's processes, on real ones."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from streamspace_spawner import processes
from streamspace_spawner.processes import (
    end_session_processes,
    is_alive,
    read_stat,
    signal_process,
    signal_session,
)

UID = os.geteuid()
FORK = "import os,time\nif os.fork():\n time.sleep(60)\nos.setsid()\n{body}\ntime.sleep(60)"


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "TERM_GRACE", 0.5)


@pytest.fixture
def marker() -> Iterator[str]:
    name = f"{secrets.token_hex(8)}.1"
    yield name
    signal_session(name, UID, signal.SIGKILL)


def run(marker: str, code: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", code], env={"STREAMSPACE_SESSION": marker})
    return process


def until_count(marker: str, count: int) -> None:
    deadline = time.monotonic() + 10
    while signal_session(marker, UID, 0) != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_ends_a_process_that_ignores_sigterm(marker: str) -> None:
    process = run(marker, "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)")
    until_count(marker, 1)
    time.sleep(0.2)
    assert await end_session_processes(marker, UID)
    assert process.wait(5) == -signal.SIGKILL


async def test_ends_orphans_whose_parent_was_killed(marker: str) -> None:
    process = run(marker, FORK.format(body="pass"))
    until_count(marker, 2)
    process.kill()
    process.wait()
    until_count(marker, 1)
    assert await end_session_processes(marker, UID)
    assert signal_session(marker, UID, 0) == 0


async def test_ends_descendants_that_hide_their_environment(marker: str) -> None:
    process = run(
        marker, "import os,time\nif os.fork() == 0: os.execve('/bin/sleep', ['sleep', '60'], {})\ntime.sleep(60)"
    )
    until_count(marker, 2)
    assert await end_session_processes(marker, UID)
    assert process.wait(5) == -signal.SIGTERM
    assert signal_session(marker, UID, 0) == 0


async def test_ends_what_is_born_while_it_works(marker: str) -> None:
    process = run(
        marker,
        "import os,signal,time\n"
        "def again(*_):\n"
        "    if os.fork(): os._exit(0)\n"
        "signal.signal(signal.SIGTERM, again)\n"
        "while True: time.sleep(0.01)",
    )
    until_count(marker, 1)
    time.sleep(0.2)
    assert await end_session_processes(marker, UID)
    process.wait(5)
    assert signal_session(marker, UID, 0) == 0


async def test_leaves_the_servers_next_session_alone(marker: str) -> None:
    server = marker.partition(".")[0]
    old, new = run(marker, "import time; time.sleep(60)"), run(f"{server}.2", "import time; time.sleep(60)")
    until_count(server, 2)
    assert await end_session_processes(marker, UID)
    assert old.wait(5) == -signal.SIGTERM
    assert new.poll() is None
    assert await end_session_processes(server, UID)
    assert new.wait(5) == -signal.SIGTERM


def test_leaves_other_users_processes_alone(marker: str) -> None:
    process = run(marker, "import time; time.sleep(60)")
    until_count(marker, 1)
    assert signal_session(marker, UID + 1, signal.SIGKILL) == 0
    assert process.poll() is None
    process.kill()
    process.wait()


def test_a_reused_pid_is_another_process(marker: str) -> None:
    process = run(marker, "import time; time.sleep(60)")
    stat = read_stat(process.pid)
    assert stat is not None
    assert is_alive(process.pid, stat.start)
    assert not is_alive(process.pid, stat.start - 1)
    signal_process(process.pid, stat.start - 1, signal.SIGKILL)
    time.sleep(0.1)
    assert process.poll() is None
    signal_process(process.pid, stat.start, signal.SIGKILL)
    while read_stat(process.pid).alive:  # type: ignore[union-attr]
        time.sleep(0.01)
    assert not is_alive(process.pid, stat.start), "a zombie is no longer alive"
    process.wait()
    assert read_stat(process.pid) is None
