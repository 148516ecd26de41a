"""Memory images that only a key can read: kept and brought back by real desktops, refused when they are not ours."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.running import DESKTOP, RUNNER, Running, run_desktop
from tests.support.sleeping import USER, YES, as_it_was, failing_criu, hibernate, needs_memory, settled, type_text
from tests.support.waiting import eventually

pytestmark = [pytest.mark.x11, needs_memory]
SHELL = ("xterm", "-e", "bash", "--norc")
KEY, OTHER_KEY = bytes(range(32)), bytes(32)
NOTE = "correct horse battery staple"
FROM_FILE = ("sh", "-c", 'export STREAMSPACE_SLEEP_KEY_FILE="$HOME/key"; exec "$0" "$@"', *DESKTOP)
FROM_DESCRIPTOR = (
    "sh",
    "-c",
    'exec 9< "$HOME/key"; rm "$HOME/key"; STREAMSPACE_SLEEP_KEY_FD=9 exec "$0" "$@"',
    *DESKTOP,
)
SESSION = (
    "sh",
    "-c",
    'exec 9< "$HOME/key"; rm "$HOME/key"; STREAMSPACE_SLEEP_KEY_FD=9 exec "$0" "$@"',
    *RUNNER,
    "--no-server",
)


def give_key(running: Running, key: bytes = KEY) -> None:
    """Put the key where the desktop's start looks for it."""
    path = running.home / "key"
    path.write_bytes(key)
    shutil.chown(path, USER)


def key_at_start(key: bytes = KEY) -> tuple[str, ...]:
    """A command that makes the key's file where there is none yet, before a desktop that reads it."""
    make = f'[ -e "$HOME/started" ] || printf %s {key.hex()} > "$HOME/key"; touch "$HOME/started"; exec "$0" "$@"'
    return ("sh", "-c", make)


async def told(running: Running, image: Path) -> str:
    """Start a desktop that cannot be woken from `image`, and end it; returns what it says."""
    running.start_again(STREAMSPACE_RESTORE=str(image))
    restored = (await running.running())["restored"]
    assert not restored["ok"]
    await running.request("stop")
    assert await running.ended() == 0
    return str(restored["said"])


@pytest.mark.parametrize("program", [FROM_FILE, FROM_DESCRIPTOR, SESSION], ids=["file", "descriptor", "session"])
async def test_a_desktop_wakes_from_what_nobody_else_can_read(program: tuple[str, ...]) -> None:
    async with run_desktop(*SHELL, user=USER, sleep=YES, program=(*key_at_start(), *program)) as running:
        await running.running()
        await settled(running)
        await type_text(running, f"note='{NOTE}'\n")
        before = await settled(running)
        image = running.home / "image"
        assert (await running.request("hibernate", folder=str(image)))["ok"]
        eventually(lambda: list(image.rglob("*.zst.sealed")), "compression")
        await running.request("stop")
        await running.ended()
        assert [path.name for path in image.rglob("*") if path.is_file() and path.suffix != ".sealed"] == [
            "manifest.json"
        ]
        assert not [path for path in readable(running) if NOTE.encode() in path.read_bytes()]
        give_key(running)
        running.start_again(STREAMSPACE_RESTORE=str(image))
        status = await running.running()
        assert status["restored"]["ok"], status
        await as_it_was(running, before)
        await type_text(running, 'echo "$note" > said\n')
        said = running.home / "said"
        eventually(lambda: said.exists() and said.read_text() == f"{NOTE}\n", "the note")


def readable(running: Running) -> list[Path]:
    """Every file of the session's."""
    return [path for path in running.home.parent.rglob("*") if path.is_file()]


