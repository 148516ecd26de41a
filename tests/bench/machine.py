"""What was measured on: the processor, its cores, the versions of what took part. One JSON line for each run."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

import psutil

from tests.bench.streaming.variant import BUILD as INSTALLED

ROOT = Path(__file__).parents[2]
PACKAGES = ("jupyterhub", "jupyter_server", "aiortc", "av", "playwright")
PEERS = ("selkies", "jupyter-remote-desktop-proxy", "jupyter-server-proxy", "websockify")
PROGRAMS = {"chromium": ("/usr/bin/chromium", "--version"), "xtigervnc": ("Xtigervnc", "-version")}


def machine() -> dict[str, Any]:
    """Return what is to be known beside figures; `cores` are those that this process may use, `memory_gb` is 1e9 bytes.

    A version is None where the program or package is not there.
    """
    return {
        "machine": {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "cpu": _cpu(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
            "system": _system(),
            "kernel": platform.release(),
            "revision": _said("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
            "versions": {
                "python": platform.python_version(),
                **{name: _version(name) for name in PACKAGES},
                **{name: _said(*command) for name, command in PROGRAMS.items()},
                **_peers(),
            },
        }
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _peers() -> dict[str, str]:
    """Versions of the peers that are installed, each in an environment of its own."""
    found = {
        one.name: one.version
        for folder in sorted(INSTALLED.glob("*/lib/python*/site-packages"))
        for one in distributions(path=[str(folder)])
        if one.name.replace("_", "-") in PEERS
    }
    if (package := INSTALLED / "novnc-npm" / "node_modules" / "@novnc" / "novnc" / "package.json").exists():
        found["novnc"] = json.loads(package.read_text())["version"]
    return found


def _said(*command: str) -> str | None:
    """The first line that a program prints that says anything."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (line.strip() for line in (done.stdout + done.stderr).splitlines())
    return next((line for line in lines if line), None)
