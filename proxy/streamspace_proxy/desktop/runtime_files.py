"""The files that a desktop's programs cannot live on without: its runtime folder, and what they have in /tmp.

As a tar file in the memory image. Sockets are CRIU's business, logs of the session's other parts stay where they are.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOTS = ("/tmp", "/dev/shm")  # noqa: S108 - read, and written only in its owner's name
OTHERS = frozenset({"session.log", "streamer.log"})
"""In the runtime folder, but of the runner and the streamer."""


def save(archive: int, runtime_dir: Path, opened: Iterable[str]) -> None:
    """Write the runtime folder and the files of `opened` that lie in ROOTS into a pipe; raises OSError."""
    with open(archive, "wb", closefd=False) as file, tarfile.open(fileobj=file, mode="w|") as tar:
        names = [runtime_dir, *_below(runtime_dir, lambda path: path.parent != runtime_dir or path.name not in OTHERS)]
        for path in [*names, *_temporary(opened, runtime_dir)]:
            # A file may go at any time: what is not there is not needed, or CRIU says so.
            with contextlib.suppress(FileNotFoundError):
                tar.add(path, arcname=str(path).lstrip("/"), recursive=False)


def put_back(archive: int, runtime_dir: Path) -> None:
    """Unpack from a pipe the runtime folder as it was, and elsewhere what is missing; raises OSError, TarError."""
    own = str(runtime_dir).lstrip("/")
    with open(archive, "rb", closefd=False) as file, tarfile.open(fileobj=file, mode="r|") as tar:
        for member in tar:
            path = Path("/", member.name)
            inside = member.name == own or member.name.startswith(f"{own}/")
            if ".." in path.parts or not (inside or str(path).startswith(tuple(f"{root}/" for root in ROOTS))):
                raise tarfile.TarError(f"{member.name} does not belong into it")
            if inside or not os.path.lexists(path):
                tar.extract(member, "/", set_attrs=True)


def clear(runtime_dir: Path) -> None:
    """Empty the runtime folder of what a desktop has in it."""
    for path in runtime_dir.iterdir():
        if path.name in OTHERS or path.name.startswith(("streamer.", "handover.")):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _below(folder: Path, wanted: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield the folders, files and links below `folder` that are `wanted`; nothing below what is not."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for path in entries:
        with contextlib.suppress(FileNotFoundError):
            mode = path.lstat().st_mode
            if not wanted(path):
                continue
            if stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISLNK(mode):
                yield path
            if stat.S_ISDIR(mode):
                yield from _below(path, wanted)


def _temporary(opened: Iterable[str], runtime_dir: Path) -> Iterator[Path]:
    for name in sorted(set(opened)):
        path = Path(name)
        if name.startswith(tuple(f"{root}/" for root in ROOTS)) and not path.is_relative_to(runtime_dir):
            with contextlib.suppress(OSError):
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path
