"""What a desktop's programs use that no memory image can hold: told beforehand, and before CRIU is called.

`find` looks, at /proc; `obstacle` decides, purely.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from streamspace_proxy.desktop import tree

_GPU = re.compile(r"/dev/(nvidia\d+|nvidiactl|nvidia-uvm|nvidia-caps/.+|dri/renderD\d+|dri/card\d+|kfd)")
"""Device files of NVIDIA's driver, of the kernel's DRM and of AMD's compute driver."""


@dataclass(frozen=True, slots=True)
class Program:
    """What counts of one process."""

    pid: int
    name: str
    filtered: bool = False
    """Whether a seccomp filter lies on it. CRIU needs CAP_SYS_ADMIN to see into that, and has been seen to end it."""
    files: frozenset[str] = frozenset()
    """Names of the files that it has open."""


def obstacle(title: str, programs: Iterable[Program]) -> str | None:
    """Return the sentence that says why the memory of a desktop with these `programs` cannot be kept; None: it can."""
    for program in programs:
        if program.filtered:
            return (
                f"The memory of {title} cannot be kept: its program {program.name} (pid {program.pid}) has a seccomp "
                "filter, as the sandboxes of browsers have. Close it, or switch its sandbox off."
            )
        if gpu := sorted(name for name in program.files if _GPU.fullmatch(name)):
            return (
                f"The memory of {title} cannot be kept: its program {program.name} (pid {program.pid}) uses a GPU "
                f"({gpu[0]}), whose memory cannot be kept. Save your work; only files outlast its sleep."
            )
    return None


def find(title: str, root: int) -> str | None:
    """Look at the tree of `root`; returns what `obstacle` does."""
    return obstacle(title, _programs(tree.members(root)))


def _programs(pids: Iterable[int]) -> Iterator[Program]:
    for pid in pids:
        with contextlib.suppress(OSError):  # gone meanwhile
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                status = file.read()
            mode = re.search(r"^Seccomp:\s*(\d)$", status, re.MULTILINE)
            name = status.partition("\n")[0].removeprefix("Name:").strip()
            yield Program(pid, name, mode is not None and mode[1] != "0", frozenset(tree.open_files(pid)))
