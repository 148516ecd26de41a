"""Starting, reaping and ending processes so that none is left over. Knows nothing of what they are.

Linux only: `prctl(2)` makes the kernel end children whose parent was killed, and hands us the orphans of our tree.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
# Loaded here and not between fork and exec, where the loader must not run.
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value})")


def die_with_parent(number: int, parent: int) -> None:
    """Have the kernel send signal `number` to this process when `parent` dies (it may be dead already).

    The kernel means the parent *thread*: children must be started from a thread that lives as long as the process.
    """
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide_from_same_user() -> None:
    """Close `/proc/self/environ`, memory and ptrace to other processes of the same uid."""
    _prctl(_PR_SET_DUMPABLE, 0)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: with a code, or by a signal."""

    code: int | None
    signal: int | None

    def __str__(self) -> str:
        if self.signal is None:
            return f"exit code {self.code}"
        try:
            return f"killed by {signal.Signals(self.signal).name}"
        except ValueError:  # real-time signals have no names
            return f"killed by signal {self.signal}"


@dataclass(eq=False)
class Child:
    """A process that we started; the leader of a session and process group of its own."""

    name: str
    pid: int
    ended: asyncio.Future[Exit]
    started: float = field(default_factory=time.monotonic)

    @property
    def alive(self) -> bool:
        """Whether its end has not been seen yet."""
        return not self.ended.done()

    def send(self, number: int) -> None:
        """Signal the process and those of its group."""
        if self.alive:  # not reaped: the pid is still its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)


class ProcessTable:
    """Our children, and the reaping of them and of all orphans that come to us."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._children: dict[int, tuple[Child, subprocess.Popen[bytes]]] = {}
        self._loop.add_signal_handler(signal.SIGCHLD, self._reap)

    def start(  # noqa: PLR0913
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        log: int,
        cwd: str = "/",
        pass_fds: Iterable[int] = (),
        death_signal: int = signal.SIGKILL,
    ) -> Child:
        """Start `argv` (no shell) with its output going to the descriptor `log`.

        `death_signal` is what it gets when we are killed. Raises OSError when the program cannot be run.
        """
        process = subprocess.Popen(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
            # Runs between fork and exec of a single-threaded process: one system call, nothing is allocated.
            preexec_fn=partial(die_with_parent, death_signal, os.getpid()),
        )
        child = Child(name, process.pid, self._loop.create_future())
        self._children[process.pid] = (child, process)
        return child

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid not in self._children:
                continue  # an orphan
            child, process = self._children.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            process.returncode = code  # it must not wait for a pid that may belong to another by then
            child.ended.set_result(Exit(code, None) if code >= 0 else Exit(None, -code))

    async def end(self, children: Iterable[Child | None], grace: float) -> None:
        """End all `children` together: SIGTERM, and SIGKILL for what is left after `grace` seconds."""
        alive = [child for child in children if child is not None and child.alive]
        for child in alive:
            child.send(signal.SIGTERM)
            child.send(signal.SIGCONT)  # a stopped process would not see the other
        if alive and (late := (await asyncio.wait([child.ended for child in alive], timeout=grace))[1]):
            for child in alive:
                child.send(signal.SIGKILL)
            await asyncio.wait(late, timeout=1)

    async def sweep(self, keep: Iterable[int] = (), limit: float = 2.0) -> list[int]:
        """SIGKILL every descendant but the trees of `keep`; returns what is left after `limit` seconds."""
        deadline = time.monotonic() + limit
        while left := descendants(os.getpid(), skip=keep):
            if time.monotonic() > deadline:
                return left
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.02)
            self._reap()
        return []


def descendants(root: int, skip: Iterable[int] = ()) -> list[int]:
    """All living processes below `root`, without the trees of `skip`."""
    children = defaultdict(list)
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # "pid (comm) state ppid ...": comm may hold spaces and parentheses.
                state, parent = file.read().rpartition(b")")[2].split(maxsplit=2)[:2]
        except OSError:
            continue  # gone meanwhile
        if state not in (b"Z", b"X"):
            children[int(parent)].append(int(name))
    found: list[int] = []
    queue = [root]
    hidden = set(skip)
    while queue:
        for pid in children[queue.pop()]:
            if pid not in hidden:
                found.append(pid)
                queue.append(pid)
    return found
