"""Memory and CPU of process trees, read from /proc."""

from __future__ import annotations

from collections.abc import Iterable

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """The process `pid` and all that descend from it."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def pss_mb(processes: Iterable[psutil.Process]) -> float:
    """Proportional set size in MB: shared pages are counted once over all that share them."""
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User and system time so far, in seconds."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def session_processes(pid: int) -> dict[str, list[psutil.Process]]:
    """The processes of a session by part: `server`, `streamer`, `x`, `runner`, `desktop`, and `app` for the rest."""
    parts: dict[str, list[psutil.Process]] = {}
    for process in tree(pid):
        parts.setdefault(_part(process), []).append(process)
    return parts


def _part(process: psutil.Process) -> str:
    try:
        command = " ".join(process.cmdline())
    except psutil.Error:
        return "app"
    for module, part in (
        ("streamspace_proxy.local", "runner"),
        ("streamspace_proxy.extension", "server"),
        ("streamspace_proxy.streamer", "streamer"),
        ("streamspace_proxy.desktop", "desktop"),
        ("Xtigervnc", "x"),
    ):
        if module in command:
            return part
    return "app"
