"""`LocalStreamSpaceSpawner`: sessions and JupyterLab servers as processes of this machine.

What a session does inside is the session runner's matter (`python -m streamspace_proxy.local`). Here it is started
under the right account, watched, found again after a restart of the hub, and ended without leaving anything behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import glob
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from jupyterhub import spawner as hub_spawner
from jupyterhub.spawner import LocalProcessSpawner
from jupyterhub.utils import random_port
from tornado import web
from traitlets import Bool, Float, List, TraitError, Unicode, default, validate

from streamspace_hub.catalog import gpu_refusal, install_hint, is_installed
from streamspace_hub.model.asleep import image_folder
from streamspace_spawner import accounts, admission, runtime
from streamspace_spawner.accounts import Account, AccountError
from streamspace_spawner.compat import refusal
from streamspace_spawner.files import Measured
from streamspace_spawner.mixin import StreamSpaceMixin
from streamspace_spawner.processes import end_session_processes, is_alive, read_stat, signal_process
from streamspace_spawner.session import SessionPlan

RUNNER_PREFIX = "streamspace session: "
X_SERVER = "Xtigervnc"
LOOPBACK = "127.0.0.1"
WATCH_INTERVAL = 0.05
"""Seconds between looks at a process that is coming up or going down."""

T = TypeVar("T")


class LocalStreamSpaceSpawner(StreamSpaceMixin, LocalProcessSpawner):
    """Starts sessions and JupyterLab servers as local processes: the embedded default, without Kubernetes.

    Run as root, each hub user's servers run under a system account of their own. Run as an ordinary user, all run
    under that user.
    """

    account_template = Unicode(
        "{username}",
        config=True,
        help="""
        System account that a hub user's servers run under, when the hub runs as root.

        `{username}` stands for the hub's user name. An account of root's, a system account (uid below 1000) and one
        that does not exist are refused::

            c.LocalStreamSpaceSpawner.account_template = "hub-{username}"
        """,
    )
    create_accounts = Bool(
        False,
        config=True,
        help="""
        Create the system account of a hub user at the first start, with `useradd`, when the hub runs as root.

        Accounts are never removed.
        """,
    )
    account_home_template = Unicode(
        "/home/{username}",
        config=True,
        help="""
        Home folder of accounts that `create_accounts` makes.

        `{username}` stands for the hub's user name. Every folder above must let others enter::

            c.LocalStreamSpaceSpawner.account_home_template = "/srv/homes/{username}"
        """,
    )
    allowed_system_accounts = List(
        Unicode(),
        config=True,
        help="""
        System accounts (uid below 1000) that may run users' servers all the same.

        Root never may::

            c.LocalStreamSpaceSpawner.allowed_system_accounts = ["kiosk"]
        """,
    )
    runtime_root = Unicode(
        config=True,
        help="""
        Folder that holds the runtime folders of sessions: their sockets and logs.

        Short (the names of sockets are limited to 107 bytes), on a local file system, and writable to the hub alone.
        Default: `/run/streamspace` when the hub runs as root, else `streamspace` under `$XDG_RUNTIME_DIR`, or
        `/tmp/streamspace-<uid>`.
        """,
    )
    session_stop_timeout = Float(
        10.0,
        min=0,
        config=True,
        help="""
        Seconds that a session has to end in good order before its processes are ended by signals.
        """,
    )

    _account: Account | None = None
    _swept = False
    """Whether leftovers of a start that the hub did not survive have been looked for."""

    @default("runtime_root")
    def _default_runtime_root(self) -> str:
        return runtime.default_root(os.geteuid(), os.environ)

    @validate("account_template", "account_home_template")
    def _only_username(self, proposal: Mapping[str, Any]) -> str:
        template: str = proposal["value"]
        try:
            template.format(username="")
        except (KeyError, IndexError, ValueError):
            name = proposal["trait"].name
            raise TraitError(f"LocalStreamSpaceSpawner.{name}: {template!r} may hold {{username}} only") from None
        return template

    @property
    def users_are_separated(self) -> bool:
        """Whether each hub user's servers run under a uid of their own."""
        return accounts.runs_as_root()

    # --- account and environment -----------------------------------------------------------------------------------

    async def _find_account(self, *, create: bool) -> Account:
        if not self.users_are_separated:
            _say_once(self.log.warning, f"Sessions share the files of the user '{accounts.own_account().name}'")
        return await asyncio.to_thread(self._look_up_account, create=create)

    def _look_up_account(self, *, create: bool) -> Account:
        if not self.users_are_separated:
            return accounts.own_account()
        name = self.user.name
        return accounts.account_of(
            self.account_template.format(username=name),
            home_to_create=self.account_home_template.format(username=name) if create else None,
            allowed_system_accounts=self.allowed_system_accounts,
        )

    @property
    def account(self) -> Account:
        """The account of this server; `start` finds it in a thread, whoever asks earlier waits for it."""
        if self._account is None:
            self._account = self._look_up_account(create=False)
        return self._account

    def session_home(self) -> str:
        """Return the home folder of the account."""
        return self.account.home

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Add what a login would set."""
        account = self.account
        return env | {"USER": account.name, "LOGNAME": account.name, "HOME": account.home, "SHELL": account.shell}

    def get_env(self) -> dict[str, str]:
        """Return the server's environment: docs/reference/environment.md."""
        variables = super().get_env()
        if self.plan is not None:
            variables["STREAMSPACE_RUNTIME_DIR"] = self.session_state["folder"]
        elif proxy := self.user.settings.get("proxy"):
            # On its own machine the proxy is where it listens; from any other there is no telling.
            variables.setdefault("STREAMSPACE_PROXY_URL", proxy.public_url.replace("://:", f"://{LOOPBACK}:"))
        return variables

    async def known_storage(self, *, patience: float = 0.0, again: bool = False) -> int | None:
        """Return how many bytes the account's home takes, as measured last; None where that is not known."""
        try:
            self._account = self._account or await self._find_account(create=False)
        except AccountError:
            return None  # without an account there are no files of theirs
        home = self._account.home
        if again or _files.known(home) is None:
            return await _files.within(home, patience)
        return _files.known(home)

    def _measure_files(self) -> None:
        """Have the home measured where it is limited: a server has ended that may have filled it."""
        if self._account is not None and admission.storage_limit(self) is not None:
            _files.measure(self._account.home).add_done_callback(lambda _: self._tell("storage"))

    async def move_certs(self, paths: dict[str, str]) -> dict[str, str]:
        """Make the certificates of internal TLS readable to the server's account, and to nobody else."""
        if not self.users_are_separated:
            return paths
        account = await self._find_account(create=self.create_accounts)
        for path in paths.values():
            os.chown(path, account.uid, account.gid)
        return paths

    # --- start -----------------------------------------------------------------------------------------------------

    async def start(self) -> tuple[str, int]:
        """Start the server or the session; return where it listens.

        Raises:
            tornado.web.HTTPError: it cannot be started; the message is a sentence for the user.
        """
        plan = await self.prepare_session()
        try:
            self._account = await self._find_account(create=self.create_accounts)
        except AccountError as error:
            raise refusal(str(error), reason="account", status=403) from None
        self.port = self.port or random_port()
        if plan is None:
            await self._launch(self._server_command(), self.get_env())
        else:
            with self.traced(plan):
                await self._start_session(plan)
        return (self.ip or LOOPBACK, self.port)

    def _server_command(self) -> list[str]:
        command = [*self.cmd, *self.get_args()]
        return [*self.shell_cmd, shlex.join(command)] if self.shell_cmd else command

    async def _start_session(self, plan: SessionPlan) -> None:
        title = plan.template.title
        self.tell_beginning(10, title)
        await self._sweep()
        state = self.begin_state(plan)
        folder = f"{self.runtime_root}/{state['marker']}"
        self.session_state = {**state, "folder": folder, "uid": self.account.uid}
        variables = self.get_env()
        await asyncio.to_thread(self._require_machine, plan, variables["PATH"])
        self._require_free_port()
        try:
            log = await asyncio.to_thread(runtime.make, folder, self.account)
        except runtime.RuntimeFolderError as error:
            raise refusal(str(error), reason="runtime_folder", status=503) from None
        try:
            self.tell(30, f"Starting a desktop with {title}.")
            command = [sys.executable, "-P", "-m", "streamspace_proxy.local"]
            with self._handed_over_key(variables) as descriptors:
                files = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "pass_fds": descriptors}
                await self._launch(command, variables, **files)
            await self._until_listening(title, log)
            await self.tell_how_it_woke(self._own_url, title)
        finally:
            os.close(log)
        self.tell(80, f"The desktop is up; opening {title}.")

    @contextlib.contextmanager
    def _handed_over_key(self, variables: dict[str, str]) -> Iterator[tuple[int, ...]]:
        """Yield what a session has to inherit, and tell it in its environment: programs must not find the key there."""
        if not self.streamspace.memory_sleep:
            yield ()
            return
        reading, writing = os.pipe()
        try:
            os.write(writing, self.sleep_key)
            os.close(writing)
            variables["STREAMSPACE_SLEEP_KEY_FD"] = str(reading)
            yield (reading,)
        finally:
            os.close(reading)

    @property
    def _own_url(self) -> str:
        scheme, address = "https" if self.internal_ssl else "http", self.ip or LOOPBACK
        return f"{scheme}://{f'[{address}]' if ':' in address else address}:{self.port}"

    async def _launch(self, command: list[str], variables: dict[str, str], **kwargs: Any) -> None:
        """Start the server's first process under its account, in a thread: a fork of the hub takes its time."""
        self.log.info("Starting %s: %s", self._log_name, shlex.join(command))
        if self.users_are_separated:
            account = self.account
            kwargs |= {"user": account.uid, "group": account.gid, "extra_groups": account.groups}
        kwargs |= {"cwd": self.account.home, "start_new_session": True, **self.popen_kwargs, "env": variables}
        starting = asyncio.ensure_future(asyncio.to_thread(_popen, command, kwargs))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            # The thread goes on; whoever cancelled must find the process in order to end it.
            self._own_process(await starting)
            raise
        except (FileNotFoundError, PermissionError) as error:
            raise await asyncio.to_thread(self._launch_refusal, command[0], error) from error
        self._own_process(starting.result())

    def _own_process(self, process: subprocess.Popen[bytes]) -> None:
        self.proc, self.pid = process, process.pid
        stat = read_stat(process.pid)
        if self.session_state and stat is not None:
            self.session_state = {**self.session_state, "start": stat.start}

    def _launch_refusal(self, program: str, error: OSError) -> web.HTTPError:
        if error.filename == self.account.home:
            text = (
                f"The home folder {error.filename} cannot be entered ({error.strerror}). An administrator can tell why."
            )
            return refusal(text, reason="home", status=503)
        path = shutil.which(program) or program
        closed = accounts.unreachable_part(path, self.account) if os.path.exists(path) else None
        if closed:
            text = (
                f"The account '{self.account.name}' cannot run {path}, because others may not enter {closed}. An "
                f"administrator can allow it with `chmod o+x {closed}`, or install JupyterHub elsewhere."
            )
        else:
            text = f"{program} cannot be run ({error.strerror}). An administrator has to install it."
        return refusal(text, reason="program_missing", status=503)

    def _require_machine(self, plan: SessionPlan, path: str) -> None:
        """Refuse to start what this machine cannot run; `path` is the session's PATH."""
        if shutil.which(X_SERVER, path=path) is None:
            raise refusal(
                "No X server is installed, so no desktop can be shown. "
                "An administrator has to install tigervnc-standalone-server.",
                reason="no_x_server",
                status=503,
            )
        if not is_installed(plan.template, path):
            raise refusal(install_hint(plan.template), reason="app_missing", status=503)
        if (sentence := gpu_refusal(plan.template)) is not None:
            raise refusal(sentence, reason="no_gpu", status=503)

    def _require_free_port(self) -> None:
        family = socket.AF_INET6 if ":" in self.ip else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.ip or LOOPBACK, self.port))
            except OSError:
                raise refusal(
                    f"Port {self.port} is taken by another program. Try again; if it happens again, an administrator "
                    "has to leave Spawner.port unset.",
                    reason="port_taken",
                    status=503,
                ) from None

    async def _until_listening(self, title: str, log: int) -> None:
        """Wait until the session's Jupyter server listens; the hub ends the wait at `start_timeout`."""
        while True:
            if not self._leader_is_alive():
                lines = await asyncio.to_thread(runtime.tail, log)
                self.log.error("%s ended at its start:\n%s", self._log_name, "\n".join(lines[-30:]))
                raise refusal(_why_ended(title, lines), reason="session_ended", status=503)
            try:
                _, writer = await asyncio.open_connection(self.ip or LOOPBACK, self.port)
            except OSError:
                await asyncio.sleep(WATCH_INTERVAL)
                continue
            writer.close()
            return

    # --- poll and stop ---------------------------------------------------------------------------------------------

    async def poll(self) -> int | None:
        """Return None while the server runs, else its exit status (0 where unknown); leftovers are ended first."""
        if not self.session_state:
            status: int | None = await super().poll()
            if status is not None:
                self.note_found_dead(None)
                if not self._swept:
                    await self._sweep()
            return status
        if self._leader_is_alive():
            self.note_alive()
            return None
        status = self.proc.returncode if self.proc is not None else 0
        self.note_found_dead(await asyncio.to_thread(runtime.last_sign, self.session_state["folder"]))
        await self._clean_up()
        self.clear_state()
        self._measure_files()
        return status

    async def stop(self, now: bool = False) -> None:
        """End the server; of a session, every process and the runtime folder."""
        if not self.session_state:
            await super().stop(now)
        else:
            if not now:
                await self._end_leader()
            await self._clean_up(force=now)
        self._measure_files()

    def _leader_is_alive(self) -> bool:
        if self.proc is not None:
            return self.proc.poll() is None
        return is_alive(self.pid, self.session_state.get("start", -1))

    async def _end_leader(self) -> None:
        """Let the session's first process end the others in good order."""
        signal_process(self.pid, self.session_state.get("start", -1), signal.SIGTERM)
        deadline = time.monotonic() + self.session_stop_timeout
        while self._leader_is_alive() and time.monotonic() < deadline:  # noqa: ASYNC110 - the kernel sets no event
            await asyncio.sleep(WATCH_INTERVAL)

    async def _clean_up(self, *, force: bool = False) -> None:
        state, leader = self.session_state, self.pid if self._leader_is_alive() else 0
        await self._end_all(state["marker"], state["uid"], leader=leader, force=force)
        if self.proc is not None:
            self.proc.poll()  # reaps it
        await self._remove(state["folder"])

    async def _sweep(self) -> None:
        """End what is left of earlier sessions of this server: the hub may have been killed while one started."""
        self._swept = True
        try:
            account = self._account or await self._find_account(create=False)
        except AccountError:
            return  # without an account nothing was ever started
        await self._end_all(self.server_marker, account.uid)
        for folder in await asyncio.to_thread(glob.glob, f"{glob.escape(self.runtime_root)}/{self.server_marker}.*"):
            await self._remove(folder)

    async def remove_image(self) -> None:
        """Remove this server's memory image, in its user's name: in a user's files root could be led astray."""
        try:
            account = await self._find_account(create=False)
        except AccountError:
            return  # without an account there are no files of theirs to reach
        try:
            await asyncio.to_thread(runtime.remove_image, image_folder(account.home, self.name), account)
        except (OSError, subprocess.SubprocessError) as error:
            self.log.warning("A memory image of %s could not be removed: %s", self._log_name, error)

    async def _end_all(self, marker: str, uid: int, *, leader: int = 0, force: bool = False) -> None:
        if not await end_session_processes(marker, uid, leader=leader, force=force):
            self.log.error("Processes of %s do not end, not even killed; their marker is %s", self._log_name, marker)

    async def _remove(self, folder: str) -> None:
        try:
            await asyncio.to_thread(runtime.remove, folder)
        except OSError as error:
            self.log.warning("The runtime folder %s could not be removed: %s", folder, error.strerror)


_files = Measured()
"""This machine's homes."""


def _popen(command: list[str], kwargs: dict[str, Any]) -> subprocess.Popen[bytes]:
    # By LocalProcessSpawner's name for it: JupyterHub's tests replace it there.
    return hub_spawner.Popen(command, **kwargs)  # type: ignore[attr-defined]


def _why_ended(title: str, lines: list[str]) -> str:
    """Return the sentence for a session that ended while it started: the runner's own, if it refused its settings."""
    own = [line.removeprefix(RUNNER_PREFIX) for line in lines if line.startswith(RUNNER_PREFIX)]
    return own[-1] if own else f"{title} ended while it was starting. Try again; the hub's log says why it ended."


_said: set[str] = set()


def _say_once(log: Callable[[str], None], sentence: str) -> None:
    if sentence not in _said:
        _said.add(sentence)
        log(sentence)
