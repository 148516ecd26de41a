"""The root of the desktop's tree: starts its programs in order, keeps them, says how they are, ends them all.

It is put to sleep and woken with its tree, and knows nothing of that: it holds nothing that leads out of the tree.

Everything is started again when the X server dies, since nothing of what it showed can live on. The end of the app
is not the end of the desktop: the user may start it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from streamspace_proxy.desktop import programs, render_node, status
from streamspace_proxy.desktop.announcement import announcement
from streamspace_proxy.desktop.control import ControlServer, RefusedError
from streamspace_proxy.desktop.home import make_home_files
from streamspace_proxy.desktop.logs import CappedLog, keep_capped
from streamspace_proxy.desktop.processes import Child, ProcessTable
from streamspace_proxy.desktop.screen import look_after_screen, rare_display
from streamspace_proxy.desktop.settings import Settings, expand, program_environment, takes_files
from streamspace_proxy.desktop.xauth import write_authority

START_LIMIT = 20.0
"""Seconds that the X server gets to come up."""
HELPER_LIMIT = 10.0
"""Seconds that the app's start waits for bus, sound and window manager to be ready, each as long as it lives.

They take less than one; the app starts without them then, and must not on a machine that is only slow.
"""
WINDOW_LIMIT = 60.0
"""Seconds after which an app without a window counts as running."""
APP_GRACE = 3.0
"""Seconds that the app gets to end by itself."""
RESTARTS = 3
"""How often within `RESTART_WINDOW` seconds a program of ours is started again."""
RESTART_WINDOW = 60.0


SOCKET = "tree.sock"
"""Our control socket, in the runtime folder: the supervisor's way to us."""


class ScreenError(Exception):
    """There is no screen; the text is the sentence for the user."""


