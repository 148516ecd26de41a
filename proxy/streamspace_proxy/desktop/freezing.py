"""Stopping all processes of a desktop by signal, and letting them go on. Knows nothing of what they are."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable

from streamspace_proxy.desktop.processes import descendants

_ROUNDS = 50
"""A tree that forks faster than it can be stopped is given up after so many looks at it."""


class FreezeError(Exception):
    """The processes cannot be stopped; the text is one sentence for the user."""


def stop(root: int) -> list[int]:
    """Stop `root` and all processes below; returns those that were stopped, parents first.

    Parents first, so that no shell sees its job stop and takes the terminal back. What its user has stopped before
    is left alone, then and when all go on. Raises FreezeError; then nothing is stopped.
    """
    stopped: list[int] = []
    for _ in range(_ROUNDS):
        new = [pid for pid in (root, *descendants(root)) if pid not in stopped and not is_stopped(pid)]
        if not new:
            return stopped
        for pid in new:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
    go_on(stopped)
    raise FreezeError("The programs start others faster than they can be stopped. Try again later.")


def go_on(stopped: Iterable[int]) -> None:
    """Let what `stop` returned go on, children first: a shell then finds its job running."""
    for pid in reversed(list(stopped)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def state_of(pid: int) -> str:
    """Return the state of a process as proc_pid_stat(5) has it; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return ""


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped, a zombie or gone: whether nothing needs to be done so that it stands still."""
    return state_of(pid) in ("T", "t", "Z", "X", "")
