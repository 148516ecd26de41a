"""Files that only the holder of a key can read, or make: AES-256-GCM in chunks, by OpenSSL's libcrypto. No images here.

    32 random bytes   the file's salt: key, name and salt make the key of this file alone
    chunks            of 1 MiB, but for the last, which is shorter and may be empty; 16 bytes of tag after each

A chunk's nonce is its number, and whether it is the last: none can be changed, left out, moved or cut off unseen.
"""

from __future__ import annotations

import ctypes
import hmac
import os
from collections.abc import Iterator
from typing import BinaryIO

KEY_SIZE = 32
CHUNK = 1 << 20
_SALT, _TAG, _NONCE = 32, 16, 12
_GET_TAG, _SET_TAG = 0x10, 0x11
_SONAMES = ("libcrypto.so.3", "libcrypto.so.1.1")
"""Python's own `ssl` needs one of them."""


class SealError(Exception):
    """Something is not what the key's holder has written; the text is a part of a sentence."""


def _load() -> ctypes.CDLL | None:
    for name in _SONAMES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        for function in ("EVP_CIPHER_CTX_new", "EVP_aes_256_gcm"):
            getattr(library, function).restype = ctypes.c_void_p
        return library
    return None


_libcrypto = _load()


def is_available() -> bool:
    """Whether this machine has what encrypts."""
    return _libcrypto is not None


def derive(key: bytes, *labels: bytes) -> bytes:
    """Return a key for one purpose (HMAC-SHA256); who has it learns nothing of `key`."""
    text = b"".join(len(label).to_bytes(4, "big") + label for label in labels)
    return hmac.digest(key, b"streamspace sleep 1" + text, "sha256")


def write(chunks: Iterator[bytes], target: BinaryIO, key: bytes, name: str) -> None:
    """Write `chunks`, of any sizes, encrypted; `name` is that under which it is read."""
    salt = os.urandom(_SALT)
    target.write(salt)
    cipher = _Cipher(derive(key, b"file", name.encode(), salt), sealing=True)
    for number, (chunk, last) in enumerate(_even(chunks)):
        target.write(cipher.seal(chunk, _nonce(number, last)))


def read(source: BinaryIO, key: bytes, name: str) -> Iterator[bytes]:
    """Yield what was written as `name`, each chunk once it is known to be genuine; raises SealError."""
    salt = source.read(_SALT)
    cipher = _Cipher(derive(key, b"file", name.encode(), salt), sealing=False)
    number, sealed = 0, source.read(CHUNK + _TAG)
    while True:
        following = source.read(CHUNK + _TAG)
        yield cipher.open(sealed, _nonce(number, not following))
        if not following:
            return
        number, sealed = number + 1, following


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(_NONCE - 1, "big") + bytes([last])


def _even(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Cut into chunks of one size, and say of each whether it is the last."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) > CHUNK:
            yield bytes(memoryview(waiting)[:CHUNK]), False
            del waiting[:CHUNK]
    yield bytes(waiting), True


class _Cipher:
    """AES-256-GCM with one key (EVP_EncryptInit(3), "AEAD INTERFACE")."""

    def __init__(self, key: bytes, *, sealing: bool) -> None:
        if _libcrypto is None:
            raise SealError("there is no libcrypto here to encrypt with")
        self._evp = "Encrypt" if sealing else "Decrypt"
        self._context = ctypes.c_void_p(_libcrypto.EVP_CIPHER_CTX_new())
        self._out = ctypes.create_string_buffer(CHUNK)
        self._init(ctypes.c_void_p(_libcrypto.EVP_aes_256_gcm()), key, None)

    def __del__(self) -> None:
        if _libcrypto is not None:
            _libcrypto.EVP_CIPHER_CTX_free(self._context)

    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        """Return the encrypted chunk and its tag."""
        size = self._run(plain, nonce)
        tag = ctypes.create_string_buffer(_TAG)
        self._control(_GET_TAG, tag)
        return ctypes.string_at(self._out, size) + tag.raw

    def open(self, sealed: bytes, nonce: bytes) -> bytes:
        """Return the chunk; raises SealError."""
        if len(sealed) < _TAG:
            raise SealError("it is cut off")
        self._control(_SET_TAG, ctypes.create_string_buffer(sealed[-_TAG:], _TAG))
        try:
            size = self._run(sealed[:-_TAG], nonce)
        except _RefusedError:
            raise SealError("it was not written with this key, or has been changed") from None
        return ctypes.string_at(self._out, size)

    def _run(self, data: bytes, nonce: bytes) -> int:
        self._init(None, None, nonce)
        size, rest = ctypes.c_int(0), ctypes.c_int(0)
        self._call("Update", self._out, ctypes.byref(size), data, len(data))
        self._call("Final_ex", ctypes.byref(self._out, size.value), ctypes.byref(rest))
        return size.value

    def _init(self, cipher: ctypes.c_void_p | None, key: bytes | None, nonce: bytes | None) -> None:
        self._call("Init_ex", cipher, None, key, nonce)

    def _control(self, command: int, tag: ctypes.Array[ctypes.c_char]) -> None:
        assert _libcrypto is not None
        if _libcrypto.EVP_CIPHER_CTX_ctrl(self._context, command, _TAG, tag) != 1:
            raise _RefusedError

    def _call(self, step: str, *arguments: object) -> None:
        function = getattr(_libcrypto, f"EVP_{self._evp}{step}")
        if function(self._context, *arguments) != 1:
            raise _RefusedError


class _RefusedError(Exception):
    """Libcrypto has said no."""