class Budget:
    """Allows `RESTARTS` in any `RESTART_WINDOW` seconds."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def spend(self) -> bool:
        """Whether one more is allowed now."""
        now = time.monotonic()
        self._times = [when for when in self._times if now - when < RESTART_WINDOW]
        self._times.append(now)
        return len(self._times) <= RESTARTS


class Desktop:
    """One desktop: its programs and its status. `run` is its whole life."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.status = status.Status()
        self._table = ProcessTable()
        self._control = ControlServer(self)
        self._stop = asyncio.Event()
        self._log = CappedLog(settings.path("desktop.log"))
        self._app_log = CappedLog(settings.path("app.log"))
        self._screen: Child | None = None
        self._bus: Child | None = None
        self._sound: Child | None = None
        self._manager: Child | None = None
        self._app: Child | None = None
        self._watch: asyncio.Task[None] | None = None
        self._ending = False
        self._budgets: dict[str, Budget] = {}
        self._file = settings.open
        self._env = program_environment(settings, None)
        self._off_gpus = render_node.arguments(settings, shutil.which(programs.X_SERVER, path=self._env["PATH"]))

    # What the control socket may ask (control.Controlled).

    def status_object(self) -> dict[str, Any]:
        """Return the status object of now."""
        return self.status.as_json()

    def restart_app(self) -> None:
        """Start the app again after it has ended."""
        self._refuse_without_screen()
        if self._app is not None and self._app.alive:
            raise RefusedError(f"{self.settings.title} is still running.")
        self.status.app.restarts += 1
        self._start_app(())

    def open_file(self, path: str) -> None:
        """Run the app's command with a file: most apps hand it to their first process."""
        self._refuse_without_screen()
        if not takes_files(self.settings.command):
            raise RefusedError(f"{self.settings.title} cannot be given a file to open.")
        if "\0" in path or not path.startswith("/"):
            raise RefusedError("`path` must be an absolute path.")
        if not os.path.isfile(path):
            raise RefusedError(f"There is no file {path}.")
        if self._app is None or not self._app.alive:
            self.status.app.restarts += 1
            self._start_app((path,))
            return
        try:
            self._run_command((path,))
        except OSError as error:
            raise RefusedError(
                status.cannot_run(self.settings.title, self.settings.command[0], str(error.strerror))
            ) from error

    def request_stop(self) -> None:
        """End the app, then the desktop."""
        self._stop.set()

    def _refuse_without_screen(self) -> None:
        if self.status.state != "running":
            raise RefusedError(f"The desktop is not running: {self.status.message}")

    # Its life.

    async def run(self) -> None:
        """Live until asked to stop; then nothing of the tree is left."""
        await self._control.start(self.settings.path(SOCKET))
        logs = asyncio.create_task(keep_capped(self._log, self._app_log))
        stop = asyncio.create_task(self._stop.wait())
        budget = Budget()
        while not stop.done():
            life = asyncio.create_task(self._live(budget))
            await asyncio.wait([stop, life], return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                self._set("stopping", f"Ending {self.settings.title}")
                life.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await life
            await self._end()
        logs.cancel()
        await self._control.close()

    async def _live(self, budget: Budget) -> None:
        """Bring everything up and return when the screen has ended; a failure is kept until the desktop is stopped."""
        try:
            if not budget.spend():
                raise ScreenError(status.X_TOO_OFTEN)
            screen = await self._start()
            await asyncio.shield(screen.ended)
        except ScreenError as error:
            self.status.display = None
            self._set("failed", str(error))
            await asyncio.Event().wait()
        self.status.display = None
        self.status.app.state, self.status.app.pid = "exited", None
        self._set("starting", "The screen has ended unexpectedly. Starting it again")

    async def _start(self) -> Child:
        """Bring everything up, side by side where nothing has to wait; returns the X server."""
        self._ending = False
        self._make_folders()
        cookie = write_authority(self.settings.path("Xauthority"), for_group=self.settings.shared)
        self._env = program_environment(self.settings, None)
        self._start_sound()
        screen, display = await self._start_screen()
        self._env = program_environment(self.settings, display)
        ready = asyncio.get_running_loop().create_future()
        managed = asyncio.Event()
        self._watch = asyncio.create_task(look_after_screen(display, cookie, ready, self._window_up, managed.set))
        await ready
        self.status.display = display  # the streamer shows the bare screen meanwhile
        self._set("starting", f"Starting {self.settings.title}")
        waiting = [self._start_bus(), self._wait_for_sound()]
        if self.settings.window_mode == "app":
            self._start_manager()
            waiting.append(self._wait_for_manager(managed))
        # The bus comes after the screen because services that it starts inherit its environment.
        await asyncio.gather(*waiting)
        self._start_app((self._file,) if self._file else ())
        self._file = None  # after a crash of the screen it would be opened once more
        return screen

    def _make_folders(self) -> None:
        folder = self.settings.path("xdg")
        for path in (folder, folder / "pulse", folder / "openbox"):
            path.mkdir(mode=0o700, exist_ok=True)
        for name in ("bus", "pulse.sock", "rfb.sock"):
            self.settings.path(name).unlink(missing_ok=True)

    async def _start_screen(self) -> tuple[Child, str]:
        """Start the X server; returns it and its display once it can be connected to."""
        try:
            with announcement() as pipe:
                number = rare_display() if self.settings.preload is not None else None
                argv = programs.x_server(self.settings, pipe.writer, number, *self._off_gpus)
                screen = self._run("X server", argv, pass_fds=[pipe.writer], death_signal=signal.SIGTERM)
                self._screen = screen
                display = await pipe.read(START_LIMIT)
        except FileNotFoundError as error:
            raise ScreenError(status.NO_X_SERVER) from error
        if not display:
            # It has complained of each of 59536 numbers before: what it says of them all comes last.
            raise ScreenError(status.NO_DISPLAY if programs.NO_SOCKET in self._log.tail() else status.X_FAILED)
        return screen, f":{display}"

    async def _start_bus(self) -> None:
        with announcement() as pipe:
            self._bus = self._run_helper(
                "bus", programs.session_bus(self.settings, pipe.writer), self._env, [pipe.writer]
            )
            await pipe.read(HELPER_LIMIT)

    def _start_sound(self) -> None:
        env = programs.sound_environment(self.settings, self._env)
        self._sound = self._run_helper("sound server", programs.sound_server(self.settings), env)
        self._keep(self._sound, self._start_sound)

    async def _wait_for_sound(self) -> None:
        deadline = time.monotonic() + HELPER_LIMIT
        while self._sound is not None and self._sound.alive and time.monotonic() < deadline:
            if self.settings.path("pulse.sock").is_socket():
                return
            await asyncio.sleep(0.01)

    async def _wait_for_manager(self, managed: asyncio.Event) -> None:
        """Let openbox manage the screen first: a window that comes up before would get no keyboard focus."""
        if self._manager is None:
            return
        up: asyncio.Future[Any] = asyncio.ensure_future(managed.wait())
        first: list[asyncio.Future[Any]] = [up, self._manager.ended]
        await asyncio.wait(first, timeout=HELPER_LIMIT, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()

    def _start_manager(self) -> None:
        env = programs.window_manager_environment(self.settings, self._env)
        self._manager = self._run_helper("window manager", programs.window_manager(), env)
        self._keep(self._manager, self._start_manager)

    def _start_app(self, files: Sequence[str]) -> None:
        """Start the app, or say why it cannot be."""
        settings, app = self.settings, self.status.app
        app.state, app.pid, app.exit_code, app.signal = "exited", None, None, None
        program = settings.command[0]
        try:
            child = self._run_command(files)
        except FileNotFoundError:
            app.exit_code = 127  # as shells say it
            self._set("running", status.not_installed(settings.title, program, settings.packages))
        except OSError as error:
            app.exit_code = 126
            self._set("running", status.cannot_run(settings.title, program, error.strerror or str(error)))
        else:
            self._app = child
            app.state, app.pid = "starting", child.pid
            self._set("running", f"Starting {settings.title}")
            child.ended.add_done_callback(lambda _: self._app_ended(child))
            asyncio.get_running_loop().call_later(WINDOW_LIMIT, self._count_as_running, child)

    def _run_command(self, files: Sequence[str]) -> Child:
        argv = expand(self.settings.command, files)
        home = self.settings.home
        if not os.path.isdir(home):
            return self._run("app", argv, log=self._app_log)
        make_home_files(Path(home), self.settings.home_files, self._log.write)
        return self._run("app", argv, log=self._app_log, cwd=home)

    def _window_up(self) -> None:
        if self._app is not None and self._app.alive:
            self._count_as_running(self._app)

    def _count_as_running(self, child: Child) -> None:
        if child is self._app and self.status.app.state == "starting":
            self.status.app.state = "running"
            self._set("running", f"{self.settings.title} is running")

    def _app_ended(self, child: Child) -> None:
        if child is not self._app or self.status.state != "running":
            return
        how, app = child.ended.result(), self.status.app
        app.state, app.pid, app.exit_code, app.signal = "exited", None, how.code, how.signal
        self._set("running", status.app_ended(self.settings.title, how, self.settings.window_mode))

    async def _end(self) -> None:
        """End the app first, then what serves it, then whatever else is there."""
        self._ending = True
        await self._table.end([self._app], APP_GRACE)
        if self._watch is not None:
            self._watch.cancel()
        await self._table.end([self._manager, self._sound, self._bus], 0.5)
        await self._table.end([self._screen], 1.0)
        if left := await self._table.sweep():
            self._log.write(f"These processes could not be ended: {left}")
        self._app = self._manager = self._sound = self._bus = self._screen = self._watch = None

    # Tools.

    def _set(self, state: status.State, message: str) -> None:
        if (self.status.state, self.status.message) != (state, message):
            self._log.write(message)
        self.status.state, self.status.message = state, message
        self._control.publish()

    def _run(  # noqa: PLR0913
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        log: CappedLog | None = None,
        cwd: str = "/",
        pass_fds: Iterable[int] = (),
        death_signal: int = signal.SIGKILL,
    ) -> Child:
        env = self._env if env is None else env
        program = shutil.which(argv[0], path=env["PATH"])
        if program is None:
            raise FileNotFoundError(argv[0])
        argv = [program, *argv[1:]]
        fd = (log or self._log).fd
        child = self._table.start(name, argv, env, log=fd, cwd=cwd, pass_fds=pass_fds, death_signal=death_signal)
        child.ended.add_done_callback(lambda end: self._log.write(f"{name} (pid {child.pid}): {end.result()}"))
        return child

    def _run_helper(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], pass_fds: Iterable[int] = ()
    ) -> Child | None:
        """Start a program that the desktop can do without."""
        try:
            return self._run(name, argv, env, pass_fds=pass_fds, death_signal=signal.SIGTERM)
        except OSError as error:
            self._log.write(f"There is no {name}: {argv[0]}: {error.strerror or 'not installed'}.")
            return None

    def _keep(self, child: Child | None, start: Callable[[], None]) -> None:
        """Start a helper again a moment after its end, unless it ends all the time."""
        if child is None:
            return
        budget = self._budgets.setdefault(child.name, Budget())

        def again() -> None:
            if not self._ending:
                start()

        def ended(_: object) -> None:
            if not self._ending and budget.spend():
                asyncio.get_running_loop().call_later(0.2, again)

        child.ended.add_done_callback(ended)


async def live(settings: Settings) -> None:
    """Run one desktop until SIGTERM, SIGINT or `stop`."""
    desktop = Desktop(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, desktop.request_stop)
    await desktop.run()
