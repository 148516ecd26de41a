"""Encrypted files: what was written is read, and whatever has been done to them is noticed."""

from __future__ import annotations

import io
import os
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from streamspace_proxy.desktop import sealing
from streamspace_proxy.desktop.sealing import CHUNK, SealError

KEY = bytes(range(32))
SALT, SEALED = 32, CHUNK + 16


def sealed(plain: bytes, name: str = "pages", step: int = 65536) -> bytes:
    target = io.BytesIO()
    sealing.write((plain[at : at + step] for at in range(0, len(plain), step)), target, KEY, name)
    return target.getvalue()


def opened(text: bytes, key: bytes = KEY, name: str = "pages") -> bytes:
    return b"".join(sealing.read(io.BytesIO(text), key, name))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5])
@pytest.mark.parametrize("step", [65536, 3 * CHUNK])
def test_what_was_written_is_read(size: int, step: int) -> None:
    plain = os.urandom(size)
    text = sealed(plain, step=step)
    assert opened(text) == plain
    chunks = max(1, -(-size // CHUNK))
    assert len(text) == SALT + size + 16 * chunks


def test_it_is_aes_gcm() -> None:
    """Another implementation reads it."""
    text = sealed(b"x" * (CHUNK + 3))
    cipher = AESGCM(sealing.derive(KEY, b"file", b"pages", text[:SALT]))
    first, last = text[SALT : SALT + SEALED], text[SALT + SEALED :]
    assert cipher.decrypt(bytes(11) + b"\0", first, None) == b"x" * CHUNK
    assert cipher.decrypt(bytes(10) + b"\1\1", last, None) == b"xxx"


def chunks(text: bytes) -> list[bytes]:
    return [text[at : at + SEALED] for at in range(SALT, len(text), SEALED)]


TEXT = sealed(bytes(3 * CHUNK + 5))
HEAD, PARTS = TEXT[:SALT], chunks(TEXT)
CHANGES: dict[str, Callable[[], bytes]] = {
    "nothing left": lambda: b"",
    "the salt alone": lambda: HEAD,
    "cut off between chunks": lambda: HEAD + b"".join(PARTS[:3]),
    "cut off in a chunk": lambda: TEXT[:-7],
    "one chunk left out": lambda: HEAD + PARTS[0] + PARTS[2] + PARTS[3],
    "two chunks exchanged": lambda: HEAD + PARTS[1] + PARTS[0] + PARTS[2] + PARTS[3],
    "a chunk twice": lambda: HEAD + PARTS[0] + PARTS[0] + PARTS[1] + PARTS[2] + PARTS[3],
    "something added": lambda: TEXT + b"x",
    "another file's salt": lambda: sealed(b"")[:SALT] + TEXT[SALT:],
    "another file's chunk": lambda: HEAD + chunks(sealed(bytes(3 * CHUNK + 5)))[0] + b"".join(PARTS[1:]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_been_changed_is_not_read(change: str) -> None:
    with pytest.raises(SealError):
        opened(CHANGES[change]())


@given(st.integers(0, SALT + 116 - 1), st.integers(0, 7))
def test_no_bit_can_be_changed(where: int, bit: int) -> None:
    text = bytearray(sealed(bytes(100)))
    text[where] ^= 1 << bit
    with pytest.raises(SealError):
        opened(bytes(text))


def test_it_is_read_with_its_key_and_under_its_name_only() -> None:
    with pytest.raises(SealError):
        opened(TEXT, key=KEY[::-1])
    with pytest.raises(SealError):
        opened(TEXT, name="pages-2")


def test_the_same_text_is_never_the_same_twice() -> None:
    assert sealed(b"text")[SALT:] != sealed(b"text")[SALT:]


def test_labels_are_not_run_together() -> None:
    assert sealing.derive(KEY, b"ab", b"c") != sealing.derive(KEY, b"a", b"bc")
