"""The session runner: starts a session's parts, keeps the streamer alive, and ends what is left.

`python -m streamspace_proxy.local [--no-server | --no-desktop] [arguments of the Jupyter server]` starts desktop,
streamer and Jupyter server side by side, starts the streamer again when it dies, and ends the session when one of the
others ends. In a pod the desktop has a container of its own (`--no-desktop`), and the kubelet keeps that.
Nothing of a session outlives its runner, however the runner ends. It knows nothing of what its children do.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamspace_proxy.desktop import sleep_key
from streamspace_proxy.desktop.logs import CappedLog, Console, keep_capped
from streamspace_proxy.desktop.processes import (
    Child,
    ProcessTable,
    adopt_orphans,
    die_with_parent,
    hide_from_same_user,
)
from streamspace_proxy.desktop.settings import SettingsError, check_private, read_settings, without_secrets

ENDED, WRONG_SETTINGS, DESKTOP_ENDED, SERVER_ENDED = 0, 2, 3, 4
"""Exit codes: ended on request, refused to start, ended because the desktop or the Jupyter server had ended."""
END_LIMIT = 5.5
"""Seconds that the parts of a session get to end by themselves; the desktop's own needs are below it."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before the streamer is started again: the first time, and at most."""
STABLE = 30.0
"""A streamer that lived so many seconds is started again after the first pause."""


class Session:
    """One session's processes."""

    def __init__(self, runtime_dir: Path, server_arguments: Sequence[str] | None, *, with_desktop: bool = True) -> None:
        self._runtime_dir = runtime_dir
        self._server_arguments = server_arguments
        self._with_desktop = with_desktop
        self._table = ProcessTable()
        # In a pod the kubelet keeps the log, and shows it to whoever may see it.
        self._log = CappedLog(runtime_dir / "session.log") if with_desktop else Console()
        self._streamer_log = CappedLog(runtime_dir / "streamer.log") if with_desktop else Console()
        self._clean = {**without_secrets(os.environ), "STREAMSPACE_BEGAN": str(time.time())}
        self._stop = asyncio.Event()
        self._pause = FIRST_PAUSE
        self._children: dict[str, Child] = {}
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)

    async def run(self) -> int:
        """Live until told to stop or until desktop or Jupyter server end; returns the exit code."""
        logs = asyncio.create_task(keep_capped(self._log, self._streamer_log))
        if self._with_desktop:
            self._start_part("desktop", [], signal.SIGTERM)
            sleep_key.forget(os.environ)
        if self._server_arguments is not None:
            self._start_part("extension", self._server_arguments, signal.SIGTERM)
        self._start_streamer()
        stop = asyncio.create_task(self._stop.wait())
        vital = [child.ended for name, child in self._children.items() if name != "streamer"]
        waiting: list[asyncio.Future[Any]] = [stop, *vital]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        code = self._why(stop.done())
        self._stop.set()
        await self._table.end(self._children.values(), END_LIMIT)
        if left := await self._table.sweep():
            self._say(f"These processes could not be ended: {left}")
        logs.cancel()
        with suppress(OSError):
            os.utime(self._runtime_dir)  # when this ended, for a hub that comes later
        return code

    def _why(self, asked: bool) -> int:
        if asked:
            self._say("The session ends on request.")
            return ENDED
        desktop, server = self._children.get("desktop"), self._children.get("extension")
        if desktop is not None and not desktop.alive:
            how = desktop.ended.result()
            self._say(f"The session ends because its desktop has ended ({how}).")
            return ENDED if how.code == 0 else DESKTOP_ENDED
        assert server is not None
        self._say(f"The session ends because its Jupyter server has ended ({server.ended.result()}).")
        return SERVER_ENDED

    def _start_part(self, name: str, arguments: Sequence[str], death_signal: int) -> Child:
        # Only the Jupyter server may know the hub's token.
        env = os.environ if name == "extension" else self._clean
        child = self._table.start(
            name,
            # -P: we start in the user's home, where a file may be called like a module of ours.
            [sys.executable, "-P", "-m", f"streamspace_proxy.{name}", *arguments],
            env,
            log=(self._streamer_log if name == "streamer" else self._log).fd,
            cwd=os.getcwd(),
            death_signal=death_signal,
            pass_fds=sleep_key.descriptors(os.environ) if name == "desktop" else (),
        )
        self._children[name] = child
        return child

    def _start_streamer(self) -> None:
        if self._stop.is_set():
            return
        # It holds nothing that would need to be put away: when we are killed it simply dies.
        streamer = self._start_part("streamer", [], signal.SIGKILL)
        # One that is started again is no part of the session's start.
        self._clean.pop("TRACEPARENT", None)
        streamer.ended.add_done_callback(lambda _: self._streamer_ended(streamer))

    def _streamer_ended(self, streamer: Child) -> None:
        if self._stop.is_set():
            return
        if time.monotonic() - streamer.started > STABLE:
            self._pause = FIRST_PAUSE
        self._say(f"The streamer has ended ({streamer.ended.result()}); it starts again in {self._pause:.1f} s.")
        asyncio.get_running_loop().call_later(self._pause, self._start_streamer)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _say(self, sentence: str) -> None:
        self._log.write(sentence)
        if not os.path.sameopenfile(self._log.fd, sys.stderr.fileno()):  # a spawner may have given us the log itself
            print(f"streamspace session: {sentence}", file=sys.stderr, flush=True)


async def live(runtime_dir: Path, server_arguments: Sequence[str] | None, *, with_desktop: bool = True) -> int:
    """Run one session in the running event loop; returns the exit code."""
    return await Session(runtime_dir, server_arguments, with_desktop=with_desktop).run()


def main(arguments: Sequence[str]) -> int:
    """Check what the session is given, then live. Returns the exit code."""
    parent = os.getppid()
    with_server, with_desktop = "--no-server" not in arguments, "--no-desktop" not in arguments
    arguments = [argument for argument in arguments if argument != "--no-desktop"]
    try:
        if os.geteuid() == 0:
            raise SettingsError("A session must not run as root. Start it as the user that it belongs to.")
        # The app runs under our uid, and the hub's token is in our environment.
        hide_from_same_user()
        adopt_orphans()
        if not with_server:
            if len(arguments) > 1 or not with_desktop:
                raise SettingsError("With --no-server there is no Jupyter server to pass other arguments to.")
            # A session beside a Jupyter server belongs to it. One of a hub outlives the hub.
            die_with_parent(signal.SIGTERM, parent)
        folder = read_settings(os.environ).runtime_dir
        if not with_desktop:
            folder.mkdir(0o700, exist_ok=True)  # what the kubelet mounts is never private itself
        check_private(folder)
        return asyncio.run(live(folder, arguments if with_server else None, with_desktop=with_desktop))
    except (SettingsError, OSError) as error:
        print(f"streamspace session: {error}", file=sys.stderr)
        return WRONG_SETTINGS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
