"""Processes of a session, found by the marker in their environment and ended without fail.

Standard library and Linux's /proc only; knows neither hub nor spawner. Every function here reads /proc and blocks for
milliseconds, so callers on an event loop run it in a thread; `end_session_processes` does that itself.

A process is pinned by a pidfd before it is looked at and signalled through it, so a reused pid is never hit
(pidfd_open(2)).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

MARKER_VARIABLE = "STREAMSPACE_SESSION"
TERM_GRACE = 3.0
"""Seconds that processes left over by the session's first process have between SIGTERM and SIGKILL."""
KILL_GRACE = 5.0
"""Seconds after SIGKILL until a process that the kernel does not let go (state D) is given up."""


@dataclass(frozen=True)
class ProcessStat:
    """The part of /proc/PID/stat that identifies a process: see proc_pid_stat(5)."""

    pid: int
    parent: int
    start: int
    """Clock ticks after boot: with the pid, an identity that is never reused."""
    alive: bool
    """False for a zombie, which holds a pid and nothing else."""


def read_stat(pid: int) -> ProcessStat | None:
    """Return what /proc says about `pid`, or None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field is the program's name in parentheses, and may hold any character.
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return ProcessStat(pid, parent=int(fields[1]), start=int(fields[19]), alive=fields[0] not in (b"Z", b"X"))


def is_alive(pid: int, start: int) -> bool:
    """Return whether the process `pid` that began at tick `start` still runs."""
    stat = read_stat(pid)
    return stat is not None and stat.alive and stat.start == start


def signal_process(pid: int, start: int, number: int) -> None:
    """Send signal `number` to the process if it still is the one that began at tick `start`."""
    with suppress(ProcessLookupError), _pinned(pid) as pidfd:
        if is_alive(pid, start):
            signal.pidfd_send_signal(pidfd, number)


def signal_session(marker: str, uid: int, number: int, leader: int = 0) -> int:
    """Send signal `number` (0: none) to every living process of a session; return how many there are.

    A process belongs to the session if it runs under `uid` and carries the marker, or descends from one that does
    (Chromium's children, for one, write over their environment).

    Args:
        marker: a whole marker, or the part before its dot, which stands for every start of the same server.
        uid: the session's.
        number: the signal, or 0.
        leader: the pid of the session's first process if it lives: it hides its environment, even from its own user.
    """
    members = _members(marker, uid, leader)
    if number:
        for member in members:
            signal_process(member.pid, member.start, number)
    return len(members)


async def end_session_processes(marker: str, uid: int, *, leader: int = 0, force: bool = False) -> bool:
    """End every process of a session, those included that are born meanwhile. Return False if some would not die.

    Args:
        marker: see `signal_session`.
        uid: the session's.
        leader: the pid of the session's first process, if it is known to live.
        force: without waiting for anything to end in good order.
    """
    begin = time.monotonic()
    start = getattr(read_stat(leader), "start", -1)

    def send(number: int) -> int:
        return signal_session(marker, uid, number, leader if is_alive(leader, start) else 0)

    count = await asyncio.to_thread(send, signal.SIGKILL if force else signal.SIGTERM)
    grace = 0.0 if force else TERM_GRACE
    pause = 0.05
    while count:
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.5)
        elapsed = time.monotonic() - begin
        if elapsed > grace + KILL_GRACE:
            return False
        number = signal.SIGKILL if elapsed >= grace else 0
        count = await asyncio.to_thread(send, number)
    return True


def _members(marker: str, uid: int, leader: int) -> list[ProcessStat]:
    exact = f"{MARKER_VARIABLE}={marker}".encode()
    processes = {stat.pid: stat for stat in _processes_of(uid)}
    found = {
        pid for pid in processes if any(entry == exact or entry.startswith(exact + b".") for entry in _environment(pid))
    }
    found |= {leader} & processes.keys()
    grown = True
    while grown:
        children = {pid for pid, stat in processes.items() if stat.parent in found}
        grown = not children <= found
        found |= children
    return [processes[pid] for pid in found]


def _processes_of(uid: int) -> Iterator[ProcessStat]:
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        with suppress(FileNotFoundError, ProcessLookupError):
            if not _runs_under(entry, uid):
                continue
            stat = read_stat(int(entry.name))
            if stat is not None and stat.alive:
                yield stat


def _runs_under(entry: os.DirEntry[str], uid: int) -> bool:
    owner = entry.stat().st_uid
    if owner == uid or owner != 0:
        return owner == uid
    # A process that may not be dumped (ssh-agent, say) has a folder of root's, whoever it belongs to: proc_pid(5).
    with open(f"{entry.path}/status", "rb") as file:
        for line in file:
            if line.startswith(b"Uid:"):
                return int(line.split()[1]) == uid
    return False


def _environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


@contextmanager
def _pinned(pid: int) -> Iterator[int]:
    pidfd = os.pidfd_open(pid)
    try:
        yield pidfd
    finally:
        os.close(pidfd)
