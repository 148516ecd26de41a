"""The session runner with real processes: what ends what, and that nothing is left however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import (
    PYTHONPATH,
    RUNNER,
    Running,
    describe,
    output,
    processes_with,
    run_desktop,
    run_session,
)

pytestmark = pytest.mark.x11

LEAVES_DAEMONS = """
for i in 1 2 3; do (setsid sh -c 'trap "" TERM HUP; sleep 1000 & while :; do sleep 1; done' &) ; done
exec xterm -e sleep 1000
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs two accounts: run the tests as root")


def pid_of(running: Running, part: str) -> int:
    """Return the process id of a part of the session."""
    [pid] = [
        pid for pid in running.processes() if part in describe(pid) and status_field(pid, "PPid") == running.process.pid
    ]
    return pid


def status_field(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError(f"{name} is not in /proc/{pid}/status")


async def test_a_session_ends_on_request_with_nothing_left() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        async with run_session("sh", "-c", LEAVES_DAEMONS) as running:
            await running.running()
            assert len(running.processes()) > 10
            running.process.send_signal(number)
            assert await running.ended() == 0
            assert running.processes() == []
            assert "The session ends on request." in running.logs()


async def test_stopping_the_desktop_ends_the_session() -> None:
    async with run_session() as running:
        await running.running()
        assert (await running.request("stop"))["ok"]
        assert await running.ended() == 0
        assert running.processes() == []


async def test_nothing_is_left_after_the_desktop_was_killed() -> None:
    async with run_session("sh", "-c", LEAVES_DAEMONS) as running:
        await running.running()
        os.kill(pid_of(running, "streamspace_proxy.desktop"), signal.SIGKILL)
        assert await running.ended() == 3
        assert running.processes() == []
        assert "The session ends because its desktop has ended (killed by SIGKILL)." in running.logs()


async def test_nothing_is_left_after_the_runner_was_killed() -> None:
    async with run_session("sh", "-c", LEAVES_DAEMONS) as running:
        await running.running()
        running.process.kill()
        running.process.wait()
        await running.nothing_left()


async def test_a_session_beside_a_jupyter_server_ends_with_it() -> None:
    """`--no-server`: whoever started the runner is what the session belongs to."""
    starter = f"import subprocess, time; child = subprocess.Popen({[*RUNNER, '--no-server']}); time.sleep(1000)"
    user = "nobody" if os.geteuid() == 0 else None
    async with run_desktop(user=user, program=[sys.executable, "-c", starter]) as running:
        await running.running()
        running.process.kill()
        running.process.wait()
        await running.nothing_left()


async def test_the_streamer_is_started_again() -> None:
    async with run_session() as running:
        status = await running.running()
        await until_file(running.runtime_dir / "streamer.sock")
        first = pid_of(running, "streamspace_proxy.streamer")
        os.kill(first, signal.SIGKILL)
        for _ in range(200):
            with contextlib.suppress(ValueError):
                if pid_of(running, "streamspace_proxy.streamer") != first:
                    break
            await asyncio.sleep(0.05)
        assert pid_of(running, "streamspace_proxy.streamer") != first
        assert (await running.status())["app"]["pid"] == status["app"]["pid"]
        assert "The streamer has ended (killed by SIGKILL); it starts again in 0.1 s." in running.logs()


async def test_files_in_the_home_are_no_modules_of_ours() -> None:
    async with run_session() as running:
        await running.running()
        for name in ("json.py", "asyncio.py", "streamspace_hub.py"):
            (running.home / name).write_text("raise SystemExit('imported from the home')")
        socket = running.runtime_dir / "streamer.sock"
        await until_file(socket)
        socket.unlink()
        os.kill(pid_of(running, "streamspace_proxy.streamer"), signal.SIGKILL)
        await until_file(socket)
        assert "imported from the home" not in running.logs()


async def until_file(path: Path) -> None:
    for _ in range(200):
        if path.exists():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{path} does not appear")


async def test_the_session_ends_with_its_jupyter_server() -> None:
    async with run_session(server=["--no-such-option-of-jupyter"], env={"JUPYTERHUB_API_TOKEN": ""}) as running:
        assert await running.ended() == 4
        assert running.processes() == []
        assert "The session ends because its Jupyter server has ended" in running.logs()


async def test_the_hubs_token_reaches_the_jupyter_server_only() -> None:
    secret = "a-token-of-the-hub"
    async with run_session(env={"JUPYTERHUB_API_TOKEN": secret, "JUPYTERHUB_USER": "somebody"}) as running:
        await running.running()
        await until_file(running.runtime_dir / "streamer.sock")
        others = [pid for pid in running.processes() if pid != running.process.pid]
        assert len(others) > 6
        for pid in others:
            try:
                environ = Path(f"/proc/{pid}/environ").read_bytes()
            except FileNotFoundError:
                continue  # it has ended meanwhile
            assert secret.encode() not in environ, describe(pid)
            assert b"JUPYTERHUB_" not in environ, describe(pid)


@as_root
async def test_the_app_cannot_read_the_runners_environment() -> None:
    async with run_session(env={"JUPYTERHUB_API_TOKEN": "a-token-of-the-hub"}) as running:
        await running.running()
        said = await outcome(running.user, "cat", f"/proc/{running.process.pid}/environ")
        assert "Permission denied" in said
        desktop = pid_of(running, "streamspace_proxy.desktop")
        assert "STREAMSPACE_RUNTIME_DIR" in await outcome(running.user, "cat", f"/proc/{desktop}/environ")


@as_root
async def test_another_user_reaches_neither_display_nor_sockets() -> None:
    async with run_session() as running:
        await running.running()
        environment = await running.environment()
        assert "Window id" in await outcome(running.user, "xwininfo", "-root", env=environment)
        stranger = "games"
        assert "unable to open display" in await outcome(stranger, "xwininfo", "-root", env=environment)
        assert "Permission denied" in await outcome(stranger, "ls", str(running.runtime_dir))
        for name in ("desktop.sock", "rfb.sock", "pulse.sock", "bus"):
            connect = f"import socket; socket.socket(socket.AF_UNIX).connect({str(running.runtime_dir / name)!r})"
            assert "PermissionError" in await outcome(stranger, "/usr/bin/python3", "-c", connect)
        # The abstract socket is open to all; the cookie is what keeps strangers out.
        with socket.socket(socket.AF_UNIX) as bare:
            bare.connect(f"\0/tmp/.X11-unix/X{environment['DISPLAY'][1:]}")
            bare.sendall(b"l\0\x0b\0\0\0\0\0\0\0\0\0")
            assert bare.recv(1) == b"\0"  # X11: failed


async def outcome(user: str | None, *command: str, env: dict[str, str] | None = None) -> str:
    """Run a program as `user`; returns what it prints, however it ends."""
    assert user is not None
    account = pwd.getpwnam(user)
    process = await asyncio.create_subprocess_exec(
        *command,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return (await process.communicate())[0].decode()


def run(*arguments: str, **env: str) -> tuple[int, str]:
    """Run a session runner that refuses to start; returns its exit code and what it says."""
    options = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    if env.pop("AS_ROOT", None):
        options = {}
    result = subprocess.run(
        [sys.executable, "-m", "streamspace_proxy.local", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH, **env},
        capture_output=True, text=True, timeout=30, check=False, cwd="/", **options,  # type: ignore[call-overload]
    )  # fmt: skip
    return result.returncode, result.stderr


@as_root
def test_a_session_is_never_roots() -> None:
    assert run("--no-server", AS_ROOT="1") == (
        2,
        "streamspace session: A session must not run as root. Start it as the user that it belongs to.\n",
    )


GOOD = '{"command": ["true"]}'


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, "STREAMSPACE_RUNTIME_DIR must be the absolute path of a private folder."),
        ({"STREAMSPACE_RUNTIME_DIR": "here"}, "STREAMSPACE_RUNTIME_DIR must be the absolute path"),
        ({"STREAMSPACE_RUNTIME_DIR": "/" + "x" * 100}, "longer than 93 bytes"),
        ({"STREAMSPACE_RUNTIME_DIR": "/tmp"}, "STREAMSPACE_TEMPLATE must hold an app template as JSON"),
        ({"STREAMSPACE_RUNTIME_DIR": "/tmp", "STREAMSPACE_TEMPLATE": "[]"}, "as a JSON object"),
        ({"STREAMSPACE_RUNTIME_DIR": "/tmp", "STREAMSPACE_TEMPLATE": '{"command": "x"}'}, "`command` must be a list"),
        ({"STREAMSPACE_RUNTIME_DIR": "/tmp", "STREAMSPACE_TEMPLATE": GOOD}, "must be a folder of mode 0700"),
        ({"STREAMSPACE_RUNTIME_DIR": "/no/such", "STREAMSPACE_TEMPLATE": GOOD}, "No such file or directory"),
    ],
)
def test_wrong_settings_are_refused_with_a_sentence(env: dict[str, str], said: str) -> None:
    code, message = run("--no-server", **env)
    assert code == 2
    assert said in message
    assert "Traceback" not in message
    assert message.count("\n") == 1


async def test_a_session_of_a_real_account_leaves_no_files_in_its_home() -> None:
    async with run_session() as running:
        await running.running()
        assert await output("find", str(running.home), "-mindepth", "1") == ""
        assert processes_with(running.marker)
