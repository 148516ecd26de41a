"""What goes wrong while memory is kept or brought back: the desktop lives on, or starts cold and says why."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.running import DESKTOP, Running, run_desktop
from tests.support.sleeping import USER, YES, another, failing_criu, hibernate, needs_memory, settled, type_text
from tests.support.waiting import eventually

pytestmark = [pytest.mark.x11, needs_memory]
COLD = "Test app has been started anew, because its memory image could not be restored: {}. Files that were saved are "
SHELL = ("xterm", "-e", "bash", "--norc")


async def works(running: Running, word: str) -> None:
    """Check that the shell in the terminal takes input."""
    before = await settled(running)
    await type_text(running, f"echo {word}; touch {word}\n")
    await another(running, before)
    eventually((running.home / word).exists, f"{word} to be made")


async def refused(running: Running, image: Path, why: str) -> None:
    """Have a desktop refuse to sleep, and live on."""
    app = (await running.status())["app"]["pid"]
    answer = await running.request("hibernate", folder=str(image))
    assert not answer["ok"]
    assert why in answer["error"]
    status = await running.running()
    assert (status["app"]["pid"], status["sleep"]["state"]) == (app, "awake")
    assert not image.exists()
    assert not image.with_name(f"{image.name}.part").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
async def test_a_disk_that_is_too_small_is_seen_before(open_path: Path) -> None:
    with small_disk(open_path, "70M") as disk:
        async with run_desktop(*SHELL, user=USER, sleep=YES) as running:
            await running.running()
            await refused(running, disk / "image", "MiB left. Delete files that you no longer need, then try again.")
            await works(running, "alive")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
async def test_a_disk_that_runs_full_meanwhile_costs_nothing(open_path: Path) -> None:
    with small_disk(open_path, "600M") as disk:
        script = f'dd if=/dev/zero of={disk}/other bs=1M count=590 2> /dev/null; exec $CRIU "$@"'
        env = {"STREAMSPACE_CRIU": failing_criu(open_path, script)}
        async with run_desktop(*SHELL, user=USER, sleep=YES, env=env) as running:
            await running.running()
            await refused(running, disk / "image", "Test app could not be kept: ")
            await works(running, "alive")
            (disk / "other").unlink()


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a disk of this size that everybody may write to."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def remove(path: Path) -> None:
    path.unlink()


def swap(path: Path) -> None:
    """Put another file of the same size in its place."""
    path.write_bytes(bytes(path.stat().st_size))


DAMAGE: list[tuple[Callable[[Path], None], str]] = [
    (truncate, "its file {} has another size than when it was made"),
    (flip, "its file {} is damaged"),
    (swap, "its file {} is damaged"),
    (remove, "its file {} is missing"),
]


async def woken_cold(running: Running, image: Path, why: str) -> None:
    """Start a desktop from an image that is not to be restored; it starts cold, saying `why`, and works."""
    running.start_again(STREAMSPACE_RESTORE=str(image))
    told = (await running.running())["restored"]
    assert told["from"] == str(image)
    assert told["ok"] is False
    assert told["said"].startswith(COLD.format(why)), told
    await running.x("xwininfo", "-root")
    await running.request("stop")
    assert await running.ended() == 0


async def test_a_damaged_image_is_not_restored() -> None:
    async with run_desktop("xterm", user=USER, sleep=YES) as running:
        await running.running()
        whole, image = running.home / "whole", running.home / "image"
        await hibernate(running, whole)
        kinds = ("files.tar*", "memory/pstree.img", "memory/pages-1.img*", "memory/core-*.img")
        for kind in kinds:
            there = str(next(whole.glob(kind)).relative_to(whole))
            for damage, why in DAMAGE:
                shutil.rmtree(image, ignore_errors=True)
                subprocess.run(["cp", "-a", whole, image], check=True)
                damage(image / there)
                await woken_cold(running, image, why.format(there))


async def test_an_image_of_another_machine_or_time_or_release_is_not_restored() -> None:
    async with run_desktop("xterm", user=USER, sleep=YES, packages=["xterm"]) as running:
        await running.running()
        image = running.home / "image"
        await hibernate(running, image)
        text = (image / "manifest.json").read_text()
        kernel = os.uname().release
        changes: list[tuple[Callable[[dict[str, object]], object], str]] = [
            (
                lambda m: part(m, "facts").update(kernel="2.6"),
                f"it was made under the kernel 2.6 and this machine runs {kernel}",
            ),
            (lambda m: part(m, "facts").update(cpu_flags=["fly"]), "this machine's processor lacks fly"),
            (lambda m: part(m, "facts").update(machine="pdp11"), "it was made on a pdp11 and this machine is a "),
            (
                lambda m: part(m, "facts").update(uptime=1e12),
                "this machine's clock is behind that of the one where it was made",
            ),
            (lambda m: part(m, "facts").update(criu="9.1"), "it was made by CRIU 9.1 and this machine has "),
            (
                lambda m: part(m, "release").update(packages={"xterm": "0.1"}),
                "it was made with xterm 0.1, which has been replaced by ",
            ),
            (lambda m: part(m, "release").update(image="sha256:12"), "the container's image is another one now"),
            (lambda m: m.update(runtime_dir="/elsewhere"), "its runtime folder was /elsewhere"),
            (lambda m: m.update(command=["gimp"]), "it is one of Test app, started in another way"),
            (lambda m: m.update(uid=4711), "it belongs to uid 4711"),
            (lambda m: m.update(format=0), "it was made by another version of StreamSpace"),
            (lambda m: m.update(files={"../../etc/passwd": [1, "00"]}), "its manifest is damaged"),
            (lambda m: m.clear(), "its manifest is damaged"),
        ]
        for change, why in changes:
            manifest = json.loads(text)
            change(manifest)
            (image / "manifest.json").write_text(json.dumps(manifest))
            running.start_again(STREAMSPACE_RESTORE=str(image))
            told = (await running.running())["restored"]
            assert not told["ok"]
            assert why in told["said"]
            await running.request("stop")
            await running.ended()
        (image / "manifest.json").unlink()
        await woken_cold(running, image, "there is none")


async def test_an_app_that_was_updated_meanwhile_starts_anew_and_says_so() -> None:
    own_xterm = '[ -e "$HOME/app" ] || cp "$(command -v xterm)" "$HOME/app"; exec "$HOME/app"'
    async with run_desktop("sh", "-c", own_xterm, user=USER, sleep=YES) as running:
        await running.running()
        image, app = running.home / "image", running.home / "app"
        await hibernate(running, image)
        newer = running.home / "newer"
        shutil.copy(str(shutil.which("xdotool")), newer)
        newer.replace(app)
        running.start_again(STREAMSPACE_RESTORE=str(image))
        told = (await running.until(lambda status: status["restored"]))["restored"]
        why = "a program or library that it runs has been changed meanwhile, as by an update"
        assert told["said"].startswith(COLD.format(why)), told


def part(manifest: dict[str, object], name: str) -> dict[str, object]:
    """Return a part of a manifest that has parts of its own."""
    found = manifest[name]
    assert isinstance(found, dict)
    return found


UNACCEPTED = """
import os, socket, time
listener = socket.socket(socket.AF_UNIX)
listener.bind("\\0" + os.environ["HOME"])
listener.listen()
client = socket.socket(socket.AF_UNIX)
client.connect("\\0" + os.environ["HOME"])
client.send(b"in flight")
open("connected", "w").close()
while not os.path.exists("failed"):
    time.sleep(0.02)
