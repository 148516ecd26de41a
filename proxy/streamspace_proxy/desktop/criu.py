"""Runs CRIU (criu(8), 4.1 or later, `--unprivileged`). Knows processes and streams, no desktops."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from streamspace_proxy.desktop.image_stream import ImageStream

OLDEST = (4, 1)
"""Debian bookworm's 3.17 does not know `--unprivileged` as it is needed."""
DUMP_LIMIT, RESTORE_LIMIT = 120.0, 60.0
"""Seconds. A restore from a truncated file of pages would never end by itself."""
_OPTIONS = (
    "--unprivileged",
    "--tcp-established",
    "--network-lock",
    "skip",
    "--ext-unix-sk",
    "--file-locks",
    "--stream",
    "-v2",
)
_GHOST_LIMIT = "512M"
"""Largest file without a name that is kept with the memory."""


_PROBING = ("net: Unexpected error", "rlimit: Can't setup")
"""How errors begin that CRIU logs and goes on, where it has not all of root's rights."""

_KNOWN = (
    ("ctty inheritance", "a program in a terminal has /dev/tty open, which CRIU cannot keep"),
    ("inet: ", "a program has a network connection that CRIU cannot keep"),
    ("No space left on device", "the disk is full"),
    # Of what is mapped into programs CRIU remembers size and build ID.
    (" has bad build-ID", "a program or library that it runs has been changed meanwhile, as by an update"),
    (" has bad size ", "a program or library that it runs has been changed meanwhile, as by an update"),
)
"""What a log that holds the first means, in plain words."""

_PASSING = (
    # A connection that has not been accepted yet, or that was made after we had looked whether there is any.
    "In-flight connection",
    "in-flight socket",
    "Dangling connection",
    "Can't dump half of stream unix connection",
    "External socket is used",
    "Can't dump name-less external socket",
    "Can't dump corked dgram socket",
    # A program or a thread that ended, or was just being stopped, while CRIU stopped all.
    "Task pid reused while suspending",
    "task not stopped after seize",
    "found while seizing",
    "Zombie thread not supported",
    "Individually stopped threads not supported",
)
"""What CRIU says of a tree that is in a state of a moment (its seize.c, sk-unix.c, sk-inet.c, compel's infect.c)."""
_GIVEN_UP = "Dumping FAILED."
"""CRIU's last word. Its only one when programs or threads came up faster than it could stop them."""


class CriuError(Exception):
    """CRIU has not done what it was asked for; the text is a part of a sentence that says why.

    `passing`: whether the reason may be gone in a moment.
    """

    def __init__(self, said: str, *, passing: bool = False) -> None:
        super().__init__(said)
        self.passing = passing


def find(environ: Mapping[str, str]) -> str | None:
    """Return the path of the program: the one that the environment names, else beside our Python or on PATH."""
    if named := environ.get("STREAMSPACE_CRIU"):
        return named if os.access(named, os.X_OK) else None
    beside = Path(sys.prefix, "bin", "criu")
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("criu", path="/usr/local/sbin:/usr/sbin:/sbin")


def version(program: str) -> str | None:
    """Return its version (`4.1.1`); None when it does not run."""
    try:
        done = subprocess.run([program, "--version"], check=False, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"^Version: ([\d.]+)", done.stdout, re.MULTILINE)
    return match[1] if match else None


def is_new_enough(text: str) -> bool:
    """Whether a version will do."""
    return tuple(int(part) for part in text.split(".")[:2] if part) >= OLDEST


def dump(program: str, root: int, images: ImageStream, log: Path) -> None:
    """Hand over the tree of `root`; all its processes are stopped afterwards. Raises CriuError."""
    _run([program, "dump", "-t", str(root), "--leave-stopped", "--ghost-limit", _GHOST_LIMIT], images, log, DUMP_LIMIT)


def restore(program: str, images: ImageStream, log: Path) -> None:
    """Bring a tree back, as children of ours; raises CriuError, and parts of the tree may be there."""
    _run([program, "restore", "-d"], images, log, RESTORE_LIMIT)


def _run(command: list[str], images: ImageStream, log: Path, limit: float) -> None:
    log.unlink(missing_ok=True)
    try:
        code = _attended([*command, *_OPTIONS, "-D", str(images.folder), "-o", str(log)], images, limit)
    except subprocess.TimeoutExpired:
        raise CriuError(f"it was not done after {limit:.0f} seconds") from None
    except OSError as error:
        raise CriuError(f"{command[0]}: {error.strerror}") from error
    if images.error is not None:
        raise images.error
    if code < 0:
        raise CriuError(f"CRIU was ended by signal {-code}")
    if code != 0:
        text = _text(log)
        raise CriuError(reason(text), passing=is_passing(text))


def _attended(command: list[str], images: ImageStream, limit: float) -> int:
    """Run CRIU beside what takes or gives its images; returns its exit code once all is taken."""
    nothing, code = subprocess.DEVNULL, -1
    try:
        with subprocess.Popen(command, cwd="/", stdin=nothing, stdout=nothing, stderr=nothing) as process:
            images.start(process)
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    finally:
        images.close(whole=code == 0)
    return code


def _text(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def reason(log: str) -> str:
    """Return what CRIU's log gives as its reason: in plain words where we know them, else its first error."""
    for sign, meaning in _KNOWN:
        if sign in log:
            return meaning
    told = _errors(log)
    return f"CRIU says: {told[0]}" if told else "CRIU does not say why"


def is_passing(log: str) -> bool:
    """Whether what CRIU's log gives as its reason may be gone in a moment."""
    told = _errors(log)
    return set(told) == {_GIVEN_UP} or any(sign in said for said in told for sign in _PASSING)


def _errors(log: str) -> list[str]:
    # "(00.003431) Error (criu/net.c:1253): net: Unexpected error: ..."; those of the probing of features come first.
    errors: list[str] = re.findall(r"^(?:\([\d.]+\))?(?:\s*\d+:)?\s*Error \([^)]*\): (.*)$", log, re.MULTILINE)
    return [said for said in errors if not said.startswith(_PROBING)]
