"""The X authority file (Xau(3): big-endian counted strings). Knows no display number: its one entry is for any."""

from __future__ import annotations

import os
import secrets
import struct
from pathlib import Path

PROTOCOL = b"MIT-MAGIC-COOKIE-1"
_FAMILY_WILD = 0xFFFF
_COOKIE_LENGTH = 16


def write_authority(path: Path, *, for_group: bool = False) -> bytes:
    """Write a fresh cookie to `path`, valid for whatever display the server picks; returns the cookie.

    The file is its owner's alone, or also for the owner's group to read.
    """
    cookie = secrets.token_bytes(_COOKIE_LENGTH)
    entry = struct.pack(">H", _FAMILY_WILD)
    for text in (b"", b"", PROTOCOL, cookie):  # address, display number, name, data
        entry += struct.pack(">H", len(text)) + text
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(entry)
        if for_group:
            os.fchmod(fd, 0o640)
    return cookie


def read_cookie(path: Path) -> bytes:
    """Return the cookie that `write_authority` wrote; raises OSError."""
    return path.read_bytes()[-_COOKIE_LENGTH:]
