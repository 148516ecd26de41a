"""A memory image's folder: its files, and the manifest that says what they are. Knows neither CRIU nor processes.

    manifest.json    written last; without it the folder is no image
    memory/          what CRIU writes
    files.tar        the runtime folder, and what the programs have made below /tmp and /dev/shm

A file's name says in what form it is kept: `.zst` compressed, `.sealed` encrypted, `.zst.sealed` both.

Without a key the manifest's hashes find damage, not forgery: whoever can write there can do to that user's programs
whatever the image could. With a key every file is encrypted, nothing else is ever written, and the manifest is signed.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from streamspace_proxy.desktop import sealing
from streamspace_proxy.desktop.facts import Facts
from streamspace_proxy.desktop.release import Release

MANIFEST, MEMORY, FILES = "manifest.json", "memory", "files.tar"
FORMAT = 1
LONGEST_MANIFEST = 1 << 20
"""Bytes."""
_PACKED, _SEALED = ".zst", ".sealed"
_CHUNK = 1 << 20
_libc = ctypes.CDLL(None, use_errno=True)
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
    release: Release
    files: Mapping[str, tuple[int, str]]
    """For each file its size in bytes and its SHA-256, in hexadecimal digits."""

    def to_json(self, key: bytes | None) -> str:
        """Return the text of the manifest's file, signed where there is a key."""
        fields = asdict(self) | {"format": FORMAT}
        fields["facts"]["cpu_flags"] = sorted(self.facts.cpu_flags)
        return json.dumps(fields | {"signature": _signature(fields, key)}, indent=1)


def _signature(fields: Mapping[str, Any], key: bytes | None) -> str | None:
    if key is None:
        return None
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hmac.digest(sealing.derive(key, b"manifest"), text.encode(), "sha256").hex()


def read_manifest(folder: Path, key: bytes | None) -> Manifest:
    """Read the manifest of an image; raises ImageError, with a key also when it does not bear its signature."""
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
        fields = json.loads(text)
        _check_signature(fields, fields.pop("signature", None), key)
        return _manifest(fields)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise ImageError("its manifest is damaged") from error


def _check_signature(fields: dict[str, Any], signature: str | None, key: bytes | None) -> None:
    if key is None and signature is not None:
        raise ImageError("it is encrypted, and this desktop has not been given a key")
    if key is not None and signature is None:
        raise ImageError("it is not encrypted, and here only those are taken that are")
    if key is not None and not hmac.compare_digest(str(signature), str(_signature(fields, key))):
        raise ImageError("it was not made with this session's key, or has been changed")


def _manifest(fields: dict[str, Any]) -> Manifest:
    if fields.pop("format") != FORMAT:
        raise ImageError("it was made by another version of StreamSpace")
    facts = fields.pop("facts")
    facts["cpu_flags"] = frozenset(facts["cpu_flags"])
    release = _release(**fields.pop("release", {}))  # older images do not tell it
    files = {_plain(name): (int(size), str(digest)) for name, (size, digest) in fields.pop("files").items()}
    for name in ("command", "windows"):
        fields[name] = tuple(fields[name])
    manifest = Manifest(**fields, facts=Facts(**facts), release=release, files=files)
    for name, kind in (("root", int), ("uid", int), ("display", str), ("runtime_dir", str)):
        if not isinstance(getattr(manifest, name), kind):
            raise TypeError(name)
    return manifest


def _release(image: str | None = None, packages: Mapping[str, str] | None = None) -> Release:
    return Release(image, {name: str(version) for name, version in (packages or {}).items()})


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


def write_manifest(folder: Path, manifest: Manifest, key: bytes | None) -> None:
    """Write the manifest, and have the disk keep it and the names of all files; raises OSError."""
    aside = folder / f"{MANIFEST}.part"
    with aside.open("w", encoding="utf-8") as file:
        file.write(manifest.to_json(key))
        file.flush()
        os.fsync(file.fileno())
    aside.rename(folder / MANIFEST)
    for path in (folder / MEMORY, folder, folder.parent):
        sync_folder(path)


def put_in_place(aside: Path, folder: Path) -> None:
    """Give a whole image its name; one that has it goes, once the other is there. Raises OSError."""
    if not os.path.lexists(folder):
        aside.rename(folder)
    elif _exchange_names(aside, folder):
        remove(aside)
    else:  # not every file system can
        old = folder.with_name(f"{folder.name}.old")
        remove(old)
        folder.rename(old)
        aside.rename(folder)
        remove(old)
    sync_folder(folder.parent)


def _exchange_names(one: Path, other: Path) -> bool:
    """Exchange two names at once (renameat2(2)); returns whether it could be done."""
    at_cwd, exchange = -100, 2
    return bool(_libc.renameat2(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), exchange) == 0)


def remove(folder: Path) -> None:
    """Remove an image, or what is in its place, at once: what is left when it ends in the middle is none."""
    with contextlib.suppress(OSError):
        folder.unlink()  # no folder, but a link or a file
    with contextlib.suppress(OSError):
        (folder / MANIFEST).unlink()
    shutil.rmtree(folder, ignore_errors=True)


def set_aside(folder: Path) -> Path:
    """Keep an image as the last one, in the place of an earlier; returns where it is. Raises OSError."""
    last = folder.with_name(f"{folder.name}.last")
    remove(last)
    folder.rename(last)
    return last


