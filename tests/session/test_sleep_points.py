"""Killed at every point: CRIU of a dump and of a restore, before each kind of line that it logs; the supervisor, before
each kind of change that it makes to disk and processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import Running, Status, run_desktop
from tests.support.sleeping import USER, YES, failing_criu, hibernate, needs_memory
from tests.support.waiting import PATIENCE, STALL

pytestmark = [pytest.mark.x11, needs_memory, pytest.mark.timeout(900)]
ANSWER = "while :; do [ -e asked ] && mv asked answered; sleep 0.02; done"
"""A program that can be asked whether it lives."""
LEAST = 30
"""Points that there are at least: there are some more, by version."""
SOURCE = Path(__file__).parents[1] / "support" / "criu_points.c"


class Points:
    """CRIU that is killed at one point after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        library = folder / "points.so"
        subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
        killed = folder / "killed"
        killed.mkdir()
        killed.chmod(0o777)
        self.program = failing_criu(
            folder,
            f'POINT=$(cat {folder}/point) KILLED_AT={killed}/at LD_PRELOAD={library} exec "$CRIU" "$@" -v4',
        )

    def set(self, point: int) -> None:
        """Kill it at this point the next time."""
        (self._folder / "point").write_text(str(point))
        (self._folder / "killed" / "at").unlink(missing_ok=True)

    def reached(self) -> str | None:
        """Return the line before which it was killed; None: it has come to its end."""
        path = self._folder / "killed" / "at"
        return path.read_text(errors="replace").strip() if path.exists() else None


async def lives(running: Running, limit: float = PATIENCE) -> bool:
    """Whether the program in the terminal, and the screen, do what they are asked within `limit` seconds."""
    asked, answered = running.home / "asked", running.home / "answered"
    answered.unlink(missing_ok=True)
    try:
        async with asyncio.timeout(limit):
            asked.touch()
            while not answered.exists():
                await asyncio.sleep(0.02)
            await running.x("xwininfo", "-root")
    except (TimeoutError, AssertionError):
        return False
    return True


async def started(running: Running, *, image: Path | None = None) -> Status:
    """Start a desktop after its end; returns its status once it lives."""
    running.start_again(**({} if image is None else {"STREAMSPACE_RESTORE": str(image)}))
    status = await running.running()
    assert await lives(running)
    return status


async def ended(running: Running) -> None:
    """End a desktop, unless it has ended by itself."""
    with contextlib.suppress(ConnectionError, FileNotFoundError):
        await running.request("stop")
    await running.ended()
    await running.nothing_left()


async def is_unharmed(running: Running, before: Status, limit: float) -> bool:
    """Whether a desktop is awake, with the programs that it had, which answer within `limit` seconds."""
    with contextlib.suppress(ConnectionError, ValueError):
        now = await running.status()
        same = now["app"]["pid"] == before["app"]["pid"] and now["sleep"]["state"] == "awake"
        return same and await lives(running, limit)
    return False


async def test_criu_may_be_killed_at_every_point_of_a_dump(open_path: Path) -> None:
    points = Points(open_path)
    harmed: list[str] = []
    env = {"STREAMSPACE_CRIU": points.program}
    async with run_desktop("xterm", "-e", "sh", "-c", ANSWER, user=USER, sleep=YES, env=env) as running:
        status, image = await running.running(), running.home / "image"
        assert await lives(running)
        for point in itertools.count(1):
            points.set(point)
            answer = await running.request("hibernate", folder=str(image))
            line = points.reached()
            if answer["ok"]:
                assert line is None
                break
            assert line is not None, answer
            assert sorted(path.name for path in running.home.iterdir() if "image" in path.name) == []
            # While a program runs what CRIU has put into it, nobody can take it out again when CRIU is gone.
            may_harm = line.startswith("after ptrace")
            if await is_unharmed(running, status, STALL if may_harm else PATIENCE):
                continue
            assert may_harm, line
            harmed.append(f"{point}: {line}")
            await ended(running)
            status = await started(running)
        print(f"{point - 1} points, harmed at {len(harmed)}:", *harmed, sep="\n")
        assert point > LEAST
        await ended(running)
        points.set(0)
        assert (await started(running, image=image))["restored"]["ok"]


