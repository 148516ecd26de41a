"""Namespaces and capabilities, by system call: what keeping memory needs of the kernel. Knows nothing of desktops.

unshare(2), user_namespaces(7), pid_namespaces(7), capabilities(7). A user namespace gives an ordinary user, inside it
only, what else root alone has: a PID namespace of one's own, and the right to choose PIDs in it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import secrets
import signal
from pathlib import Path

from streamspace_proxy.desktop.processes import die_with_parent

SETPCAP, SYS_PTRACE, CHECKPOINT_RESTORE = 8, 19, 40
NEEDED = (SETPCAP, SYS_PTRACE, CHECKPOINT_RESTORE)
"""What CRIU runs with. Without SETPCAP a dump works and its restore hangs."""
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
_CLONE_NEWTIME = 0x80
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 8, 0x1000, 0x4000, 0x80000
_PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 4, 8, 24, 47, 2
_CAPABILITY_VERSION_3 = 0x20080522
FIRST_PID, SPREAD = 5000, 20_000
"""Where the PIDs of a desktop begin, and in how many after that: out of the way of what will help to wake it, and of
those of other desktops, since programs name sockets after their PID that are the whole machine's (libICE does)."""
_libc = ctypes.CDLL(None, use_errno=True)


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def effective_capabilities() -> frozenset[int]:
    """Return the numbers of the capabilities that we have."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        match = re.search(r"^CapEff:\s*([0-9a-f]+)$", file.read(), re.MULTILINE)
    bits = int(match[1], 16) if match else 0
    return frozenset(number for number in range(64) if bits >> number & 1)


def keep_only(capabilities: tuple[int, ...]) -> None:
    """Have these capabilities and no other, and hand them on to programs that we run."""
    header = _CapHeader(_CAPABILITY_VERSION_3, 0)
    words = [sum(1 << (number % 32) for number in capabilities if number // 32 == half) for half in (0, 1)]
    # For each half: effective, permitted, inheritable.
    data = (ctypes.c_uint32 * 6)(*[word for word in words for _ in range(3)])
    _check(_libc.capset(ctypes.byref(header), data), "capset")
    for number in capabilities:
        _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number, 0, 0), "prctl(PR_CAP_AMBIENT)")


def become(uid: int) -> None:
    """From root, become an ordinary user for good, with what CRIU needs of the capabilities that there are.

    The group stays. Raises OSError.
    """
    kept = tuple(number for number in NEEDED if number in effective_capabilities())
    _check(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl(PR_SET_KEEPCAPS)")
    os.setresuid(uid, uid, uid)
    keep_only(kept)
    if SETPCAP in kept:
        # No others can be had from here on, whatever is run: that of changing the user, for one.
        for number in set(range(64)) - set(kept):
            _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    show_to_same_user()


def show_to_same_user() -> None:
    """Let the kernel show `/proc/self` to our uid again, which it stops when capabilities change."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")


def try_namespaces() -> str | None:
    """Return why we cannot have namespaces of our own; None: we can. Nothing is changed."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = b""
        try:
            _unshare()
            if (inner := os.fork()) == 0:
                _mount_own()
                os._exit(0)
            if os.waitpid(inner, 0)[1] != 0:
                said = b"/proc or /dev/pts cannot be mounted"
        except OSError as error:
            said = str(error.strerror).encode()
        except BaseException as error:  # a fork must never return into its caller
            said = repr(error).encode()
        os.write(writer, said)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        reason = file.read().decode(errors="replace")
    os.waitpid(pid, 0)
    return reason or None


def enter_namespaces(clock_behind: float = 0.0) -> int:
    """Move into namespaces of our own; returns 0 in the new first process, and in the caller its PID, as fork does.

    There the clock is set forward by `clock_behind` seconds, where the kernel lets us.
    """
    _unshare()
    if clock_behind > 0:
        with contextlib.suppress(OSError):
            _set_clock_forward(clock_behind)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        # Across the border of the namespace there is no parent to compare with: getppid() is 0.
        die_with_parent(signal.SIGTERM, 0)
        _mount_own()
        keep_only(NEEDED)
        die_with_parent(signal.SIGTERM, 0)  # taken back by the kernel when capabilities change
        return 0
    assert os.getpid() == parent
    return pid


def stand_before(pid: int) -> int:
    """Be the outside of the namespaces' first process: pass signals on, and return its exit code."""

    def forward(number: int, _frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    while True:
        _, status = os.waitpid(pid, 0)  # begins anew after a signal (PEP 475)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code


def _unshare() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        _check(_libc.unshare(_CLONE_NEWNS | _CLONE_NEWPID), "unshare")
        return
    _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWPID), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _set_clock_forward(seconds: float) -> None:
    """Have our children see a CLOCK_MONOTONIC that is ahead: time_namespaces(7), in which offsets are the machine's."""
    _check(_libc.unshare(_CLONE_NEWTIME), "unshare")
    with open("/proc/self/timens_offsets", encoding="ascii") as file:
        offsets = {name: int(whole) for name, whole, _ in map(str.split, file)}
    ahead = int(seconds) + 1
    with open("/proc/self/timens_offsets", "w", encoding="ascii") as file:
        file.write("".join(f"{name} {whole + ahead} 0\n" for name, whole in offsets.items()))


def _mount_own() -> None:
    """Have a /proc of our PIDs, and terminals whose numbers nobody else can have when they are to come back."""
    _check(_libc.mount(b"none", b"/", None, _MS_REC | _MS_SLAVE, None), "mount /")
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _check(_libc.mount(b"proc", b"/proc", b"proc", flags, None), "mount /proc")
    terminals = b"newinstance,ptmxmode=0666,mode=0620"
    _check(_libc.mount(b"devpts", b"/dev/pts", b"devpts", _MS_NOSUID | _MS_NOEXEC, terminals), "mount /dev/pts")
    if not os.path.islink("/dev/ptmx"):
        _check(_libc.mount(b"/dev/pts/ptmx", b"/dev/ptmx", None, _MS_BIND, None), "mount /dev/ptmx")


def pass_pids(shim: Path) -> None:
    """Have the next process get a PID from FIRST_PID on; raises OSError. `shim` is our library."""
    try:
        with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
            file.write(str(FIRST_PID + secrets.randbelow(SPREAD)))
    except OSError:  # read-only in a container: there they are used up, which takes half a second
        library = ctypes.CDLL(str(shim), use_errno=True)
        _check(library.streamspace_pass_pids(FIRST_PID), "vfork")


class OuterPids:
    """Says what PID a process of our namespace has in that of whoever looks from outside."""

    def __init__(self) -> None:
        self._proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def of(self, pid: int) -> int | None:
        """Return it; None when the process is gone. The view is that of `/proc` at the time when we were made."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return None
        try:
            path = f"self/fdinfo/{descriptor}"
            with open(
                path, encoding="ascii", opener=lambda name, flags: os.open(name, flags, dir_fd=self._proc)
            ) as file:
                match = re.search(r"^Pid:\s*(\d+)$", file.read(), re.MULTILINE)
        finally:
            os.close(descriptor)
        return int(match[1]) if match else None
