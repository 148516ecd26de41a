"""Log files with a cap. Programs write to them directly, so that no reader of ours can ever hold a program up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

LIMIT = 1 << 20
"""Largest size of a log in bytes, for longer than `INTERVAL`."""
KEEP = 1 << 18
"""What is kept of its end when it is cut."""
INTERVAL = 2.0


class CappedLog:
    """A log file opened for appending, so that it can be cut while others write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self.fd = os.open(path, flags, 0o600)

    def write(self, text: str) -> None:
        """Add a line of our own."""
        with contextlib.suppress(OSError):  # a full disk must not end a session
            os.write(self.fd, f"{_line(text)}\n".encode())

    def tail(self, size: int = 4096) -> bytes:
        """Return the last `size` bytes."""
        return os.pread(self.fd, size, max(0, os.fstat(self.fd).st_size - size))

    def cut(self) -> None:
        """Keep only the end of a log that has grown beyond the limit."""
        size = os.fstat(self.fd).st_size
        if size <= LIMIT:
            return
        end = os.pread(self.fd, KEEP, size - KEEP)
        os.ftruncate(self.fd, 0)
        os.write(self.fd, b"[earlier lines were cut]\n" + end[end.find(b"\n") + 1 :])


def _line(text: str) -> str:
    """Return a line in the form that the environment asks for: the fields are those of `streamspace_hub.telemetry`."""
    if os.environ.get("STREAMSPACE_LOG_FORMAT") != "json":
        return f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] {text}"
    fields = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "info",
        "logger": "streamspace.session",
        "message": text,
        "session": os.environ.get("STREAMSPACE_NAME"),
        "trace_id": os.environ.get("TRACEPARENT", "")[3:35] or None,
    }
    return json.dumps({name: value for name, value in fields.items() if value}, ensure_ascii=False)


class Console(CappedLog):
    """Our own standard error, which somebody else keeps and caps."""

    def __init__(self) -> None:
        self.fd = 2

    def cut(self) -> None:
        """Leave it to them."""


async def keep_capped(*logs: CappedLog) -> None:
    """Cut `logs` again and again, until cancelled."""
    while True:
        await asyncio.sleep(INTERVAL)
        for log in logs:
            with contextlib.suppress(OSError):
                log.cut()
