"""A real session with the real bridge in front of it, and nothing of a hub: what the viewer page is tested on."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from streamspace_hub.model.turn import TurnSettings
from tests.support.bridge_server import BASE, TOKEN
from tests.support.running import PYTHONPATH, ROOT, Running, run_session
from tests.support.waiting import PATIENCE

T = TypeVar("T")


@dataclass
class ViewerSession:
    """One session and the address of its viewer page."""

    running: Running
    loop: asyncio.AbstractEventLoop
    port: int

    def url(self, base: str = BASE, **query: str) -> str:
        """The page's address under the base path of one of the bridge's hubs, which signs in as the owner."""
        asked = "".join(f"&{name}={value}" for name, value in query.items())
        return f"http://127.0.0.1:{self.port}{base}streamspace/here/gimp/?token={TOKEN}{asked}"

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the session's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE + 10)

    def x(self, *command: str) -> str:
        """Run an X client in the desktop and return what it prints."""
        return self.wait(self.running.x(*command))


@contextmanager
def viewer_session(
    *command: str, title: str = "Terminal", turn: TurnSettings | None = None, **fields: Any
) -> Iterator[ViewerSession]:
    """Run a session with `command` as its app, and with TURN if there is any; `fields` as in `run_session`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    stack = AsyncExitStack()

    def wait(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(PATIENCE + 10)

    try:
        running = wait(stack.enter_async_context(run_session(*command, title=title, **fields)))
        port = _free_port()
        arguments = [str(running.runtime_dir / "streamer.sock"), str(port), "5", title]
        arguments += [] if turn is None else [turn.model_dump_json()]
        bridge = subprocess.Popen(
            [sys.executable, "-m", "tests.support.bridge_server", *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": PYTHONPATH},
        )
        try:
            session = ViewerSession(running, loop, port)
            _wait_for(session)
            yield session
        finally:
            bridge.terminate()
            bridge.wait(10)
    finally:
        wait(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait_for(session: ViewerSession) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(session.url(), timeout=2).close()
            return
        except (OSError, urllib.error.URLError) as error:
            if time.monotonic() > deadline:
                raise AssertionError(f"the bridge does not serve the page: {error}") from error
            time.sleep(0.1)
