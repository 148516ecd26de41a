"""How a desktop is given the key of its memory images, and that nobody after it finds it there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from streamspace_proxy.desktop import sealing, sleep_key
from streamspace_proxy.desktop.sleep_key import SleepKeyError

KEY = bytes(range(32))


def inherited(text: bytes) -> dict[str, str]:
    """An environment with the key in a descriptor."""
    reader, writer = os.pipe()
    os.write(writer, text)
    os.close(writer)
    return {"STREAMSPACE_SLEEP_KEY_FD": str(reader)}


def test_without_one_there_is_none() -> None:
    assert sleep_key.take({}) is None


@pytest.mark.parametrize("text", [KEY, KEY.hex().encode(), KEY.hex().upper().encode() + b"\n"])
def test_a_descriptor_is_read_and_closed(text: bytes) -> None:
    environ = inherited(text)
    assert sleep_key.descriptors(environ) == (int(environ["STREAMSPACE_SLEEP_KEY_FD"]),)
    assert sleep_key.take(environ) == sleep_key.take(inherited(KEY))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(sleep_key.descriptors(environ)[0])


def test_a_file_is_read_and_deleted(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(KEY)
    assert sleep_key.take({"STREAMSPACE_SLEEP_KEY_FILE": str(path)}) == sleep_key.take(inherited(KEY))
    assert not path.exists()


def test_each_session_has_its_own() -> None:
    found = {sleep_key.take(inherited(KEY) | {"STREAMSPACE_SESSION": name}) for name in ("", "a", "b")}
    assert len(found | {KEY}) == 4


def test_who_does_not_need_it_closes_it() -> None:
    environ = inherited(KEY)
    sleep_key.forget(environ)
    with pytest.raises(SleepKeyError, match="cannot be read: Bad file descriptor"):
        sleep_key.take(environ)


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"STREAMSPACE_SLEEP_KEY_FD": "key"}, "STREAMSPACE_SLEEP_KEY_FD must be the number of an inherited descriptor"),
        ({"STREAMSPACE_SLEEP_KEY_FD": "0"}, "STREAMSPACE_SLEEP_KEY_FD must be the number of an inherited descriptor"),
        ({"STREAMSPACE_SLEEP_KEY_FD": "99999"}, "STREAMSPACE_SLEEP_KEY_FD: 99999 cannot be read: Bad file descriptor"),
        ({"STREAMSPACE_SLEEP_KEY_FILE": "key"}, "STREAMSPACE_SLEEP_KEY_FILE must be an absolute path"),
        (
            {"STREAMSPACE_SLEEP_KEY_FILE": "/no/such"},
            "STREAMSPACE_SLEEP_KEY_FILE: /no/such cannot be read: No such file",
        ),
    ],
)
def test_what_is_wrong_with_it_is_told(environ: dict[str, str], why: str) -> None:
    with pytest.raises(SleepKeyError, match=why):
        sleep_key.take(environ)


@pytest.mark.parametrize("text", [b"", b"short", KEY + b"x", 64 * b"g", b"\xff" * 64, KEY.hex().encode() + b"00"])
def test_a_key_that_is_none_is_refused_without_being_told(text: bytes) -> None:
    with pytest.raises(SleepKeyError) as caught:
        sleep_key.take(inherited(text))
    assert str(caught.value) == "The key for memory images must be 32 bytes, or 64 hexadecimal digits."


def test_a_file_that_cannot_be_deleted_is_of_no_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_bytes(KEY)

    def read_only(name: str) -> None:
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(os, "unlink", read_only)
    with pytest.raises(SleepKeyError, match=r"cannot be deleted .*, and the desktop's programs could read it there"):
        sleep_key.take({"STREAMSPACE_SLEEP_KEY_FILE": str(path)})


def test_without_a_cipher_there_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_libcrypto", None)
    with pytest.raises(SleepKeyError, match="There is no libcrypto here"):
        sleep_key.take(inherited(KEY))


def test_roots_file_is_handed_on_and_its_folder_closed(tmp_path: Path) -> None:
    path = tmp_path / "closed" / "secret" / "key"
    path.parent.mkdir(parents=True, mode=0o777)
    path.write_text(KEY.hex())
    environ = {"STREAMSPACE_SLEEP_KEY_FILE": str(path)}
    sleep_key.hold(environ)
    assert list(environ) == ["STREAMSPACE_SLEEP_KEY_FD"]
    assert sleep_key.take(environ) == sleep_key.take(inherited(KEY))
    assert path.exists(), "it is the pod's, and is there when the container starts again"
    assert path.parents[1].stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("file", ["", "key", "/no/such/key"])
def test_a_file_that_root_does_not_find_either_is_told_of_later(file: str) -> None:
    environ = {"STREAMSPACE_SLEEP_KEY_FILE": file}
    sleep_key.hold(environ)
    assert environ == {"STREAMSPACE_SLEEP_KEY_FILE": file}
