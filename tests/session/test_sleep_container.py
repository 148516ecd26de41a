"""A desktop in a container that begins as root, as Kubernetes starts it: it keeps its memory when it is taken away.

A container's namespaces and its few capabilities, by unshare(1) and setpriv(1); what a kubelet does with them is
tests/kube's to show.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from streamspace_proxy.desktop import privileges

from tests.support.running import DESKTOP, PYTHONPATH, Running, run_desktop
from tests.support.sleeping import YES, as_it_was, needs_memory, settled, type_text
from tests.support.waiting import PATIENCE, eventually

pytestmark = [
    pytest.mark.x11,
    needs_memory,
    pytest.mark.skipif(os.geteuid() != 0, reason="a container begins as root"),
]
NOBODY = 65534
KEY = bytes(range(32))
NOTE = "correct horse battery staple"
SHELL = ("xterm", "-e", "bash", "--norc")
CONTAINER = (
    *("unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "sh", "-ec"),
    """
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts /dev/pts
    [ -L /dev/ptmx ] || mount --bind /dev/pts/ptmx /dev/ptmx
    chmod 755 "$HOME/.."; chown nobody:nogroup "$HOME/.." "$HOME" "$STREAMSPACE_RUNTIME_DIR"
    [ -e "$HOME/../closed" ] || mkdir -p "$HOME/../closed/secret"
    printf %s "$KEY" > "$HOME/../closed/secret/key"
    chgrp -R nogroup "$HOME/../closed"; chmod -R g+rwX "$HOME/../closed"
    export STREAMSPACE_SLEEP_KEY_FILE="${HOME%/*}/closed/secret/key" STREAMSPACE_DESKTOP_DIR="$STREAMSPACE_RUNTIME_DIR"
    export STREAMSPACE_SLEEP_FOLDER="$HOME/.streamspace/sleep/one" STREAMSPACE_LAST_WORDS="$HOME/last-words"
    unset KEY
    exec setpriv --regid=nogroup --clear-groups --inh-caps=-all --no-new-privs \\
      --bounding-set=-all,+checkpoint_restore,+setpcap,+setuid,+sys_ptrace "$0" "$@"
    """,
    *DESKTOP,
)
ENVIRONMENT = {"KEY": KEY.hex(), "STREAMSPACE_DESKTOP_UID": str(NOBODY)}
LOOK = (
    '(id -u; grep -E "^(CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs)" /proc/self/status; '
    f'cat "${{HOME%/*}}/closed/secret/key" /proc/1/environ | grep -c {KEY.hex()}) > found 2> /dev/null\n'
)


def ask_to_end(running: Running) -> None:
    """Do what the kubelet does: run the hook, then ask the container to end."""
    own = {"STREAMSPACE_RUNTIME_DIR": str(running.runtime_dir), "STREAMSPACE_SLEEP_FOLDER": str(folder(running))}
    hook = [sys.executable, "-m", "streamspace_proxy.desktop.farewell"]
    subprocess.run(hook, env={**os.environ, **own, "PYTHONPATH": PYTHONPATH}, check=True)


async def ended(running: Running) -> None:
    """End it: unshare(1) keeps signals to itself."""
    await running.request("stop")
    assert await running.ended() == 0


def folder(running: Running) -> Path:
    return running.home / ".streamspace" / "sleep" / "one"


async def test_it_keeps_its_memory_before_it_is_ended_and_wakes_as_it_was() -> None:
    async with run_desktop(*SHELL, env=ENVIRONMENT, program=CONTAINER, sleep=YES) as running:
        status = await running.running()
        assert status["sleep"]["memory"], status["sleep"]["why_not"]
        await settled(running)
        await type_text(running, f"note='{NOTE}'\n")
        before = await settled(running)
        ask_to_end(running)
        image = folder(running)
        assert (image.parent.stat().st_uid, image.parent.stat().st_mode & 0o777) == (NOBODY, 0o700)
        sizes = {path: path.stat().st_size for path in image.rglob("*") if path.is_file()}
        word = json.loads((running.home / "last-words").read_text())["asleep"]
        assert word["bytes"] == sum(size for path, size in sizes.items() if path.name != "manifest.json")
        assert {path.suffix for path in sizes} == {".sealed", ".json"}, "it is encrypted"
        await ended(running)

        running.start_again(STREAMSPACE_RESTORE=str(image))
        status = await running.running()
        assert status["restored"]["ok"], status["restored"]
        await as_it_was(running, before)
        await type_text(running, 'echo "$note" > said\n')
        said = running.home / "said"
        eventually(lambda: said.exists() and said.read_text() == f"{NOTE}\n", "the note")
        await ended(running)


async def test_it_tries_again_when_something_lets_go_of_it_late() -> None:
    async with run_desktop(*SHELL, env=ENVIRONMENT, program=CONTAINER, sleep=YES) as running:
        display = (await running.running())["display"]
        hook = asyncio.create_task(asyncio.to_thread(ask_to_end, running))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"\0/tmp/.X11-unix/X{display.removeprefix(':')}")
            log = running.home.parent / "stderr.log"
            async with asyncio.timeout(PATIENCE):
                while "1 connection leads from the desktop" not in log.read_text():
                    await asyncio.sleep(0.05)
        await hook
        assert (await running.status())["sleep"]["state"] == "asleep"
        assert (folder(running) / "manifest.json").exists()
        await ended(running)


async def test_its_programs_have_no_rights_and_no_key() -> None:
    async with run_desktop(*SHELL, env=ENVIRONMENT, program=CONTAINER, sleep=YES) as running:
        await running.running()
        await settled(running)
        await type_text(running, LOOK)
        found = running.home / "found"
        eventually(lambda: found.exists() and len(found.read_text().splitlines()) == 7, "a look around")
        uid, *fields, times = found.read_text().splitlines()
        bounding = sum(1 << number for number in privileges.NEEDED)
        assert (uid, times) == (str(NOBODY), "0")
        assert dict(line.split() for line in fields) == {
            "CapPrm:": f"{0:016x}",
            "CapEff:": f"{0:016x}",
            "CapBnd:": f"{bounding:016x}",
            "CapAmb:": f"{0:016x}",
            "NoNewPrivs:": "1",
        }
        await ended(running)


async def test_who_ends_it_for_good_keeps_nothing() -> None:
    async with run_desktop(*SHELL, env=ENVIRONMENT, program=CONTAINER, sleep=YES) as running:
        await running.running()
        await running.request("stop")
        ask_to_end(running)
        assert await running.ended() == 0
        assert not folder(running).exists()
        assert not (running.home / "last-words").exists()


@pytest.mark.parametrize("uid", ["0", "root", "-1"])
async def test_it_becomes_nobody_who_is_root(uid: str) -> None:
    async with run_desktop("xterm", env={**ENVIRONMENT, "STREAMSPACE_DESKTOP_UID": uid}, program=CONTAINER) as running:
        assert await running.ended() == 2
        said = (running.home.parent / "stderr.log").read_text()
        assert "STREAMSPACE_DESKTOP_UID must be the number of a user other than root." in said


async def test_a_key_that_its_programs_could_read_is_refused() -> None:
    # Where root may not close the folder.
    read_only = 'cd "$HOME/../closed"; mount --bind . .; mount -o remount,bind,ro "$PWD"; cd /; unset KEY'
    program = tuple(text.replace("unset KEY", read_only) for text in CONTAINER)
    async with run_desktop("xterm", env=ENVIRONMENT, program=program, sleep=YES) as running:
        assert await running.ended() == 2
        said = (running.home.parent / "stderr.log").read_text()
        assert "STREAMSPACE_SLEEP_KEY_FILE: the desktop's programs could read" in said
