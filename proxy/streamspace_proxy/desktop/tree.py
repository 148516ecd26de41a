"""What can be told of a tree of processes from /proc: which they are, how much memory they have, which files."""

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


def open_files(pid: int) -> set[str]:
    """Return the names of all files that a process has open."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return {name for name in found if name.startswith("/")}


def opened_files(pids: Iterable[int]) -> set[str]:
    """Return the names of all files that these processes have open or mapped."""
    found: set[str] = set()
    for pid in pids:
        found |= open_files(pid)
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/maps").read_text(errors="surrogateescape").splitlines():
                found.add(line.split(maxsplit=5)[5] if line.count("/") else "")
    return {name for name in found if name.startswith("/")}