listener.accept()
open("accepted", "w").close()
time.sleep(1000)
"""
"""CRIU cannot keep what was written to a connection that is not accepted yet; this program accepts it afterwards."""


async def test_what_fails_for_a_passing_reason_is_tried_once_more_and_the_programs_go_on_meanwhile(
    open_path: Path,
) -> None:
    once_more = (
        'if [ -e "$HOME/failed" ]; then while [ ! -e "$HOME/accepted" ]; do sleep 0.02; done; exec "$CRIU" "$@"; fi\n'
        '"$CRIU" "$@"; code=$?; [ $code = 0 ] || touch "$HOME/failed"; exit $code'
    )
    env = {"STREAMSPACE_CRIU": failing_criu(open_path, once_more)}
    async with run_desktop(
        "sh", "-c", 'xterm & exec python3 -c "$0"', UNACCEPTED, user=USER, sleep=YES, env=env
    ) as running:
        await running.running()
        while not (running.home / "connected").exists():
            await settled(running, 0.1)
        await hibernate(running, running.home / "image")
        assert (running.home / "accepted").exists()
        running.start_again(STREAMSPACE_RESTORE=str(running.home / "image"))
        assert (await running.running())["restored"]["ok"]


CONFINED = """
import ctypes, time
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
allow_all = ctypes.create_string_buffer(bytes.fromhex("060000000000ff7f"))
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.byref(Filter(1, ctypes.addressof(allow_all)))) == 0
open("confined", "w").close()
time.sleep(1000)
"""


async def test_a_program_with_a_seccomp_filter_is_refused_before_criu_is_called(open_path: Path) -> None:
    env = {"STREAMSPACE_CRIU": failing_criu(open_path, "kill -9 $PPID")}
    async with run_desktop(
        "sh", "-c", 'xterm & exec python3 -c "$0"', CONFINED, user=USER, sleep=YES, env=env
    ) as running:
        await running.running()
        while not (running.home / "confined").exists():
            await settled(running, 0.1)
        await refused(running, running.home / "image", "has a seccomp filter, as the sandboxes of browsers have.")


@pytest.fixture
def gpu() -> Iterator[tuple[str, ...]]:
    """Yield a program before a desktop's: on that machine is a GPU, which is a file here, for nobody else to see."""
    folder = Path("/dev/dri")
    made = not folder.exists()
    folder.mkdir(exist_ok=True)
    yield (
        *("unshare", "--mount", "sh", "-c"),
        "mount -t tmpfs -o mode=755 tmpfs /dev/dri && : > /dev/dri/renderD128 && chmod 644 /dev/dri/renderD128 && "
        'chown -R nobody:nogroup "$(dirname "$HOME")" && '
        'exec setpriv --reuid nobody --regid nogroup --clear-groups --pdeathsig TERM "$0" "$@"',
    )
    if made:
        folder.rmdir()


