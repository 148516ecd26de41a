"""What a machine is to a memory image: what must be the same where it is restored. Pure but for `here`."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Facts:
    """One machine, at one moment."""

    machine: str
    kernel: str
    boot_id: str
    uptime: float
    """CLOCK_MONOTONIC in seconds: programs wait for moments of this clock, and it must not go back."""
    cpu_flags: frozenset[str]
    criu: str


def here(criu: str) -> Facts:
    """Return the facts of this machine; `criu` is the version of its CRIU."""
    name = os.uname()
    flags: set[str] = set()
    match = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    if match:
        flags = set(match[1].split())
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return Facts(name.machine, name.release, boot, time.monotonic(), frozenset(flags), criu)


def mismatch(image: Facts, now: Facts) -> str | None:
    """Return why an image of one machine cannot be restored on the other, as part of a sentence; None: it can."""
    if image.machine != now.machine:
        return f"it was made on a {image.machine} and this machine is a {now.machine}"
    if image.kernel != now.kernel:
        return f"it was made under the kernel {image.kernel} and this machine runs {now.kernel}"
    if missing := sorted(image.cpu_flags - now.cpu_flags):
        return f"this machine's processor lacks {', '.join(missing[:5])}"
    if image.criu.split(".")[0] != now.criu.split(".")[0]:
        return f"it was made by CRIU {image.criu} and this machine has {now.criu}"
    if image.uptime > now.uptime:
        return "this machine's clock is behind that of the one where it was made: it was started later"
    return None
