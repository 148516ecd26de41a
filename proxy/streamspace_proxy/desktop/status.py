"""What the desktop says about itself: the status object of the control socket, and its sentences. Pure data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from streamspace_proxy.desktop.processes import Exit

State = Literal["starting", "running", "failed", "stopping"]


@dataclass
class AppStatus:
    """How the app is."""

    state: Literal["starting", "running", "exited"] = "starting"
    pid: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    restarts: int = 0


@dataclass
class Status:
    """How the desktop is; `running` means that there is a screen to look at."""

    state: State = "starting"
    display: str | None = None
    message: str = "Starting the screen"
    app: AppStatus = field(default_factory=AppStatus)

    def as_json(self) -> dict[str, Any]:
        """Return the status object as docs/reference/environment.md describes it."""
        return asdict(self)


NO_X_SERVER = (
    "No X server is installed here. Install the Debian package tigervnc-standalone-server, "
    "then start the session again."
)
NO_DISPLAY = (
    "No free display number is left on this machine. Stop sessions that you no longer need, then start this one again."
)
X_FAILED = (
    "The screen could not be started; desktop.log in the session's runtime folder says why. Start the session again."
)
X_TOO_OFTEN = "The screen has ended again and again. Stop the session, then start it again."


def app_ended(title: str, how: Exit, window_mode: str) -> str:
    """Say that an app has ended."""
    if how.code == 0:
        said = "You have logged out" if window_mode == "desktop" else f"{title} has been closed"
        return f"{said}. Start it again or stop the session."
    return f"{title} has ended ({how}). Start it again or stop the session."


def not_installed(title: str, program: str, packages: Sequence[str]) -> str:
    """Say that an app's program is not there."""
    if not packages:
        return f"{title} is not installed here: there is no program {program}. Install it, then start it again."
    kind = "package" if len(packages) == 1 else "packages"
    return f"{title} is not installed here. Install the Debian {kind} {' '.join(packages)}, then start it again."


def cannot_run(title: str, program: str, reason: str) -> str:
    """Say that the kernel does not run a program."""
    return f"{title} cannot be started: {program}: {reason}."
