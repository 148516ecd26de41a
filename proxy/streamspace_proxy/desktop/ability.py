"""Whether a desktop's memory can be kept here; if not, why, and what would change it. Looks, and changes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streamspace_proxy.desktop import criu, privileges
from streamspace_proxy.desktop.settings import Settings

SHIM = Path(__file__).with_name("sleep_shim.so")
"""Made of sleep_shim.c when StreamSpace was built, where there was a C compiler."""


@dataclass(frozen=True, slots=True)
class Ability:
    """What was found."""

    program: str | None = None
    """CRIU."""
    why_not: str | None = None
    """One sentence for the user; None: memory can be kept."""
    turn_on: str | None = None
    """The command, to be given by an administrator, that would change it; None where there is none."""
    enter_namespaces: bool = False
    """Whether the desktop needs namespaces of its own."""
    key: bytes | None = field(default=None, repr=False)
    """What memory images are encrypted with; None: they are not."""

    @property
    def memory(self) -> bool:
        """Whether memory can be kept."""
        return self.why_not is None


def assess(settings: Settings, environ: Mapping[str, str]) -> Ability:
    """Look whether memory can be kept, the quickest reasons first."""
    if not settings.memory_sleep:
        return _not_this_app(settings)
    if environ.get("STREAMSPACE_MEMORY_SLEEP") != "on":
        return Ability(
            why_not="Sleep with memory is off here, unless an administrator turns it on.",
            turn_on="c.StreamSpace.memory_sleep = True  # in jupyterhub_config.py",
        )
    if not SHIM.exists():
        return Ability(
            why_not="StreamSpace was built here without a C compiler, which sleep with memory needs.",
            turn_on="apt-get install gcc libc6-dev && pip install --force-reinstall --no-deps streamspace-hub",
        )
    if is_confined():
        return Ability(why_not="A seccomp filter lies on this session, and CRIU cannot work under one.")
    program = criu.find(environ)
    version = None if program is None else criu.version(program)
    if program is None or version is None or not criu.is_new_enough(version):
        found = "is not installed here" if version is None else f"is too old here: {version}"
        needed = ".".join(map(str, criu.OLDEST))
        return Ability(
            why_not=f"CRIU {needed} or later keeps memory, and {found}.",
            turn_on="apt-get install criu  # Debian 13 or later",
        )
    return _rights(program)


def _not_this_app(settings: Settings) -> Ability:
    if settings.keeps_sandbox:
        return Ability(
            why_not=f"{settings.title} keeps its sandbox, with which its memory cannot be kept.",
            turn_on='c.StreamSpace.default_policy = {"browser_sandbox": False}  # in jupyterhub_config.py',
        )
    return Ability(why_not=f"It is not known whether {settings.title} lives on when its memory was kept.")


def _rights(program: str) -> Ability:
    if os.getpid() == 1:
        if set(privileges.NEEDED) <= privileges.effective_capabilities():
            return Ability(program)
        return Ability(why_not="This container lacks the capabilities CHECKPOINT_RESTORE, SETPCAP and SYS_PTRACE.")
    if (reason := privileges.try_namespaces()) is None:
        return Ability(program, enter_namespaces=True)
    return Ability(
        why_not=f"The kernel does not give this user namespaces of its own, which sleep with memory needs ({reason}).",
        turn_on=_permission(),
    )


def _permission() -> str | None:
    """Return the command that lets ordinary users have namespaces, for the switch that says no."""
    switches = (
        ("kernel.apparmor_restrict_unprivileged_userns", "0", "1"),
        ("kernel.unprivileged_userns_clone", "1", "0"),
        ("user.max_user_namespaces", "10000", "0"),
    )
    for name, wanted, refusing in switches:
        path = Path("/proc/sys", name.replace(".", "/"))
        if path.exists() and path.read_text(encoding="ascii").strip() == refusing:
            return f"sysctl -w {name}={wanted}"
    return None


def is_confined() -> bool:
    """Whether a seccomp filter lies on us, and so on all that we start."""
    status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    match = re.search(r"^Seccomp:\s*(\d)$", status, re.MULTILINE)
    return match is not None and match[1] != "0"
