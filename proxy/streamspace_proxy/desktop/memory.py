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
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from streamspace_proxy.desktop import criu, freezing, image, obstacles, release, runtime_files, tree
from streamspace_proxy.desktop.ability import Ability
from streamspace_proxy.desktop.connections import outside_connections
from streamspace_proxy.desktop.facts import Facts, here, mismatch
from streamspace_proxy.desktop.image import ImageError, Manifest
from streamspace_proxy.desktop.image_stream import ImageStream
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
PAUSE = 0.5
"""Seconds for which a desktop goes on before its memory is taken once more."""


class SleepError(Exception):
    """Memory cannot be kept or brought back; the text is one sentence for the user."""


class PassingError(SleepError):
    """The same, for a reason that may be gone in a moment."""


@dataclass(slots=True)
class Kept:
    """What was put to sleep."""

    bytes: int
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Woken:
    """What was brought back."""

    root: int
    """PID of the tree's first process."""
    seconds: dict[str, float]


def keep(able: Ability, settings: Settings, root: int, display: str, folder: Path) -> Kept:
    """Put the tree of `root` into an image at `folder` and end it; raises SleepError, and then it goes on.

    What fails for a reason that passes is tried once more. We must be the first process of the PID namespace: ending
    the tree ends all in it.
    """
    if folder == settings.sleep_folder:
        _make_room(folder)
    _check_folder(folder, (settings.restore, settings.sleep_folder))
    try:
        kept = _keep(able, settings, root, display, folder)
    except PassingError:
        time.sleep(PAUSE)
        kept = _keep(able, settings, root, display, folder)
    clock = Clock()
    end_all()
    kept.seconds["end"] = clock.lap()
    return kept


def _keep(able: Ability, settings: Settings, root: int, display: str, folder: Path) -> Kept:
    """Put the tree of `root`, stopped, into an image at `folder`; raises SleepError, and then it goes on."""
    program, key = _program(able), able.key
    kept, clock = Kept(0), Clock()
    if found := obstacles.find(settings.title, root):
        raise SleepError(found)
    _wait_for_release(root)
    _check_space(tree.members(root), folder)
    kept.seconds["stop"] = clock.lap()
    aside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    stood_still = {pid for pid in tree.members(root) if freezing.is_stopped(pid)}
    try:
        for new in (aside, aside / image.MEMORY):
            new.mkdir(0o700)
        manifest = _describe(program, settings, root, display)
        take = partial(_take_memory, aside, key)
        criu.dump(program, root, ImageStream("capture", take), aside / "dump.log")
        kept.seconds["dump"] = clock.lap()
        _save_files(aside, settings, root, key)
        (aside / "dump.log").unlink(missing_ok=True)
        kept.seconds["files"] = clock.lap()
        manifest = replace(manifest, files=image.measure(aside))
        image.write_manifest(aside, manifest, key)
        image.put_in_place(aside, folder)
        kept.seconds["hash"] = clock.lap()
    except (OSError, criu.CriuError, ImageError) as error:
        freezing.go_on(pid for pid in tree.members(root) if pid not in stood_still)
        shutil.rmtree(aside, ignore_errors=True)
        passing = isinstance(error, criu.CriuError) and error.passing
        raise (PassingError if passing else SleepError)(
            f"The memory of {settings.title} could not be kept: {_why(error)}."
        ) from error
    kept.bytes = sum(size for size, _ in manifest.files.values())
    return kept


def bring_back(able: Ability, settings: Settings, folder: Path) -> Woken:
    """Restore the tree of an image as children of ours.

    Raises SleepError; then no process of it is left, nor anything of it in the runtime folder.
    """
    program, key = _program(able), able.key
    clock = Clock()
    try:
        manifest = image.read_manifest(folder, key)
        _check_match(manifest, settings, here(criu.version(program) or ""))
        image.verify(folder, manifest)
    except (OSError, ImageError) as error:
        raise SleepError(_not_restored(settings, _why(error))) from error
    woken = Woken(manifest.root, {"check": clock.lap()})
    try:
        names = image.stored(manifest)
        _put_files_back(settings, folder, names, key)
        woken.seconds["files"] = clock.lap()
        _restore(program, settings, folder, names, key)
        woken.seconds["restore"] = clock.lap()
        _wait_for_windows(manifest, settings)
        woken.seconds["windows"] = clock.lap()
    except (OSError, ImageError, criu.CriuError, tarfile.TarError) as error:
        end_all()
        runtime_files.clear(settings.runtime_dir)
        raise SleepError(_not_restored(settings, _why(error))) from error
    return woken


def _put_files_back(settings: Settings, folder: Path, names: Mapping[str, str], key: bytes | None) -> None:
    if image.FILES not in names:
        raise ImageError(f"its file {image.FILES} is missing")
    with image.flow(lambda end: image.give(folder, names[image.FILES], end, key)) as archive:
        runtime_files.put_back(archive, settings.runtime_dir)


def _restore(program: str, settings: Settings, folder: Path, names: Mapping[str, str], key: bytes | None) -> None:
    def give(name: str, pipe: int) -> None:
        image.give(folder, names[f"{image.MEMORY}/{name}"], pipe, key)

    images = ImageStream("serve", give, lambda name: f"{image.MEMORY}/{name}" in names)
    criu.restore(program, images, settings.path("restore.log"))


def _take_memory(folder: Path, key: bytes | None, name: str, pipe: int) -> None:
    image.take(folder, f"{image.MEMORY}/{name}", pipe, key)


def _program(able: Ability) -> str:
    assert able.program is not None, "whoever calls us has looked"
    return able.program


def end_all() -> None:
    """End every other process of our PID namespace, whose first we must be, and wait until they are gone."""
    if os.getpid() != 1:
        raise RuntimeError("Anywhere else this would end all processes of the user.")
    deadline = time.monotonic() + END_LIMIT
    while time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # root's own, that look into a container
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if all(freezing.state_of(pid) in ("Z", "X", "") for pid in descendants(os.getpid())):
            return
        time.sleep(0.002)


# --- before a dump ---------------------------------------------------------------------------------------------------


def _make_room(folder: Path) -> None:
    """Make the session's own folder for images."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.parent.chmod(0o700)  # whatever the umask
    except OSError as error:
        raise SleepError(f"The memory cannot be kept: {_why(error)}.") from error


def _check_folder(folder: Path, ours: Collection[Path | None]) -> None:
    """Refuse a folder that cannot be, or that is there already and not one of `ours`, which is replaced."""
    if not folder.is_absolute() or not folder.parent.is_dir():
        raise SleepError("`folder` must be an absolute path in a folder that exists.")
    if os.path.lexists(folder) and folder not in ours:
        raise SleepError(f"`folder`: there is something at {folder} already.")


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


def _save_files(aside: Path, settings: Settings, root: int, key: bytes | None) -> None:
    opened = tree.opened_files(tree.members(root))
    with image.flow(lambda end: runtime_files.save(end, settings.runtime_dir, opened)) as archive:
        image.take(aside, image.FILES, archive, key)


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
        release=release.here(settings.packages),
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
    if why := release.mismatch(manifest.release, release.here(settings.packages)) or mismatch(manifest.facts, facts):
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
