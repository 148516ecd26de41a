"""Starting and ending what is measured: our sessions from plain code, and servers that answer on a port."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.support.running import run_session

T = TypeVar("T")
START_LIMIT = 60.0


@dataclass(frozen=True)
class Session:
    """One of our sessions, without a Jupyter server."""

    process: subprocess.Popen[str]
    runtime_dir: Path
    display: dict[str, str]


@contextmanager
def session(*app: str, **fields: Any) -> Iterator[Session]:
    """Run a session with `app`; its asyncio loop lives in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    stack = AsyncExitStack()

    def wait(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    try:
        running = wait(stack.enter_async_context(run_session(*app, **fields)))
        environment = wait(running.environment())
        _wait((running.runtime_dir / "streamer.sock").exists, "the streamer")
        yield Session(running.process, running.runtime_dir, environment)
    finally:
        wait(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


@contextmanager
def ended(process: subprocess.Popen[Any], port: int | None = None) -> Iterator[None]:
    """Wait until `process` listens on `port`; end it afterwards, with the process group when it has one of its own."""
    try:
        if port is not None:
            _wait(lambda: _listens(port, process), f"port {port} of {process.args!r}")
        yield
    finally:
        own_group = os.getpgid(process.pid) == process.pid if process.poll() is None else False
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                if own_group:
                    os.killpg(process.pid, number)
                else:
                    process.send_signal(number)
                try:
                    process.wait(8)
                except subprocess.TimeoutExpired:
                    continue


@contextmanager
def x_server(*command: str, log: Path) -> Iterator[tuple[dict[str, str], subprocess.Popen[Any]]]:
    """Run an X server on a display of its own choice; gives what clients need to find it, and its process."""
    reader, writer = os.pipe()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "-displayfd", str(writer), "-nolisten", "tcp", "-noreset"],
            pass_fds=[writer], stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    os.close(writer)
    with ended(process), os.fdopen(reader) as number:
        display = number.readline().strip()
        if not display:
            raise RuntimeError(f"{command[0]} did not start: {log.read_text(errors='replace')}")
        yield {"DISPLAY": f":{display}", "XAUTHORITY": "/dev/null"}, process


def _listens(port: int, process: subprocess.Popen[Any]) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _wait(condition: Any, what: str) -> None:
    deadline = time.monotonic() + START_LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {START_LIMIT} s in vain for {what}")
        time.sleep(0.05)
