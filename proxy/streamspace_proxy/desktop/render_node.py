"""Keeps the X server off GPUs where a desktop is to sleep with its memory, which none that holds one can.

TigerVNC 1.14 and later opens a render node by itself, for direct rendering (DRI3), whether a program asks or not.
An app that asks for a GPU is left its direct rendering.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from streamspace_proxy.desktop.settings import Settings

_DEVICES = Path("/dev/dri")
_LIMIT = 10.0
"""Seconds that the X server gets to say which options it has."""


def arguments(settings: Settings, server: str | None, devices: Path = _DEVICES) -> tuple[str, ...]:
    """Return what is to be said to the X server besides; asks the program `server`, where there is a GPU at all."""
    if server is None or settings.preload is None or settings.gpus or not any(devices.glob("renderD*")):
        return ()
    return ("-rendernode", "") if "-rendernode" in _help(server) else ()


def _help(server: str) -> str:
    try:
        asked = subprocess.run([server, "-help"], check=False, capture_output=True, timeout=_LIMIT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (asked.stdout + asked.stderr).decode(errors="replace")
