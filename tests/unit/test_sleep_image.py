"""A memory image's folder: what is whole, what is damaged, and that compressing leaves it whole at every moment."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from streamspace_proxy.desktop import criu, image
from streamspace_proxy.desktop.facts import Facts, mismatch
from streamspace_proxy.desktop.image import ImageError, Manifest
from streamspace_proxy.desktop.image_stream import ImageStream
from streamspace_proxy.desktop.release import Release

from tests.support.waiting import PATIENCE

FACTS = Facts("x86_64", "6.12", "boot", 1000.0, frozenset({"sse2", "avx"}), "4.1.1")
RELEASE = Release("sha256:12", {"gimp": "3.0.4-3"})
needs_zstd = pytest.mark.skipif(shutil.which("zstd") is None, reason="there is no zstd")


KEY = bytes(range(32))
CONTENTS = {"memory/pages-1.img": b"page" * (1 << 19), "files.tar": b"small"}


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def key(request: pytest.FixtureRequest) -> bytes | None:
    """The key of images."""
    found: bytes | None = request.param
    return found


@pytest.fixture
def folder(tmp_path: Path, key: bytes | None) -> Path:
    """An image of two files, one of which is worth compressing."""
    return make(tmp_path / "image", key)


def make(where: Path, key: bytes | None, contents: dict[str, bytes] = CONTENTS) -> Path:
    (where / "memory").mkdir(parents=True)
    for name, content in contents.items():
        with image.flow(lambda end, content=content: write_all(end, content)) as pipe:
            image.take(where, name, pipe, key)
    made = "2026-01-31T12:00:00+00:00"
    manifest = Manifest("GIMP", ("gimp",), "/run/x", 1000, 5001, ":5", (1, 2), made, FACTS, RELEASE, {})
    image.write_manifest(where, replace(manifest, files=image.measure(where)), key)
    return where


def write_all(pipe: int, content: bytes) -> None:
    with open(pipe, "wb", closefd=False) as file:
        file.write(content)


def unpacked(folder: Path, key: bytes | None) -> dict[str, bytes]:
    manifest = image.read_manifest(folder, key)
    image.verify(folder, manifest)
    return {name: given(folder, stored, key) for name, stored in image.stored(manifest).items()}


def given(folder: Path, stored: str, key: bytes | None) -> bytes:
    with image.flow(lambda end: image.give(folder, stored, end, key)) as pipe, open(pipe, "rb", closefd=False) as file:
        return file.read()


def suffix(key: bytes | None) -> str:
    return "" if key is None else ".sealed"


def test_what_was_written_is_read(folder: Path, key: bytes | None) -> None:
    manifest = image.read_manifest(folder, key)
    assert manifest.facts == FACTS
    assert manifest.release == RELEASE
    assert set(manifest.files) == {name + suffix(key) for name in CONTENTS}
    assert unpacked(folder, key) == CONTENTS


@needs_zstd
def test_compressed_files_are_the_same_when_unpacked(folder: Path, key: bytes | None) -> None:
    assert image.pack(folder, key) < 100_000
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {
        "manifest.json",
        f"pages-1.img.zst{suffix(key)}",
        f"files.tar{suffix(key)}",
    }
    assert unpacked(folder, key) == CONTENTS
    assert image.pack(folder, key) < 100_000, "there is nothing left to compress"


@needs_zstd
@pytest.mark.parametrize("step", range(12))
def test_compressing_may_end_at_any_moment(
    folder: Path, key: bytes | None, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Every change of the folder is a moment at which the power may fail."""
    left = step

    class PowerFailure(BaseException):
        pass

    def failing(call: object) -> object:
        def instead(*arguments: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise PowerFailure
            return call(*arguments, **options)  # type: ignore[operator]

        return instead

    for owner, name in ((Path, "rename"), (Path, "unlink"), (os, "fsync"), (image, "_write")):
        monkeypatch.setattr(owner, name, failing(getattr(owner, name)))
    try:
        image.pack(folder, key)
    except PowerFailure:
        pass
    finally:
        monkeypatch.undo()
    assert unpacked(folder, key) == CONTENTS


def test_a_failing_compressor_leaves_the_image_as_it_was(
    folder: Path, key: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "packer", lambda: "/bin/false")
    with pytest.raises(OSError, match="false"):
        image.pack(folder, key)
    assert list(folder.rglob("*.part")) == []
    monkeypatch.undo()
    assert unpacked(folder, key) == CONTENTS


def test_nothing_of_what_is_encrypted_can_be_read(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "image", KEY, {"memory/pages-1.img": 99 * b"correct horse battery staple", "files.tar": b""}
    )
    for path in folder.rglob("*"):
        assert path.is_dir() or b"correct horse" not in path.read_bytes()
        assert not path.stat().st_mode & 0o077 or path.is_dir() or path.name == "manifest.json"


@pytest.mark.parametrize(
    ("made_with", "read_with", "why"),
    [
        (KEY, None, "it is encrypted, and this desktop has not been given a key"),
        (None, KEY, "it is not encrypted, and here only those are taken that are"),
        (KEY, KEY[::-1], "it was not made with this session's key, or has been changed"),
    ],
)
def test_an_image_needs_its_own_key(tmp_path: Path, made_with: bytes | None, read_with: bytes | None, why: str) -> None:
    with pytest.raises(ImageError, match=why):
        image.read_manifest(make(tmp_path / "image", made_with), read_with)


def test_a_forged_manifest_is_refused(tmp_path: Path) -> None:
    """Files of another image of the same session, all genuine, do not become part of this one."""
    folder, other = make(tmp_path / "image", KEY), make(tmp_path / "other", KEY)
    fields = json.loads((folder / "manifest.json").read_text())
    stolen = json.loads((other / "manifest.json").read_text())
    for forged in (
        {**fields, "root": 1},
        {**fields, "files": stolen["files"]},
        {**fields, "signature": stolen["signature"]},
        {**fields, "signature": ""},
        {**fields, "signature": 5},
    ):
        (folder / "manifest.json").write_text(json.dumps(forged))
        with pytest.raises(ImageError, match="it was not made with this session's key, or has been changed"):
            image.read_manifest(folder, KEY)


def test_a_file_that_is_changed_after_it_was_checked_is_noticed(tmp_path: Path) -> None:
    """Whoever owns the folder may change a file between the checksum and its use."""
    folder = make(tmp_path / "image", KEY)
    name = "memory/pages-1.img.sealed"
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ImageError, match=r"pages-1.img.sealed is damaged: it was not written with this key"):
        given(folder, name, KEY)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("format", 99, "another version of StreamSpace"),
        ("files", {"/etc/passwd": [0, ""]}, "damaged"),
        ("files", {"../x": [0, ""]}, "damaged"),
        ("files", 3, "damaged"),
        ("root", "init", "damaged"),
        ("extra", 1, "damaged"),
        ("facts", None, "damaged"),
        ("release", None, "damaged"),
        ("release", {"packages": ["gimp"]}, "damaged"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(tmp_path: Path, name: str, value: object, why: str) -> None:
    folder = make(tmp_path / "image", None)
    fields = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**fields, name: value}))
    with pytest.raises(ImageError, match=why):
        image.read_manifest(folder, None)


