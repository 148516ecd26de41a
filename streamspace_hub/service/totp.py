"""Codes of authenticator apps: RFC 6238 as all apps know it (SHA-1, 30 seconds, six digits). Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from urllib.parse import quote, urlencode

STEP = 30
"""Seconds for which a code holds."""
DIGITS = 6
DRIFT = 1
"""Steps that a clock may be off, and a user slow (RFC 6238 section 5.2 recommends one)."""
SECRET_BYTES = 20
"""As long as the hash (RFC 4226 section 4, R6)."""


def new_secret() -> bytes:
    """Return the secret of a new authenticator."""
    return secrets.token_bytes(SECRET_BYTES)


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """Return the code of a time step (RFC 4226 section 5.3)."""
    digest = hmac.new(secret, step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}d}"


def step_of(secret: bytes, code: str, now: float, after: int) -> int | None:
    """Return the time step that `code` is of, None if it is wrong, out of date or not later than the step `after`."""
    current = int(now // STEP)
    right = [
        step
        for step in range(current - DRIFT, current + DRIFT + 1)
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode())
    ]
    return next((step for step in right if step > after), None)


def base32(secret: bytes) -> str:
    """Return the secret as apps take it."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri_of(secret: bytes, user: str, issuer: str) -> str:
    """Return the address that apps read from a QR code ("Key Uri Format" of Google Authenticator)."""
    label = f"{quote(issuer, safe='')}:{quote(user, safe='')}"
    return f"otpauth://totp/{label}?{urlencode({'secret': base32(secret), 'issuer': issuer})}"
