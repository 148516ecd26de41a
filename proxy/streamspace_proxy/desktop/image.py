"""A memory image's folder: its files, and the manifest that says what they are. Knows neither CRIU nor processes.

    manifest.json    written last; without it the folder is no image
    memory/          what CRIU writes
    files.tar        the runtime folder, and what the programs have made below /tmp and /dev/shm

The manifest's hashes find damage, not forgery: the folder belongs to the user whose memory it is, and whoever can write
there can do to that user's programs whatever the image could.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streamspace_proxy.desktop.facts import Facts

MANIFEST, MEMORY, FILES = "manifest.json", "memory", "files.tar"
FORMAT = 1
LONGEST_MANIFEST = 1 << 20
"""Bytes."""
_PACKED = ".zst"
_CHUNK = 1 << 20
_THREADS = 4


class ImageError(Exception):
    """A folder does not hold a whole image; the text is part of a sentence that says what is wrong."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an image is of."""

    app: str
    command: tuple[str, ...]
    runtime_dir: str
    uid: int
    root: int
    """PID of the tree's first process."""
    display: str
    windows: tuple[int, ...]
    """The root window's children at the time."""
    made: str
    """ISO 8601, UTC."""
    facts: Facts
    files: Mapping[str, tuple[int, str]]
    """For each file its size in bytes and its SHA-256, in hexadecimal digits."""

    def to_json(self) -> str:
        """Return the text of the manifest's file."""
        fields = asdict(self) | {"format": FORMAT}
        fields["facts"]["cpu_flags"] = sorted(self.facts.cpu_flags)
        return json.dumps(fields, indent=1)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an image; raises ImageError."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            text = file.read(LONGEST_MANIFEST + 1)
    except FileNotFoundError:
        raise ImageError("there is none") from None
    except OSError as error:
        raise ImageError(f"its manifest cannot be read: {error.strerror}") from error
    if len(text) > LONGEST_MANIFEST:
        raise ImageError("its manifest is too long")
    try:
        return _manifest(json.loads(text))
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise ImageError("its manifest is damaged") from error


def _manifest(fields: dict[str, Any]) -> Manifest:
    if fields.pop("format") != FORMAT:
        raise ImageError("it was made by another version of StreamSpace")
    facts = fields.pop("facts")
    facts["cpu_flags"] = frozenset(facts["cpu_flags"])
    files = {_plain(name): (int(size), str(digest)) for name, (size, digest) in fields.pop("files").items()}
    for name in ("command", "windows"):
        fields[name] = tuple(fields[name])
    manifest = Manifest(**fields, facts=Facts(**facts), files=files)
    for name, kind in (("root", int), ("uid", int), ("display", str), ("runtime_dir", str)):
        if not isinstance(getattr(manifest, name), kind):
            raise TypeError(name)
    return manifest


def _plain(name: str) -> str:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(name)
    return name


def measure(folder: Path) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 of every file of an image, and have the disk keep them; raises OSError."""
    paths = [path for path in _walk(folder) if path.name != MANIFEST]
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(lambda path: _digest(path, keep=True), paths))
    return {str(path.relative_to(folder)): item for path, item in zip(paths, found, strict=True)}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, and have the disk keep it and the names of all files; raises OSError."""
    aside = folder / f"{MANIFEST}.part"
    with aside.open("w", encoding="utf-8") as file:
        file.write(manifest.to_json())
        file.flush()
        os.fsync(file.fileno())
    aside.rename(folder / MANIFEST)
    for path in (folder / MEMORY, folder, folder.parent):
        sync_folder(path)


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def verify(folder: Path, manifest: Manifest) -> None:
    """Check that all files are there, as they were made; raises ImageError. `unpack` takes no others."""
    there = {str(path.relative_to(folder)): path for path in _walk(folder)}
    if missing := sorted(set(manifest.files) - set(there)):
        raise ImageError(f"its file {missing[0]} is missing")
    for name, (size, _) in manifest.files.items():
        if there[name].lstat().st_size != size:
            raise ImageError(f"its file {name} has another size than when it was made")
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            digests = dict(
                zip(manifest.files, pool.map(lambda name: _digest(there[name]), manifest.files), strict=True)
            )
        except OSError as error:
            raise ImageError(f"it cannot be read: {error.strerror}") from error
    for name, (_, digest) in digests.items():
        if digest != manifest.files[name][1]:
            raise ImageError(f"its file {name} is damaged")


def _walk(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(where, name)
            if path.is_symlink():
                raise ImageError(f"there is a link in it: {path.relative_to(folder)}")
            if name in names:
                yield path


def _digest(path: Path, *, keep: bool = False) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
        if keep:
            os.fsync(file.fileno())
    return size, digest.hexdigest()


# --- compression -----------------------------------------------------------------------------------------------------


def packer() -> str | None:
    """Return the program that compresses, if there is one."""
    return shutil.which("zstd")


def unpack(folder: Path, manifest: Manifest, into: Path) -> None:
    """Put an image's files, decompressed, `into` a folder that is made; raises ImageError or OSError.

    Files that are not compressed are linked to, not copied.
    """
    into.mkdir(0o700)
    for name in manifest.files:
        source, target = folder / name, into / name.removesuffix(_PACKED)
        target.parent.mkdir(exist_ok=True)
        if not name.endswith(_PACKED):
            target.symlink_to(source)
            continue
        program = packer()
        if program is None:
            raise ImageError("it is compressed and there is no program `zstd` here")
        done = subprocess.run([program, "-d", "-q", "-f", "-o", target, source], check=False, capture_output=True)
        if done.returncode != 0:
            raise ImageError(f"its file {name} cannot be decompressed")


def pack(folder: Path) -> int:
    """Compress an image's large files where they are; returns its new size in bytes.

    At every moment the folder holds a whole image: compressed files are written beside the others, which go when
    the manifest has been changed. Raises OSError; then the image is as it was.
    """
    manifest, program = read_manifest(folder), packer()
    large = [name for name, (size, _) in manifest.files.items() if size >= _CHUNK and not name.endswith(_PACKED)]
    if program is None or not large:
        return sum(size for size, _ in manifest.files.values())
    files = dict(manifest.files)
    try:
        for name in large:
            packed = folder / f"{name}{_PACKED}.part"
            subprocess.run(
                [program, "-q", "-f", "-3", "-T0", "-o", packed, folder / name], check=True, capture_output=True
            )
            files[name + _PACKED] = _digest(packed, keep=True)
            del files[name]
    except (OSError, subprocess.CalledProcessError) as error:
        for name in large:
            with contextlib.suppress(OSError):
                (folder / f"{name}{_PACKED}.part").unlink()
        raise OSError(f"{program}: {error}") from error
    return _exchange(folder, manifest, files, large)


def _exchange(folder: Path, manifest: Manifest, files: dict[str, tuple[int, str]], large: list[str]) -> int:
    # A crash between any two of these steps leaves a manifest whose files are all there.
    fields = asdict(manifest) | {"files": files, "facts": manifest.facts}
    for name in large:
        (folder / f"{name}{_PACKED}.part").rename(folder / f"{name}{_PACKED}")
    write_manifest(folder, Manifest(**fields))
    for name in large:
        (folder / name).unlink()
    return sum(size for size, _ in files.values())
