"""What becomes of an image once its desktop is awake, and of a desktop on a machine that was started later."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.running import DESKTOP, Running, Status, run_desktop
from tests.support.sleeping import USER, YES, hibernate, needs_memory, settled, type_text
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.x11, needs_memory, pytest.mark.timeout(330)]
SHELL = ("xterm", "-e", "bash", "--norc")
MINUTE = 60 + PATIENCE


async def woken(running: Running, image: Path, **env: str) -> Status:
    """Put a desktop to sleep, unless it is, and wake it."""
    if running.process.poll() is None:
        await running.running()
        await hibernate(running, image)
    running.start_again(STREAMSPACE_RESTORE=str(image), **env)
    status = await running.running()
    assert status["restored"]["ok"], status
    return status


async def test_an_image_is_removed_after_a_minute_of_life() -> None:
    async with run_desktop(user=USER, sleep=YES) as running:
        image = running.home / "image"
        assert (await woken(running, image))["restored"]["image"] == str(image)
        await running.until(lambda status: status["restored"]["image"] is None, MINUTE)
        assert os.listdir(running.home) == []
        await hibernate(running, image)


async def test_or_kept_as_the_last_one() -> None:
    async with run_desktop(user=USER, sleep=YES) as running:
        image, last = running.home / "image", running.home / "image.last"
        await woken(running, image, STREAMSPACE_SLEEP_KEEP="last")
        await running.until(lambda status: status["restored"]["image"] == str(last), MINUTE)
        assert os.listdir(running.home) == ["image.last"]
        await running.request("stop")
        await running.ended()
        await woken(running, last)


@pytest.mark.parametrize("victim", ["app", "screen", "supervisor"])
async def test_what_dies_within_the_minute_can_be_woken_again(victim: str) -> None:
    async with run_desktop(*SHELL, user=USER, sleep=YES) as running:
        image = running.home / "image"
        status = await woken(running, image)
        began = time.monotonic()
        kill(running, status, victim)
        if victim == "supervisor":
            await running.ended()
        else:
            await running.until(lambda now: now["app"]["pid"] != status["app"]["pid"])
            while time.monotonic() - began < 63:  # a minute in which the image must not go
                assert (image / "manifest.json").exists()
                await asyncio.sleep(1)
            assert (await running.status())["restored"]["image"] == str(image)
            await running.request("stop")
            await running.ended()
        await running.nothing_left()
        await woken(running, image)
        await settled(running)
        await type_text(running, "touch alive\n")
        await settled(running)
        assert (running.home / "alive").exists()


def kill(running: Running, status: Status, victim: str) -> None:
    """End the app, the X server or the supervisor by force."""
    names = {"app": b"xterm", "screen": b"Xtigervnc", "supervisor": b"streamspace_proxy.desktop\0"}
    found = [pid for pid in running.processes() if names[victim] in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(status["app"]["pid"] if victim == "app" else max(found), signal.SIGKILL)


async def test_what_was_woken_can_sleep_again_in_the_same_place() -> None:
    async with run_desktop(*SHELL, user=USER, sleep=YES) as running:
        image = running.home / "image"
        await woken(running, image)
        first = (image / "manifest.json").read_text()
        await settled(running)
        await type_text(running, "note=second\n")
        await settled(running)
        await woken(running, image)
        assert (image / "manifest.json").read_text() != first
        await type_text(running, 'echo "$note" > said\n')
        await settled(running)
        assert (running.home / "said").read_text() == "second\n"
        assert sorted(os.listdir(running.home)) == ["image", "said"]


async def test_another_folder_that_is_there_is_left_alone() -> None:
    async with run_desktop(user=USER, sleep=YES) as running:
        await woken(running, running.home / "image")
        other = running.home / "image.last"
        other.mkdir()
        answer = await running.request("hibernate", folder=str(other))
        assert answer["error"] == f"`folder`: there is something at {other} already."


FIRST_AHEAD = (
    "sh",
    "-c",
    """
    chown -R nobody:nogroup "$(dirname "$HOME")"
    [ -e "$HOME/../second" ] || ahead="unshare --fork --kill-child=TERM --time --monotonic 100000 --boottime 100000"
    touch "$HOME/../second"
    exec $ahead setpriv --reuid nobody --regid nogroup --clear-groups --pdeathsig TERM "$0" "$@"
    """,
    *DESKTOP,
)
"""A desktop on a machine that was started long ago, and the next time on one that was started later."""
ONE_SLEEPER = "import time\nwhile True:\n    time.sleep(0.2)\n    print(time.monotonic(), file=open('ticks', 'a'))"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to set a clock back")
async def test_on_a_machine_that_was_started_later_the_clock_goes_on() -> None:
    async with run_desktop(
        "sh", "-c", 'xterm & exec python3 -c "$0"', ONE_SLEEPER, program=FIRST_AHEAD, sleep=YES
    ) as running:
        await running.running()
        ticks, image = running.home / "ticks", running.home / "image"
        await until_ticks(ticks, 3)
        await sleep_and_end(running, image)
        before = [float(line) for line in ticks.read_text().split()]
        assert before[0] > 100_000
        for again in (1, 2):
            ticks.unlink()
            running.start_again(STREAMSPACE_RESTORE=str(image))
            status = await running.running()
            assert status["restored"]["ok"], status
            await until_ticks(ticks, 3)
            after = [float(line) for line in ticks.read_text().split()]
            assert after == sorted(after)
            assert before[-1] < after[0] < before[-1] + 1000
            before = after
            if again == 1:
                await sleep_and_end(running, image)


async def sleep_and_end(running: Running, image: Path) -> None:
    """Put to sleep what an `unshare` stands before, which passes no signal on."""
    answer = await running.request("hibernate", folder=str(image))
    assert answer["ok"], answer
    await running.request("stop")
    await running.ended()
    await running.nothing_left()


async def until_ticks(path: Path, count: int) -> None:
    """Wait until a program has written `count` lines."""
    async with asyncio.timeout(PATIENCE):
        while not path.exists() or path.read_text().count("\n") < count:
            await asyncio.sleep(0.05)
