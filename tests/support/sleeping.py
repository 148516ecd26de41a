"""Sleep in tests: the programs that it needs, a look at the screen, the keyboard, and CRIU made to fail."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from streamspace_proxy.desktop import ability, criu, privileges

from tests.support.running import Running
from tests.support.streamer import Pixels, picture
from tests.support.waiting import PATIENCE

USER = "nobody" if os.geteuid() == 0 else None
"""Whose desktops sleep: never root's."""
YES = {"memory": "yes"}
"""The template's `sleep` of an app whose memory can be kept."""
_PROGRAM = criu.find(os.environ)


def why_not() -> str | None:
    """Return why memory cannot be kept on this machine; None: it can."""
    version = None if _PROGRAM is None else criu.version(_PROGRAM)
    if version is None:
        return "CRIU 4.1 or later is not beside this Python (`make setup` fetches it for the main environment)"
    if not ability.SHIM.exists():
        return "there is no C compiler"
    reason = privileges.try_namespaces()
    return None if reason is None else f"no namespaces for ordinary users here: {reason}"


needs_memory = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


class Screen(Protocol):
    """A desktop that can be looked at."""

    @property
    def runtime_dir(self) -> Path:
        """Its runtime folder."""

    async def environment(self) -> dict[str, str]:
        """Return the environment of an X client."""

    async def x(self, *command: str) -> str:
        """Run an X client; return what it prints."""


async def settled(running: Screen, still: float = 0.5) -> Pixels:
    """Return the picture once it has not changed for `still` seconds."""
    environment = await running.environment()
    where = environment["DISPLAY"], running.runtime_dir / "Xauthority"
    last, since, deadline = picture(*where), time.monotonic(), time.monotonic() + PATIENCE
    while time.monotonic() - since < still:
        assert time.monotonic() < deadline, "the picture does not come to rest"
        await asyncio.sleep(0.05)
        now = picture(*where)
        if now.shape != last.shape or changed(now, last) > CARET:
            last, since = now, time.monotonic()
    return picture(*where)


CARET = 400
"""Pixels that a blinking caret has at most."""


def changed(one: Pixels, other: Pixels) -> int:
    """Return how many pixels differ."""
    assert one.shape == other.shape
    return int(np.any(one != other, axis=2).sum())


async def as_it_was(running: Screen, before: Pixels) -> None:
    """Wait until the screen shows, at rest, what it showed `before`, but for a caret's pixels; a caret blinks."""
    deadline = time.monotonic() + PATIENCE
    while (count := changed(before, await settled(running))) > CARET:
        assert time.monotonic() < deadline, f"{count} pixels are not as they were"


async def another(running: Screen, before: Pixels, still: float = 0.5) -> Pixels:
    """Wait until the screen shows, at rest, something else than `before`; return it."""
    deadline = time.monotonic() + PATIENCE
    while changed(before, now := await settled(running, still)) <= CARET:
        assert time.monotonic() < deadline, "the screen stays as it is"
    return now


async def type_text(running: Screen, text: str) -> None:
    """Type on the desktop's keyboard."""
    await running.x("xset", "r", "off")  # an X server that stands still for a moment would repeat a letter
    await running.x("xdotool", "type", "--delay", "20", text)


async def hibernate(running: Running, folder: Path) -> dict[str, object]:
    """Put a desktop to sleep and end what is left of it; returns the answer."""
    answer = await running.request("hibernate", folder=str(folder))
    assert answer["ok"], answer
    await running.request("stop")
    assert await running.ended() == 0
    await running.nothing_left()
    return answer


def failing_criu(folder: Path, body: str) -> str:
    """Return a program that stands for CRIU: a shell script that finds the real one in $CRIU and the verb in $1."""
    assert _PROGRAM is not None
    script = folder / "criu"
    script.write_text(f'#!/bin/sh\nCRIU="{_PROGRAM}"\n[ "$1" = --version ] && exec "$CRIU" "$@"\n{body}\n')
    script.chmod(0o755)
    return str(script)
