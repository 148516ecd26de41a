"""What the app and all that it started take: time of processors and GPUs; and which programs run. Reads `/proc`."""

from __future__ import annotations

import os
import time
from typing import Any

from streamspace_proxy.desktop import gpu_load
from streamspace_proxy.desktop.processes import descendants

SERVANTS = ("Xtigervnc", "pulseaudio", "openbox")
"""They are at work only for others: pictures and sound alone are no work of the app's."""
_TICKS = os.sysconf("SC_CLK_TCK")


def usage(root: int) -> dict[str, Any]:
    """Return the usage of everything below `root`, without the servants.

    `at` is in seconds of CLOCK_MONOTONIC; `cpu` in seconds of processor time, with that of children that have ended
    (proc_pid_stat(5): utime, stime, cutime, cstime), so that it does not fall when a short-lived program ends; `gpu` in
    seconds of the GPUs' engines, of programs that run.
    """
    ticks, programs = _read(root)[0], set()
    gpu: list[str] = []
    for pid in descendants(root):
        spent, name = _read(pid)
        if name not in SERVANTS:
            ticks += spent
            programs.add(name)
            gpu += gpu_load.fdinfo(pid)
    spent_there = gpu_load.seconds(gpu)
    return {"at": time.monotonic(), "cpu": ticks / _TICKS, "gpu": spent_there, "programs": sorted(programs - {""})}


def _read(pid: int) -> tuple[int, str]:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            head, _, rest = file.read().rpartition(b")")
    except OSError:
        return 0, ""  # gone meanwhile
    return sum(int(field) for field in rest.split()[11:15]), head.partition(b"(")[2].decode(errors="replace")