def test_an_image_from_before_manifests_told_a_release_can_be_read(tmp_path: Path) -> None:
    folder = make(tmp_path / "image", None)
    fields = json.loads((folder / "manifest.json").read_text())
    del fields["release"]
    (folder / "manifest.json").write_text(json.dumps(fields))
    assert image.read_manifest(folder, None).release == Release()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"x" * (2 << 20)])
def test_a_manifest_that_is_none_is_refused(folder: Path, key: bytes | None, text: bytes) -> None:
    (folder / "manifest.json").write_bytes(text)
    with pytest.raises(ImageError, match="manifest"):
        image.read_manifest(folder, key)


def test_a_planted_link_is_refused_and_a_planted_file_never_given(folder: Path, key: bytes | None) -> None:
    (folder / "memory" / "seccomp.img").write_text("planted")
    assert "memory/seccomp.img" not in unpacked(folder, key)
    (folder / "memory" / "link").symlink_to("/etc/passwd")
    with pytest.raises(ImageError, match="link"):
        image.verify(folder, image.read_manifest(folder, key))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, None),
        ({"uptime": 2000.0}, None),
        ({"cpu_flags": frozenset({"sse2", "avx", "avx512f"})}, None),
        ({"criu": "4.2"}, None),
        ({"boot_id": "another"}, None),
        ({"machine": "aarch64"}, "it was made on a x86_64 and this machine is a aarch64"),
        ({"kernel": "6.13"}, "it was made under the kernel 6.12 and this machine runs 6.13"),
        ({"cpu_flags": frozenset({"sse2"})}, "this machine's processor lacks avx"),
        ({"criu": "5.0"}, "it was made by CRIU 4.1.1 and this machine has 5.0"),
        ({"uptime": 999.0}, "this machine's clock is behind that of the one where it was made: it was started later"),
    ],
)
def test_where_an_image_can_be_restored(change: dict[str, object], why: str | None) -> None:
    assert mismatch(FACTS, replace(FACTS, **change)) == why  # type: ignore[arg-type]