async def test_criu_may_be_killed_at_every_point_of_a_restore(open_path: Path) -> None:
    points = Points(open_path)
    env = {"STREAMSPACE_CRIU": points.program}
    async with run_desktop("xterm", "-e", "sh", "-c", ANSWER, user=USER, sleep=YES, env=env) as running:
        await running.running()
        image = running.home / "image"
        points.set(0)
        await hibernate(running, image)
        for point in itertools.count(1):
            points.set(point)
            restored = (await started(running, image=image))["restored"]
            line = points.reached()
            await ended(running)
            if line is None:
                assert restored["ok"], restored
                break
            # Near its end nothing may be left to do for it.
            assert restored["ok"] or restored["said"].startswith("Test app has been started anew, because"), line
        print(f"{point - 1} points")
        assert point > LEAST


SUPERVISOR = """
import os, re, sys
from streamspace_proxy.desktop.supervisor import Supervisor

with open(sys.argv[1], "a+") as file:
    file.seek(0)
    known = file.read().splitlines()
CHANGES = {"subprocess.Popen", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.kill"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
begun, hibernate = False, Supervisor._hibernate

def audit(event, arguments):
    global begun
    if not begun or not (event in CHANGES or (event == "open" and arguments[2] & WRITES)):
        return
    what = str(arguments[1][:2] if event == "subprocess.Popen" else arguments[0])
    if event in ("os.remove", "os.rmdir") and not what.startswith("/"):
        what = ""  # one of many, below a folder that goes
    # Of the many files of memory one stands for all, as one name does for those that are made up.
    kind = event + " " + re.sub("[0-9]+", "0", re.sub("[^/]*[.]img", "img", re.sub("streamspace-.*", "", what)))
    if kind not in known:
        begun = False
        with open(sys.argv[1], "a") as file:
            file.write(kind + "\\n")
        os._exit(9)  # the end of a namespace's first process, however it comes, is that of all in it

async def watched(self, folder):
    global begun
    begun = "never" not in known
    return await hibernate(self, folder)

sys.addaudithook(audit)
Supervisor._hibernate = watched
import streamspace_proxy.desktop.__main__
"""
"""Ends before the first change of a kind that is not in the file that it is given, and adds it."""


async def test_the_supervisor_may_end_at_every_point_and_an_image_is_there_all_the_while(open_path: Path) -> None:
    kinds = open_path / "kinds"
    kinds.write_text("never\n")
    kinds.chmod(0o666)
    program = (sys.executable, "-c", SUPERVISOR, str(kinds))
    async with run_desktop("xterm", "-e", "sh", "-c", ANSWER, user=USER, sleep=YES, program=program) as running:
        image = running.home / "image"
        await running.running()
        await hibernate(running, image)
        kinds.write_text("")
        for point in itertools.count(1):
            restored = (await started(running, image=image))["restored"]
            assert restored["ok"], (kinds.read_text(), restored)
            with contextlib.suppress(ConnectionError, ValueError):
                assert (await running.request("hibernate", folder=str(image)))["ok"]
            while running.process.poll() is None and not await packed(running):
                await asyncio.sleep(0.02)
            if len(kinds.read_text().splitlines()) < point:
                break
            await running.ended()
            await running.nothing_left()
        print(kinds.read_text())
        assert point > 15
        await ended(running)
        assert sorted(path.name for path in running.home.iterdir() if "image" in path.name) == ["image"]


async def packed(running: Running) -> bool:
    """Whether a desktop sleeps in an image that will not change any more."""
    with contextlib.suppress(ConnectionError, FileNotFoundError, ValueError):
        return bool((await running.status())["sleep"]["packed"])
    return False