USES_GPU = "exec 9< /dev/dri/renderD128; while [ ! -e done ]; do sleep 0.1; done; exec 9<&-; exec sleep 1000"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a device file of its own")
async def test_a_program_that_uses_a_gpu_is_told_beforehand_and_refused_until_it_does_not(gpu: tuple[str, ...]) -> None:
    async with run_desktop(
        "sh", "-c", f"xterm -e sleep 1000 & {USES_GPU}", program=(*gpu, *DESKTOP), sleep=YES
    ) as running:
        status = await running.until(lambda status: not status["sleep"]["memory"])
        why = "(/dev/dri/renderD128), whose memory cannot be kept. Save your work; only files outlast its sleep."
        assert why in status["sleep"]["why_not"]
        await refused(running, running.home / "image", why)
        assert (await running.request("freeze"))["ok"]
        assert (await running.request("thaw"))["ok"]
        (running.home / "done").touch()
        await running.until(lambda status: status["sleep"]["memory"])
        assert (await running.request("hibernate", folder=str(running.home / "image")))["ok"]


@pytest.mark.parametrize("folder", ["relative", "/no/such/folder/image", "{home}"])
async def test_a_folder_that_cannot_be_is_refused(folder: str) -> None:
    async with run_desktop("xterm", user=USER, sleep=YES) as running:
        await running.running()
        answer = await running.request("hibernate", folder=folder.format(home=running.home))
        assert answer["error"].startswith("`folder`")
        assert (await running.status())["sleep"]["state"] == "awake"


NO_NAMESPACES = (
    "unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c",
    'echo 0 > /proc/sys/user/max_pid_namespaces; echo 0 > /proc/sys/user/max_user_namespaces; exec "$0" "$@"', *DESKTOP,
)  # fmt: skip


async def test_without_the_right_to_namespaces_it_says_so_and_everything_else_works() -> None:
    async with run_desktop(*SHELL, user=USER, program=NO_NAMESPACES, sleep=YES) as running:
        status = await running.running()
        assert status["sleep"]["memory"] is False
        told = await running.request("check")
        assert told["why_not"].startswith("The kernel does not give this user namespaces of its own, which sleep with")
        assert told["turn_on"] == "sysctl -w user.max_user_namespaces=10000"
        answer = await running.request("hibernate", folder=str(running.home / "image"))
        assert answer["error"] == told["why_not"]
        assert (await running.request("freeze"))["ok"]
        assert (await running.request("thaw"))["ok"]
        await works(running, "alive")


@pytest.mark.parametrize(
    ("env", "fields", "why"),
    [
        ({}, {}, "It is not known whether Test app lives on when its memory was kept."),
        ({"STREAMSPACE_MEMORY_SLEEP": "off"}, {"sleep": YES}, "Sleep with memory is off here"),
        ({"STREAMSPACE_CRIU": "/no/such/criu"}, {"sleep": YES}, "CRIU 4.1 or later keeps memory, and is not installed"),
    ],
)
async def test_why_memory_cannot_be_kept_is_one_sentence(
    env: dict[str, str], fields: dict[str, object], why: str
) -> None:
    async with run_desktop(user=USER, env={**env, "STREAMSPACE_RESTORE": "/no/such/image"}, **fields) as running:
        status = await running.running()
        assert status["sleep"]["why_not"].startswith(why)
        assert why in status["restored"]["said"]
        assert (await running.request("hibernate", folder="/tmp/image"))["error"].startswith(why)