async def test_criu_writes_no_image_itself(open_path: Path) -> None:
    seen = open_path / "seen"
    seen.touch()
    seen.chmod(0o666)
    script = f'"$CRIU" "$@"; code=$?; while [ "$1" != -D ]; do shift; done; ls "$2" > {seen}; exit $code'
    env = {"STREAMSPACE_CRIU": failing_criu(open_path, script)}
    async with run_desktop(*SHELL, user=USER, sleep=YES, env=env, program=(*key_at_start(), *FROM_FILE)) as running:
        await running.running()
        await hibernate(running, running.home / "image")
    assert set(seen.read_text().split()) <= {"streamer-capture.sock", "stats-dump"}


async def test_no_program_finds_the_key() -> None:
    look = (
        "import os, pathlib; found = []\n"
        "for path in [*pathlib.Path('/proc').glob('[0-9]*/environ'), *pathlib.Path('/proc').glob('1/fd/*'),\n"
        "             pathlib.Path('/proc/1/mem'), pathlib.Path(os.environ['HOME'], 'key')]:\n"
        "    try:\n"
        "        with open(path, 'rb', opener=lambda *how: os.open(how[0], how[1] | os.O_NONBLOCK)) as file:\n"
        "            if path.name == 'mem': found.append(str(path)) if path.parts[2] == '1' else None\n"
        "            elif bytes(range(32)) in (text := file.read(1 << 20)) or b'00' b'0102030405' in text:\n"
        "                found.append(str(path))\n"
        "    except (OSError, TypeError): pass  # TypeError: nothing to read now\n"
        "pathlib.Path('found').write_text(repr(found))\n"
    )
    command = ("sh", "-c", 'sleep 1; python3 -c "$0"; exec xterm', look)
    for program in (FROM_FILE, FROM_DESCRIPTOR):
        async with run_desktop(*command, user=USER, sleep=YES, program=(*key_at_start(), *program)) as running:
            assert (await running.running())["sleep"]["memory"]
            assert (running.home / "found").read_text() == "[]"
            assert not (running.home / "key").exists()


async def test_what_is_not_this_sessions_is_not_restored() -> None:
    async with run_desktop("xterm", user=USER, sleep=YES, program=(*key_at_start(), *FROM_FILE)) as running:
        await running.running()
        image, plain = running.home / "image", running.home / "plain"
        await hibernate(running, image)
        give_key(running, OTHER_KEY)
        forged = "it was not made with this session's key, or has been changed"
        assert forged in await told(running, image)
        assert "it is encrypted, and this desktop has not been given a key" in await without_key(running, image, plain)
        give_key(running)
        assert "it is not encrypted, and here only those are taken that are" in await told(running, plain)
        fields = json.loads((image / "manifest.json").read_text())
        (image / "manifest.json").write_text(json.dumps(fields | {"display": ":1"}))
        give_key(running)
        assert forged in await told(running, image)
        (image / "manifest.json").write_text(json.dumps(fields))
        give_key(running)
        running.start_again(STREAMSPACE_RESTORE=str(image))
        assert (await running.running())["restored"]["ok"]


async def without_key(running: Running, image: Path, plain: Path) -> str:
    """Have a desktop without a key try to wake from `image`, and make an image of its own at `plain`."""
    async with run_desktop(
        "xterm", user=USER, sleep=YES, env={"HOME": str(running.home), "STREAMSPACE_RESTORE": str(image)}
    ) as other:
        said = str((await other.running())["restored"]["said"])
        await hibernate(other, plain)
    return said


@pytest.mark.parametrize("key", ["", "short", "/no/such"])
async def test_with_a_key_that_is_none_no_memory_is_kept(key: str) -> None:
    env = {"STREAMSPACE_SLEEP_KEY_FILE": key} if key.startswith("/") else {"STREAMSPACE_SLEEP_KEY_FD": "7"}
    async with run_desktop("xterm", user=USER, sleep=YES, env=env) as running:
        status = await running.running()
        assert status["sleep"]["memory"] is False
        assert status["sleep"]["why_not"].startswith("Memory is kept encrypted only, and it cannot be. STREAMSPACE_")
        answer = await running.request("hibernate", folder=str(running.home / "image"))
        assert answer["error"] == status["sleep"]["why_not"]
        assert not os.path.lexists(running.home / "image")
