"""Putting a desktop's memory into an image, and bringing it back: the order of the steps, and what undoes them.

The processes are ended only when the image is whole and on disk; a step that fails before lets them go on. Blocks its
thread: the event loop is the caller's business.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tarfile
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from streamspace_proxy.desktop import criu, freezing, image, runtime_files, tree
from streamspace_proxy.desktop.connections import outside_connections
from streamspace_proxy.desktop.facts import Facts, here, mismatch
from streamspace_proxy.desktop.image import ImageError, Manifest
from streamspace_proxy.desktop.processes import descendants
from streamspace_proxy.desktop.settings import Settings
from streamspace_proxy.desktop.windows import top_windows
from streamspace_proxy.desktop.xauth import read_cookie

RELEASE_LIMIT = 5.0
"""Seconds that the streamer gets to close its connections."""
WINDOWS_LIMIT = 10.0
"""Seconds that a restored X server gets to show its windows."""
END_LIMIT = 5.0
"""Seconds that killed processes get to be gone."""
SPARE = 64 << 20
"""Bytes that are to be left on the disk."""


class SleepError(Exception):
    """Memory cannot be kept or brought back; the text is one sentence for the user."""


@dataclass(slots=True)
class Kept:
    """What was put to sleep."""

    bytes: int
    seconds: dict[str, float] = field(default_factory=dict)


def keep(program: str, settings: Settings, root: int, display: str, folder: Path) -> Kept:
    """Put the tree of `root` into an image at `folder` and end it; raises SleepError, and then it goes on.

    `program` is CRIU. We must be the first process of the PID namespace: ending the tree ends all in it.
    """
    if folder == settings.sleep_folder:
        _make_room(folder)
    _check_folder(folder)
    kept, clock = Kept(0), Clock()
    pids = tree.members(root)
    _refuse_what_cannot_be_kept(pids, settings)
    _wait_for_release(root)
    _check_space(pids, folder)
    kept.seconds["stop"] = clock.lap()
    aside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    stood_still = {pid for pid in tree.members(root) if freezing.is_stopped(pid)}
    try:
        for new in (aside, aside / image.MEMORY):
            new.mkdir(0o700)
        manifest = _describe(program, settings, root, display)
        criu.dump(program, root, aside / image.MEMORY)
        kept.seconds["dump"] = clock.lap()
        _save_files(aside, settings, root)
        (aside / "dump.log").unlink(missing_ok=True)
        kept.seconds["files"] = clock.lap()
        manifest = replace(manifest, files=image.measure(aside))
        image.write_manifest(aside, manifest)
        aside.rename(folder)
        image.sync_folder(folder.parent)
        kept.seconds["hash"] = clock.lap()
    except (OSError, criu.CriuError, ImageError) as error:
        freezing.go_on(pid for pid in tree.members(root) if pid not in stood_still)
        shutil.rmtree(aside, ignore_errors=True)
        raise SleepError(f"The memory of {settings.title} could not be kept: {_why(error)}.") from error
    kept.bytes = sum(size for size, _ in manifest.files.values())
    end_all()
    kept.seconds["end"] = clock.lap()
    return kept


def bring_back(program: str, settings: Settings, folder: Path) -> int:
    """Restore the tree of an image as children of ours; returns the PID of its root.

    Raises SleepError; then no process of it is left, nor anything of it in the runtime folder.
    """
    try:
        manifest = image.read_manifest(folder)
        _check_match(manifest, settings, here(criu.version(program) or ""))
        image.verify(folder, manifest)
    except (OSError, ImageError) as error:
        raise SleepError(_not_restored(settings, _why(error))) from error
    unpacked = folder.with_name(f"{folder.name}.unpacked")  # on a disk: the runtime folder may be in memory
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        image.unpack(folder, manifest, unpacked)
        runtime_files.put_back(unpacked / image.FILES, settings.runtime_dir)
        criu.restore(program, unpacked / image.MEMORY, settings.path("restore.log"))
        _wait_for_windows(manifest, settings)
    except (OSError, ImageError, criu.CriuError, tarfile.TarError) as error:
        end_all()
        runtime_files.clear(settings.runtime_dir)
        raise SleepError(_not_restored(settings, _why(error))) from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return manifest.root


def end_all() -> None:
    """End every other process of our PID namespace, whose first we must be, and wait until they are gone."""
    if os.getpid() != 1:
        raise RuntimeError("Anywhere else this would end all processes of the user.")
    deadline = time.monotonic() + END_LIMIT
    while time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if all(freezing.state_of(pid) in ("Z", "X", "") for pid in descendants(os.getpid())):
            return
        time.sleep(0.002)


# --- before a dump ---------------------------------------------------------------------------------------------------


def _make_room(folder: Path) -> None:
    """Make the session's own folder for images, and remove an earlier one: what it was of lives, or was given up."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.parent.chmod(0o700)  # whatever the umask
        discard(folder)
    except OSError as error:
        raise SleepError(f"The memory cannot be kept: {_why(error)}.") from error


