"""A desktop's memory kept and brought back, through the real X server, the real programs and the real CRIU."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from tests.support.running import DESKTOP, Running, describe, run_desktop
from tests.support.sleeping import (
    USER,
    YES,
    another,
    as_it_was,
    hibernate,
    needs_memory,
    settled,
    type_text,
)
from tests.support.waiting import PATIENCE, eventually
from tests.support.watched_desktop import WATCHED, watched

pytestmark = [pytest.mark.x11, needs_memory]
SHELL = ("xterm", "-T", "shell", "-e", "bash", "--norc")
PROGRAMS = ("Xtigervnc", "xterm", "openbox", "dbus-daemon", "pulseaudio", "desktop.start")
NOTE = "kept in memory only"


async def wake(running: Running, folder: Path) -> dict[str, object]:
    """Start a desktop from its image; returns its status."""
    running.start_again(STREAMSPACE_RESTORE=str(folder))
    status = await running.running()
    assert status["restored"] is not None
    return status


async def test_a_terminal_wakes_as_it_was_and_goes_on() -> None:
    async with run_desktop(*SHELL, user=USER, sleep=YES) as running:
        await running.running()
        image = running.home / "image"
        await settled(running)
        await type_text(running, f"note='{NOTE}'\n")
        before = await settled(running)
        answer = await hibernate(running, image)
        assert int(str(answer["bytes"])) > 1 << 20
        status = await wake(running, image)
        told = {"from": str(image), "ok": True, "said": "Test app is as it was.", "image": str(image)}
        seconds = status["restored"].pop("seconds")  # type: ignore[attr-defined]
        assert list(seconds) == ["check", "files", "restore", "windows"]
        assert status["restored"] == told
        await as_it_was(running, before)
        await type_text(running, 'echo "$note" > said\n')
        await until_file(running.home / "said", f"{NOTE}\n")
        await another(running, before)


async def until_file(path: Path, text: str) -> None:
    """Wait until a file holds `text`."""
    async with asyncio.timeout(PATIENCE):
        while not (path.exists() and path.read_text() == text):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("again", [1, 2])
async def test_what_was_woken_can_sleep_again_and_an_image_can_be_woken_twice(again: int) -> None:
    async with run_desktop(*SHELL, user=USER, sleep=YES) as running:
        await running.running()
        await settled(running)
        await type_text(running, f"note='{NOTE}'\n")
        await settled(running)
        first = running.home / "image1"
        await hibernate(running, first)
        await wake(running, first)
        image = first
        if again == 2:
            image = running.home / "image2"
            await hibernate(running, image)
        else:
            await running.request("stop")
            await running.ended()
        await wake(running, image)
        await settled(running)
        await type_text(running, 'echo "$note" > said\n')
        await until_file(running.home / "said", f"{NOTE}\n")


async def test_gimp_wakes_with_its_unsaved_drawing() -> None:
    async with run_desktop("gimp", "--no-splash", "%F", user=USER, sleep=YES, title="GIMP") as running:
        await running.running()
        await settled(running, 2)
        await running.x("xdotool", "key", "ctrl+n")
        await settled(running, 1)
        await running.x("xdotool", "key", "Return")
        await settled(running, 1)
        await running.x("xdotool", "key", "p")  # a brush
        blank = await settled(running, 1)
        await running.x(
            "xdotool", "mousemove", "500", "300", "mousedown", "1", "mousemove", "650", "400",
            "mousemove", "700", "420", "mouseup", "1", "mousemove", "20", "700",
        )  # fmt: skip
        drawn = await another(running, blank, 1)
        await hibernate(running, running.home / "image")
        status = await wake(running, running.home / "image")
        assert status["restored"]["ok"], status  # type: ignore[index]
        await as_it_was(running, drawn)
        await running.x("xdotool", "key", "ctrl+z")
        await another(running, drawn)


async def test_no_process_is_left_while_it_sleeps_and_the_desktop_says_so() -> None:
    async with run_desktop(user=USER, sleep=YES) as running:
        status = await running.running()
        assert status["sleep"] == {
            **{"state": "awake", "since": None, "memory": True, "why_not": None},
            **{"bytes": None, "packed": False},
        }
        assert (await running.request("check"))["memory"] is True
        image = running.home / "image"
        assert (await running.request("hibernate", folder=str(image)))["ok"]
        status = await running.status()
        assert (status["state"], status["display"], status["message"]) == ("stopping", None, "Test app is asleep")
        assert status["sleep"]["state"] == "asleep"
        left = [describe(pid) for pid in running.processes()]
        assert not [told for told in left if any(program in told for program in PROGRAMS)]
        for op in ("freeze", "thaw", "restart_app"):
            assert (await running.request(op))["error"] == "Test app is asleep."
        assert (await running.request("hibernate", folder=str(image)))["error"] == "Test app is asleep."


def size_of(image: Path) -> int:
    """Bytes of an image, whose files may get other names meanwhile."""
    total = 0
    for path in image.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


async def test_the_image_is_compressed_while_the_desktop_sleeps() -> None:
    async with run_desktop(user=USER, sleep=YES) as running:
        await running.running()
        image = running.home / "image"
        answer = await running.request("hibernate", folder=str(image))
        async with asyncio.timeout(PATIENCE):
            while size_of(image) > answer["bytes"] / 2:
                await asyncio.sleep(0.05)
        await running.request("stop")
        await running.ended()
        assert (await wake(running, image))["restored"]["ok"]  # type: ignore[index]


async def test_the_supervisor_waits_for_neither_disk_nor_program_on_its_event_loop() -> None:
    async with run_desktop(user=USER, sleep=YES, program=WATCHED) as running:
        await running.running()
        assert (await running.request("hibernate", folder=str(running.home / "image")))["ok"]
        await running.until(lambda status: status["sleep"]["packed"])
        (watch,) = await asyncio.to_thread(eventually, lambda: watched(running), "what was noted")
        assert watch.blocking == ()


async def test_connections_from_outside_are_waited_for_and_then_named() -> None:
    async with run_desktop(user=USER, sleep=YES) as running:
        await running.running()
        reader, writer = await asyncio.open_unix_connection(running.runtime_dir / "rfb.sock")
        await reader.readexactly(12)
        refused = await running.request("hibernate", folder=str(running.home / "image"))
        assert refused["error"].startswith("The memory cannot be kept: 1 connection leads from the desktop to programs")
        assert (await running.status())["sleep"]["state"] == "awake"
        asyncio.get_running_loop().call_later(0.5, writer.close)
        assert (await running.request("hibernate", folder=str(running.home / "image")))["ok"]


async def test_what_cannot_be_kept_is_told_and_lives_on() -> None:
    async with run_desktop(
        "xterm", "-e", "bash", "-c", "exec 9<> /dev/tty; exec sleep 1000", user=USER, sleep=YES
    ) as running:
        app = (await running.running())["app"]["pid"]
        refused = await running.request("hibernate", folder=str(running.home / "image"))
        assert refused["error"] == (
            "The memory of Test app could not be kept: a program in a terminal has /dev/tty open, "
            "which CRIU cannot keep."
        )
        assert not (running.home / "image").exists()
        assert list(running.home.glob("*.part")) == []
        status = await running.running()
        assert (status["app"]["pid"], status["sleep"]["state"]) == (app, "awake")


async def test_a_job_that_the_user_stopped_stays_stopped() -> None:
    async with run_desktop(
        "xterm",
        "-e",
        "sh",
        "-c",
        "sleep 1000 & sleep 0.5; kill -STOP $!; touch job; exec sleep 2000",
        user=USER,
        sleep=YES,
    ) as running:
        await running.running()
        await until_true(lambda: (running.home / "job").exists() and stopped_sleep(running))
        assert (await running.request("freeze"))["ok"]
        assert (await running.request("thaw"))["ok"]
        assert stopped_sleep(running)
        await hibernate(running, running.home / "image")
        await wake(running, running.home / "image")
        assert stopped_sleep(running)


def stopped_sleep(running: Running) -> bool:
    """Whether a program `sleep` is there that is stopped."""
    for pid in running.processes():
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if Path(f"/proc/{pid}/comm").read_text() == "sleep\n" and state == "T":
                return True
    return False


async def until_true(condition: object) -> None:
    """Wait until `condition()` holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.05)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user than the desktop's")