def program(folder: Path, body: str) -> str:
    path = folder / "criu"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def no_images(mode: Literal["capture", "serve"]) -> ImageStream:
    return ImageStream(mode, lambda name, pipe: None)


ASKS = """
import os, socket, sys
with socket.socket(socket.AF_UNIX) as link:
    link.connect(sys.argv[1])
    name = b"pages-1.img"
    link.sendall((len(name) + 2).to_bytes(4, "little") + bytes([0x0A, len(name)]) + name)
    assert link.recv(6) == bytes([2, 0, 0, 0, 8, 1])
    reader, writer = os.pipe()
    socket.send_fds(link, [b"x"], [writer])
    os.close(writer)
    print(os.read(reader, 100).decode())
"""
"""Asks for an image as CRIU does."""


def test_who_comes_to_the_socket_before_criu_gets_nothing() -> None:
    def give(name: str, pipe: int) -> None:
        os.write(pipe, b"what was in memory")

    images = ImageStream("serve", give)
    address = str(images.folder / "streamer-serve.sock")
    with socket.socket(socket.AF_UNIX) as hostile:
        hostile.connect(address)
        hostile.settimeout(PATIENCE)
        with subprocess.Popen([sys.executable, "-c", ASKS, address], stdout=subprocess.PIPE, text=True) as process:
            images.start(process)  # type: ignore[arg-type]
            assert hostile.recv(1) == b""
            assert process.communicate(timeout=PATIENCE)[0] == "what was in memory\n"
    images.close(whole=True)
    assert images.error is None


def test_a_restore_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CRIU spins for ever on a truncated file of pages."""
    monkeypatch.setattr(criu, "RESTORE_LIMIT", 0.5)
    with pytest.raises(criu.CriuError, match="not done after"):
        criu.restore(program(tmp_path, "while :; do :; done"), no_images("serve"), tmp_path / "log")


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", "CRIU does not say why"),
        ("Error (criu/tty.c:1): tty: wrong\nError (criu/x.c:1): later\n", "CRIU says: tty: wrong"),
        ("(00.1)    302: Error (criu/a.c:1): deep\n", "CRIU says: deep"),
        ("Error (criu/net.c:1): net: Unexpected error: -1(x)\nError (criu/a.c:1): real\n", "CRIU says: real"),
        ("Error (a): write: No space left on device\n", "the disk is full"),
    ],
)
def test_the_reason_is_the_first_that_is_one(tmp_path: Path, log: str, said: str) -> None:
    writes = program(tmp_path, f"for last; do :; done; cat > \"$last\" <<'END'\n{log}END\nexit 1")
    with pytest.raises(criu.CriuError) as caught:
        criu.dump(writes, 1, no_images("capture"), tmp_path / "dump.log")
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("log", "passing"),
    [
        ("", False),
        ("(00.1)    302: Error (criu/tty.c:1): tty: wrong\n(00.2) Error (criu/cr-dump.c:9): Dumping FAILED.\n", False),
        ("(00.1) Error (criu/sk-unix.c:1): unix: Dangling connection 7\n(00.2) Error (c.c:9): Dumping FAILED.\n", True),
        ("Error (compel/src/lib/infect.c:1): SEIZE 302: task not stopped after seize\n", True),
        ("Warn  (criu/sk-unix.c:1): unix: Dangling connection 7\n", False),
        # It could not stop what started all the time, of which it says nothing.
        ("(00.2) Error (criu/cr-dump.c:9): Dumping FAILED.\n", True),
        ("Error (a): write: No space left on device\nError (c.c:9): Dumping FAILED.\n", False),
    ],
)
def test_what_may_be_gone_in_a_moment_is_told_apart(log: str, passing: bool) -> None:
    assert criu.is_passing(log) is passing


@pytest.mark.parametrize(("version", "enough"), [("4.1", True), ("4.1.1", True), ("5.0", True), ("3.17.1", False)])
def test_old_versions_are_refused(version: str, enough: bool) -> None:
    assert criu.is_new_enough(version) is enough