def discard(folder: Path) -> None:
    """Remove an image, and what was left of one that was being written or unpacked; raises OSError."""
    for path in (folder, *(folder.with_name(f"{folder.name}{suffix}") for suffix in (".part", ".unpacked"))):
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)


def _check_folder(folder: Path) -> None:
    if not folder.is_absolute() or not folder.parent.is_dir():
        raise SleepError("`folder` must be an absolute path in a folder that exists.")
    if os.path.lexists(folder):
        raise SleepError(f"`folder`: there is something at {folder} already.")


def _refuse_what_cannot_be_kept(pids: list[int], settings: Settings) -> None:
    if found := tree.confined(pids):
        pid, name = found
        raise SleepError(
            f"The memory of {settings.title} cannot be kept: its program {name} (pid {pid}) has a seccomp filter, "
            "as the sandboxes of browsers have. Close it, or switch its sandbox off."
        )


def _wait_for_release(root: int) -> None:
    """Wait until no connection leads out of the tree."""
    deadline = time.monotonic() + RELEASE_LIMIT
    while count := outside_connections(tree.members(root)):
        if time.monotonic() > deadline:
            raise SleepError(
                f"The memory cannot be kept: {count} connection{'s lead' if count > 1 else ' leads'} from the desktop "
                "to programs outside of it, which do not close. Close what uses the machine's services, then try again."
            )
        time.sleep(0.005)


def _check_space(pids: list[int], folder: Path) -> None:
    needed = tree.memory_of(pids)
    there = os.statvfs(folder.parent)
    free = there.f_bavail * there.f_frsize
    if free < needed + SPARE:
        raise SleepError(
            f"The memory cannot be kept: it takes up to {_mib(needed + SPARE)} MiB and {folder.parent} has "
            f"{_mib(free)} MiB left. Delete files that you no longer need, then try again."
        )


def _mib(size: int) -> int:
    return -(-size >> 20)


def _save_files(aside: Path, settings: Settings, root: int) -> None:
    opened = tree.opened_files(tree.members(root))
    runtime_files.save(aside / image.FILES, settings.runtime_dir, opened)


def _describe(program: str, settings: Settings, root: int, display: str) -> Manifest:
    """Return the manifest of what is about to be kept, without its files; raises OSError."""
    return Manifest(
        app=settings.title,
        command=settings.command,
        runtime_dir=str(settings.runtime_dir),
        uid=os.geteuid(),
        root=root,
        display=display,
        windows=top_windows(display, read_cookie(settings.path("Xauthority"))),
        made=datetime.now(UTC).isoformat(),
        facts=here(criu.version(program) or ""),
        files={},
    )


# --- after a restore -------------------------------------------------------------------------------------------------


def _check_match(manifest: Manifest, settings: Settings, facts: Facts) -> None:
    """Raise ImageError when an image is not one of this desktop on a machine like this."""
    if manifest.command != settings.command:
        raise ImageError(f"it is one of {manifest.app}, started in another way")
    if manifest.runtime_dir != str(settings.runtime_dir):
        raise ImageError(f"its runtime folder was {manifest.runtime_dir}")
    if manifest.uid != os.geteuid():
        raise ImageError(f"it belongs to uid {manifest.uid}")
    if why := mismatch(manifest.facts, facts):
        raise ImageError(why)


def _wait_for_windows(manifest: Manifest, settings: Settings) -> None:
    """Raise ImageError when the X server does not answer or windows are missing."""
    cookie = read_cookie(settings.path("Xauthority"))
    deadline = time.monotonic() + WINDOWS_LIMIT
    while True:
        with contextlib.suppress(OSError):
            there = set(top_windows(manifest.display, cookie))
            # A tooltip may have gone in the moment between the list and the dump.
            if 2 * len(there & set(manifest.windows)) >= len(manifest.windows):
                return
        if time.monotonic() > deadline:
            raise ImageError("its windows did not come back")
        time.sleep(0.02)


def _not_restored(settings: Settings, why: str) -> str:
    return (
        f"{settings.title} has been started anew, because its memory image could not be restored: {why}. "
        "Files that were saved are all there; what was not saved is lost."
    )


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'the disk'}: {error.strerror}"
    return str(error).rstrip(".")


class Clock:
    """Tells how long each of several steps has taken."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since the last call, to the millisecond."""
        now = time.monotonic()
        took, self._last = now - self._last, now
        return round(took, 3)
