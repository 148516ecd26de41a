"""What `streamspace doctor` finds on the machine that it runs on: programs, codecs, CRIU, room. Changes nothing.

The packages of a session may not be here, and are asked for what they can do only where they are.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from streamspace_hub.cli.check import Check, Status

PROGRAMS = {
    "Xtigervnc": ("X server", "apt-get install tigervnc-standalone-server"),
    "openbox": ("window manager", "apt-get install openbox"),
    "dbus-daemon": ("D-Bus", "apt-get install dbus"),
    "pulseaudio": ("sound server", "apt-get install pulseaudio"),
    "setxkbmap": ("keyboard layouts", "apt-get install x11-xkb-utils xkb-data"),
}
ENCODERS = {"H.264 encoder": "libx264", "VP8 encoder": "libvpx", "Opus encoder": "libopus"}
"""What a session encodes with, as FFmpeg calls it."""
SESSION_EXTRA = 'pip install "streamspace-hub[session]"'
LEAST_STORAGE = 2**30
OLDEST_CRIU = (4, 1)
CRIU = "CRIU"
CRIU_LIMIT = 20
"""Seconds that CRIU may take to look at the kernel; the first time it tries out much."""


def check_machine(*, required: bool) -> Iterator[Check]:
    """Look at this machine. `required`: sessions run here, so that what they cannot do without is red."""
    missing: Status = "red" if required else "grey"
    yield _storage(required=required)
    for program, (name, advice) in PROGRAMS.items():
        path = shutil.which(program)
        if path:
            yield Check(name, "green", path)
        else:
            yield Check(name, missing, f"{program} is not on this machine", advice if required else "")
    yield from _encoders(missing)
    if importlib.util.find_spec("aiortc"):
        yield Check("WebRTC", "green", "Python package aiortc")
    else:
        yield _lacking("WebRTC", "aiortc", missing)
    yield check_criu(missing)


def _storage(*, required: bool) -> Check:
    free = shutil.disk_usage(Path.home()).free
    found = f"{free / 2**30:.1f} GiB free in {Path.home()}"
    if required and free < LEAST_STORAGE:
        return Check("storage", "red", found, "Apps keep settings and files there: make room.")
    return Check("storage", "green" if required else "grey", found)


def _encoders(missing: Status) -> Iterator[Check]:
    """Have FFmpeg, as it comes with PyAV, make each encoder."""
    if not importlib.util.find_spec("av"):
        for name in ENCODERS:
            yield _lacking(name, "av", missing)
        return
    try:
        av = importlib.import_module("av")
    except ImportError as error:  # a library of its own is not there
        for name in ENCODERS:
            yield Check(name, missing, f"the Python package av does not load: {error}", SESSION_EXTRA)
        return
    for name, codec in ENCODERS.items():
        try:
            av.CodecContext.create(codec, "w")
        except (ValueError, av.FFmpegError):  # UnknownCodecError is a ValueError
            found = f"the FFmpeg of PyAV {av.__version__} has no {codec}"
            advice = 'Use the wheel of PyAV, whose FFmpeg has it: pip install --force-reinstall --only-binary av "av"'
            yield Check(name, missing, found, advice if missing == "red" else "")
        else:
            yield Check(name, "green", f"{codec} of PyAV {av.__version__}")


def _lacking(name: str, module: str, missing: Status) -> Check:
    advice = SESSION_EXTRA if missing == "red" else ""
    return Check(name, missing, f"the Python package {module} is not here", advice)


def check_criu(missing: Status) -> Check:
    """Ask CRIU whether it can work here (`criu check`, criu(8)); that it is absent is no fault."""
    program = _find_criu()
    if program is None:
        advice = "To put sessions to sleep with their memory: apt-get install criu  # Debian 13 or later"
        return Check(CRIU, "grey", "not installed here; sessions can be frozen and stopped", advice)
    version = re.search(r"^Version: ([\d.]+)", _said_by(program, "--version")[1], re.MULTILINE)
    numbers = tuple(int(part) for part in version[1].split(".")[:2] if part) if version else ()
    if version is None or numbers < OLDEST_CRIU:
        found = f"{program} is {version[1]}, and too old" if version else f"{program} does not run"
        return Check(CRIU, missing, found, "Sleep with memory needs CRIU 4.1: Debian 13 or later has it.")
    able, said = _said_by(program, "check", "--unprivileged")
    if able:
        return Check(CRIU, "green", f"CRIU {version[1]} can work here ({program})")
    last = (said.strip().splitlines() or ["it does not say why"])[-1]
    advice = (
        "The kernel, or what confines this process, keeps it from working: `criu check --unprivileged` says all of it, "
        "docs/how-to/sleep.md what it needs. Without it, sessions can be frozen and stopped."
    )
    return Check(CRIU, missing, f"CRIU {version[1]} cannot work here: {last}", advice)


def _find_criu() -> str | None:
    """Return where sessions look for it: what the environment names, beside our Python, or where Debian has it."""
    if named := os.environ.get("STREAMSPACE_CRIU"):
        return named
    beside = Path(sys.prefix, "bin", "criu")
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("criu", path="/usr/local/sbin:/usr/sbin:/sbin")


def _said_by(*command: str) -> tuple[bool, str]:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=CRIU_LIMIT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    return done.returncode == 0, done.stdout + done.stderr
