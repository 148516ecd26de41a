"""Look into a running session's screen from outside, as root or as the session's own user."""

from __future__ import annotations

import os
import subprocess

import psutil

from tests.support.sessions import runner_pid
from tests.support.waiting import PATIENCE


def x_environment(app: str) -> dict[str, str]:
    """What an X client needs to reach the display of the newest session of `app`."""
    for process in psutil.Process(runner_pid(app)).children(recursive=True):
        try:
            environ = process.environ()
        except psutil.Error:
            continue
        if environ.get("DISPLAY"):
            return {**os.environ, "DISPLAY": environ["DISPLAY"], "XAUTHORITY": environ["XAUTHORITY"]}
    raise AssertionError(f"the session of {app} has no display")


def x_output(app: str, *command: str) -> str:
    """Run an X client on that display and return what it printed; empty when it found nothing."""
    done = subprocess.run(
        command, env=x_environment(app), check=False, capture_output=True, text=True, timeout=PATIENCE, cwd="/"
    )
    return done.stdout


def window_names(app: str) -> str:
    """The titles of all windows on that display, one a line."""
    return x_output(app, "xdotool", "search", "--name", "..", "getwindowname", "%@")


def pointer_position(app: str) -> tuple[int, int]:
    """Where the pointer is, in framebuffer pixels."""
    fields = dict(part.split(":") for part in x_output(app, "xdotool", "getmouselocation").split())
    return int(fields["x"]), int(fields["y"])
