"""What can be told of a tree of processes from /proc: how much memory it has, and what of it CRIU could not keep."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from streamspace_proxy.desktop.processes import descendants


def members(root: int) -> list[int]:
    """Return the PIDs of `root` and of all living processes below it."""
    return [root, *descendants(root)]


def memory_of(pids: Iterable[int]) -> int:
    """Return the bytes that these processes' memory takes: shared pages count once (proportional set size)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            match = re.search(r"^Pss:\s*(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
            total += 1024 * int(match[1]) if match else 0
    return total


def confined(pids: Iterable[int]) -> tuple[int, str] | None:
    """Return PID and name of a process with a seccomp filter, if there is one.

    CRIU needs CAP_SYS_ADMIN to see into it, and without has been seen to end the process when it tried.
    """
    for pid in pids:
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
            if (mode := re.search(r"^Seccomp:\s*(\d)$", status, re.MULTILINE)) and mode[1] != "0":
                return pid, status.partition("\n")[0].removeprefix("Name:").strip()
    return None


def opened_files(pids: Iterable[int]) -> set[str]:
    """Return the names of all files that these processes have open or mapped."""
    found: set[str] = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/maps").read_text(errors="surrogateescape").splitlines():
                found.add(line.split(maxsplit=5)[5] if line.count("/") else "")
    return {name for name in found if name.startswith("/")}
