"""Runtime folders: private, short, not to be led astray."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from streamspace_spawner import runtime
from streamspace_spawner.accounts import Account, own_account


def account() -> Account:
    own = own_account()
    return Account("x", 54321, 54321, (), "/", "/bin/sh") if own.uid == 0 else own


def test_the_last_sign_of_a_session_is_what_changed_last_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert runtime.last_sign(str(folder)) is None
    folder.mkdir()
    (folder / "session.log").write_text("")
    (folder / "link").symlink_to(tmp_path)
    os.utime(folder / "session.log", (50, 50))
    os.utime(folder / "link", (70, 70), follow_symlinks=False)
    os.utime(folder, (60, 60))
    assert runtime.last_sign(str(folder)) == 70
    os.utime(folder, (80, 80))
    assert runtime.last_sign(str(folder)) == 80


def test_folder_and_log_belong_to_the_account_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "id.1"
    log = runtime.make(str(folder), account())
    os.write(log, b"first\nlast\n")
    for path, mode in ((folder, 0o700), (folder / "session.log", 0o600)):
        assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (account().uid, mode)
    assert runtime.tail(log) == ["first", "last"]
    os.close(log)
    runtime.remove(str(folder))
    runtime.remove(str(folder))
    assert not folder.exists()


def test_what_was_there_is_removed_first(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "id.1"
    os.close(runtime.make(str(folder), account()))
    (folder / "old").touch()
    os.close(runtime.make(str(folder), account()))
    assert [path.name for path in folder.iterdir()] == ["session.log"]


SHIM = """#!/bin/sh
echo "$(id -u) $*" >> "$0.log"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts in another's name")
def test_a_mount_is_ended_in_the_name_of_the_folders_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    # A stand-in for fusermount, which is there only where somebody mounts; what counts is who runs it.
    place = Path(tempfile.mkdtemp(prefix="ss-", dir="/tmp"))
    place.chmod(0o777)
    (place / "fusermount").write_text(SHIM)
    (place / "fusermount").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    folder = place / "run" / "id.1"
    os.close(runtime.make(str(folder), account()))
    mount = folder / "with space"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "none", str(mount)], check=False).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        with pytest.raises(OSError, match="still in use"):
            runtime.remove(str(folder))
        assert (place / "fusermount.log").read_text() == f"{account().uid} -u -z -- {mount}\n"
    finally:
        subprocess.run(["umount", str(mount)], check=True)
        runtime.remove(str(folder))
        shutil.rmtree(place)


def test_too_long_for_sockets(tmp_path: Path) -> None:
    with pytest.raises(runtime.RuntimeFolderError, match="runtime_root"):
        runtime.make(str(tmp_path / ("x" * 100) / "id.1"), account())


def test_a_root_that_others_prepared_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for root in ("link", "open"):
        with pytest.raises(runtime.RuntimeFolderError, match="runtime_root"):
            runtime.make(str(tmp_path / root / "id.1"), account())
    assert not list(target.iterdir())


def test_default_root(tmp_path: Path) -> None:
    uid = os.geteuid() or 12345
    assert runtime.default_root(0, {"XDG_RUNTIME_DIR": str(tmp_path)}) == "/run/streamspace"
    assert runtime.default_root(12345, {"XDG_RUNTIME_DIR": "/"}) == "/tmp/streamspace-12345"
    assert runtime.default_root(12345, {}) == "/tmp/streamspace-12345"
    if os.geteuid() != 0:
        assert runtime.default_root(uid, {"XDG_RUNTIME_DIR": str(tmp_path)}) == f"{tmp_path}/streamspace"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives to root")
@pytest.mark.parametrize("there", [False, True])
def test_the_folders_of_xs_sockets_are_roots(tmp_path: Path, *, there: bool) -> None:
    folder = tmp_path / ".X11-unix"
    if there:  # the X server of a first session made it
        folder.mkdir()
        os.chown(folder, 54321, 54321)
    runtime.give_to_root(str(folder))
    assert (folder.stat().st_uid, folder.stat().st_mode & 0o7777) == (0, 0o1777)


def test_a_link_in_place_of_the_folder_of_xs_sockets_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / ".X11-unix").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(runtime.RuntimeFolderError, match="is no folder"):
        runtime.give_to_root(str(tmp_path / ".X11-unix"))
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o700
