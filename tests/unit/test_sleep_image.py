"""A memory image's folder: what is whole, what is damaged, and that compressing leaves it whole at every moment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from streamspace_proxy.desktop import criu, image
from streamspace_proxy.desktop.facts import Facts, mismatch
from streamspace_proxy.desktop.image import ImageError, Manifest

FACTS = Facts("x86_64", "6.12", "boot", 1000.0, frozenset({"sse2", "avx"}), "4.1.1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image of two files, one of which is worth compressing."""
    where = tmp_path / "image"
    (where / "memory").mkdir(parents=True)
    (where / "memory" / "pages-1.img").write_bytes(b"page" * (1 << 19))
    (where / "files.tar").write_bytes(b"small")
    manifest = Manifest("GIMP", ("gimp",), "/run/x", 1000, 5001, ":5", (1, 2), "2026-01-31T12:00:00+00:00", FACTS, {})
    image.write_manifest(where, replace(manifest, files=image.measure(where)))
    return where


def unpacked(folder: Path, into: Path) -> dict[str, bytes]:
    manifest = image.read_manifest(folder)
    image.verify(folder, manifest)
    image.unpack(folder, manifest, into)
    return {str(path.relative_to(into)): path.read_bytes() for path in into.rglob("*") if path.is_file()}


def test_what_was_written_is_read(folder: Path, tmp_path: Path) -> None:
    manifest = image.read_manifest(folder)
    assert manifest.facts == FACTS
    assert set(manifest.files) == {"memory/pages-1.img", "files.tar"}
    assert unpacked(folder, tmp_path / "out") == {"memory/pages-1.img": b"page" * (1 << 19), "files.tar": b"small"}


@pytest.mark.skipif(shutil.which("zstd") is None, reason="there is no zstd")
def test_compressed_files_are_the_same_when_unpacked(folder: Path, tmp_path: Path) -> None:
    before = unpacked(folder, tmp_path / "before")
    assert image.pack(folder) < 100_000
    assert not (folder / "memory" / "pages-1.img").exists()
    assert unpacked(folder, tmp_path / "after") == before
    assert image.pack(folder) < 100_000, "there is nothing left to compress"


@pytest.mark.skipif(shutil.which("zstd") is None, reason="there is no zstd")
@pytest.mark.parametrize("step", range(12))
def test_compressing_may_end_at_any_moment(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Every change of the folder is a moment at which the power may fail."""
    before = unpacked(folder, tmp_path / "before")
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

    for owner, name in ((Path, "rename"), (Path, "unlink"), (os, "fsync"), (subprocess, "run")):
        monkeypatch.setattr(owner, name, failing(getattr(owner, name)))
    try:
        image.pack(folder)
    except PowerFailure:
        pass
    finally:
        monkeypatch.undo()
    assert unpacked(folder, tmp_path / "after") == before


def test_a_failing_compressor_leaves_the_image_as_it_was(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = unpacked(folder, tmp_path / "before")
    monkeypatch.setattr(image, "packer", lambda: "/bin/false")
    with pytest.raises(OSError, match="false"):
        image.pack(folder)
    assert list(folder.rglob("*.part")) == []
    monkeypatch.undo()
    assert unpacked(folder, tmp_path / "after") == before


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
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(folder: Path, name: str, value: object, why: str) -> None:
    fields = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**fields, name: value}))
    with pytest.raises(ImageError, match=why):
        image.read_manifest(folder)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"x" * (2 << 20)])
def test_a_manifest_that_is_none_is_refused(folder: Path, text: bytes) -> None:
    (folder / "manifest.json").write_bytes(text)
    with pytest.raises(ImageError, match="manifest"):
        image.read_manifest(folder)


def test_a_planted_link_is_refused_and_a_planted_file_never_unpacked(folder: Path, tmp_path: Path) -> None:
    (folder / "memory" / "seccomp.img").write_text("planted")
    assert "memory/seccomp.img" not in unpacked(folder, tmp_path / "out")
    (folder / "memory" / "link").symlink_to("/etc/passwd")
    with pytest.raises(ImageError, match="link"):
        image.verify(folder, image.read_manifest(folder))


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


def test_a_restore_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CRIU spins for ever on a truncated file of pages."""
    monkeypatch.setattr(criu, "RESTORE_LIMIT", 0.5)
    with pytest.raises(criu.CriuError, match="not done after"):
        criu.restore(program(tmp_path, "while :; do :; done"), tmp_path, tmp_path / "log")


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
    (tmp_path / "dump.log").write_text(log)
    (tmp_path / "images").mkdir()
    writes = program(tmp_path, f"for last; do :; done; cat > \"$last\" <<'END'\n{log}END\nexit 1")
    with pytest.raises(criu.CriuError) as caught:
        criu.dump(writes, 1, tmp_path / "images")
    assert str(caught.value) == said


@pytest.mark.parametrize(("version", "enough"), [("4.1", True), ("4.1.1", True), ("5.0", True), ("3.17.1", False)])
def test_old_versions_are_refused(version: str, enough: bool) -> None:
    assert criu.is_new_enough(version) is enough
