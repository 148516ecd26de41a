"""Second factors at rest: AES-256-GCM, bound to the user and the factor that they are of: rows can't be swapped."""

from __future__ import annotations

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class SealError(ValueError):
    """It was sealed with another key, for another place, or was changed."""


def seal(key: bytes, content: bytes, user: str, factor: str) -> str:
    """Return `content` encrypted with `key` (32 bytes), as text."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, content, _place(user, factor))).decode()


def unseal(key: bytes, sealed: str, user: str, factor: str) -> bytes:
    """Return what was sealed for that user and factor; raises SealError."""
    try:
        raw = base64.b64decode(sealed, validate=True)
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _place(user, factor))
    except (InvalidTag, ValueError) as error:
        raise SealError("one cannot be read, as when the hub's cookie secret was changed") from error


def _place(user: str, factor: str) -> bytes:
    return f"{factor}/{user}".encode()