def uptime_of(folder: Path) -> float:
    """Return the clock that an image's programs have seen, unchecked; 0 where it is not told."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            return float(json.loads(file.read(LONGEST_MANIFEST))["facts"]["uptime"])
    except (OSError, ValueError, RecursionError, TypeError, KeyError):
        return 0.0


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def verify(folder: Path, manifest: Manifest) -> None:
    """Check that all files are there, as they were made; raises ImageError. `give` takes no others."""
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


# --- a file's forms --------------------------------------------------------------------------------------------------


def packer() -> str | None:
    """Return the program that compresses, if there is one."""
    return shutil.which("zstd")


def stored(manifest: Manifest) -> dict[str, str]:
    """Return for each file of an image, by its own name, the name that it is kept under."""
    return {name.removesuffix(_SEALED).removesuffix(_PACKED): name for name in manifest.files}


def take(folder: Path, name: str, pipe: int, key: bytes | None) -> None:
    """Write a file of an image: what comes through a pipe, to its end. Raises OSError."""
    if key is not None:
        name += _SEALED
    _write(folder / name, name, pipe, key)


def give(folder: Path, name: str, pipe: int, key: bytes | None) -> None:
    """Write what a file that is kept as `name` holds into a pipe; raises ImageError, OSError.

    Who reads may go before the end.
    """
    try:
        if name.removesuffix(_SEALED).endswith(_PACKED):
            with flow(lambda end: _read(folder / name, name, end, key)) as packed:
                done = subprocess.run([*_program(), "-d", "-q", "-c"], stdin=packed, stdout=pipe, check=False)
            if done.returncode not in (0, -signal.SIGPIPE):
                raise ImageError(f"its file {name} cannot be decompressed")
        else:
            _read(folder / name, name, pipe, key)
    except BrokenPipeError:
        pass
    except sealing.SealError as error:
        raise ImageError(f"its file {name} is damaged: {error}") from error


def _program() -> list[str]:
    program = packer()
    if program is None:
        raise ImageError("it is compressed and there is no program `zstd` here")
    return [program]


def _write(path: Path, name: str, pipe: int, key: bytes | None) -> None:
    chunks = iter(lambda: os.read(pipe, _CHUNK), b"")
    with open(path, "wb", opener=_private) as file:
        if key is not None:
            sealing.write(chunks, file, key, name)
            return
        for chunk in chunks:
            file.write(chunk)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read(path: Path, name: str, pipe: int, key: bytes | None) -> None:
    with path.open("rb") as file:
        chunks = sealing.read(file, key, name) if key is not None else iter(lambda: file.read(_CHUNK), b"")
        for chunk in chunks:
            left = memoryview(chunk)
            while left:
                left = left[os.write(pipe, left) :]


@contextlib.contextmanager
def flow(write: Callable[[int], None]) -> Iterator[int]:
    """Run `write` beside us, into a pipe; yields its other end. Raises what `write` has raised."""
    reader, writer = os.pipe()
    failed: list[Exception] = []

    def run() -> None:
        try:
            write(writer)
        except BrokenPipeError:
            pass
        except Exception as error:  # told to who reads
            failed.append(error)
        finally:
            os.close(writer)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield reader
    finally:
        os.close(reader)
        thread.join()
    if failed:
        raise failed[0]


# --- compression -----------------------------------------------------------------------------------------------------


def pack(folder: Path, key: bytes | None = None) -> int:
    """Compress an image's large files where they are; returns its new size in bytes.

    At every moment the folder holds a whole image: compressed files are written beside the others, which go when
    the manifest has been changed. Raises OSError; then the image is as it was.
    """
    manifest = read_manifest(folder, key)
    large = {
        name: plain + _PACKED + (_SEALED if key is not None else "")
        for plain, name in stored(manifest).items()
        if manifest.files[name][0] >= _CHUNK and _PACKED not in name.removeprefix(plain)
    }
    if packer() is None or not large:
        return sum(size for size, _ in manifest.files.values())
    files = dict(manifest.files)
    try:
        for name, packed in large.items():
            part = folder / f"{packed}.part"
            _pack(folder, name, part, packed, key)
            files[packed] = _digest(part, keep=True)
            del files[name]
    except (OSError, ImageError) as error:
        for packed in large.values():
            with contextlib.suppress(OSError):
                (folder / f"{packed}.part").unlink()
        raise OSError(str(error)) from error
    return _exchange(folder, manifest, files, large, key)


def _pack(folder: Path, name: str, part: Path, packed: str, key: bytes | None) -> None:
    part.unlink(missing_ok=True)
    command = [*_program(), "-3", "-T0", "-q", "-c"]
    with flow(lambda end: give(folder, name, end, key)) as plain, flow(lambda end: _run(command, plain, end)) as small:
        _write(part, packed, small, key)


def _run(command: list[str], source: int, target: int) -> None:
    done = subprocess.run(command, stdin=source, stdout=target, check=False)
    if done.returncode != 0:
        raise OSError(f"{command[0]} has ended with exit code {done.returncode}")


def _exchange(
    folder: Path,
    manifest: Manifest,
    files: dict[str, tuple[int, str]],
    packed: dict[str, str],
    key: bytes | None,
) -> int:
    # A crash between any two of these steps leaves a manifest whose files are all there.
    for name in packed.values():
        (folder / f"{name}.part").rename(folder / name)
    write_manifest(folder, replace(manifest, files=files), key)
    for name in packed:
        (folder / name).unlink()
    return sum(size for size, _ in files.values())