async def test_the_programs_have_no_rights_and_cannot_get_any() -> None:
    async with run_desktop(
        "xterm", "-e", "sh", "-c", "grep Cap /proc/self/status > caps; exec sleep 100", user=USER, sleep=YES
    ) as running:
        await running.running()
        await until_true(lambda: (running.home / "caps").exists() and "CapAmb" in (running.home / "caps").read_text())
        held = dict(line.split(":\t") for line in (running.home / "caps").read_text().splitlines())
        assert {int(held[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}


CONTAINER = (
    *("unshare", "--pid", "--mount", "--fork", "--kill-child=TERM", "--mount-proc", "sh", "-c"),
    """
    chown -R nobody:nogroup "$(dirname "$HOME")"
    mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
    caps=-all,+checkpoint_restore,+setpcap,+sys_ptrace
    exec setpriv --reuid nobody --regid nogroup --clear-groups --bounding-set "$caps" --inh-caps "$caps" \\
      --ambient-caps "$caps" "$0" "$@"
    """,
    *DESKTOP,
)
"""A desktop as the first process of a container: an ordinary user with three capabilities, and /proc/sys read-only."""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make something like a container")
async def test_in_a_container_three_capabilities_are_enough() -> None:
    async with run_desktop(*SHELL, program=CONTAINER, sleep=YES) as running:
        assert (await running.running())["sleep"]["memory"] is True
        await settled(running)
        await type_text(running, f"note='{NOTE}'; grep CapEff /proc/self/status\n")
        before = await settled(running)
        await hibernate(running, running.home / "image")
        assert (await wake(running, running.home / "image"))["restored"]["ok"]  # type: ignore[index]
        await as_it_was(running, before)
        await type_text(running, 'echo "$note" > said; grep -h CapEff /proc/self/status >> said\n')
        await until_file(running.home / "said", f"{NOTE}\nCapEff:\t0000000000000000\n")
        await running.request("stop")  # unshare passes no signal on
        assert await running.ended() == 0
