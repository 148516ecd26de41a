"""`api/v1/logs`: what the parts of a session have logged, for those who control it.

The files lie in the runtime folder, which the session's programs can write to: a name there may lead anywhere, and
what is no ordinary file is not read. Knows no streamer, and nothing of what the lines mean.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from tornado import web

from streamspace_hub.model import Role
from streamspace_proxy.extension.bridge import BridgeHandler
from streamspace_proxy.extension.handlers import Refusal

PARTS = ("session", "desktop", "streamer", "app")
"""Whose logs there are. In a pod the container keeps those of `session` (the server) and the streamer."""
LINES, MOST_LINES = 100, 1000
LARGEST = 64 * 1024
"""Bytes of one part's log in one answer."""
PLACE = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15}){3}")
"""A byte in each part's log."""


class SessionLog(BridgeHandler):
    """`api/v1/logs`: the last lines, or those that have come since."""

    allowed_roles = frozenset({Role.OWNER, Role.CONTROLLER})

    @web.authenticated
    async def get(self, name: str) -> None:
        """Answer `{"lines": [{"part", "text"}], "next"}`; `next` is the `after` of the next request."""
        lines, after = self.get_query_argument("lines", str(LINES)), self.get_query_argument("after", None)
        if not (lines.isascii() and lines.isdecimal() and 0 <= int(lines[:9]) <= MOST_LINES):
            raise Refusal(400, f"lines: must be a whole number from 0 to {MOST_LINES}.", field="lines")
        if after is not None and not PLACE.fullmatch(after):
            raise Refusal(400, "after: must be `next` of an answer before.", field="after")
        self.write_json(read_logs(self.find(name).link.socket.parent, int(lines), after))


def read_logs(folder: Path, lines: int, after: str | None = None) -> Mapping[str, object]:
    """Return the last `lines` of each part's log, or those that have come after the place `after`."""
    places = [None] * len(PARTS) if after is None else [int(place) for place in after.split(".")]
    found, following = [], []
    for part, place in zip(PARTS, places, strict=True):
        texts, end = read_log(folder / f"{part}.log", lines, place)
        found += [{"part": part, "text": text} for text in texts]
        following.append(str(end))
    return {"lines": found, "next": ".".join(following)}


def read_log(path: Path, lines: int, place: int | None) -> tuple[list[str], int]:
    """Return whole lines of a log, and where the next one begins, in bytes.

    Args:
        path: of the file; there need not be one.
        lines: how many at most, where there is no `place`, or the log was cut since.
        place: from where on, as it was returned before; None: the last ones.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return [], 0
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode):
            return [], 0
        anew = place is None or place > about.st_size
        begin = max(0, about.st_size - LARGEST) if anew else place or 0
        data = os.pread(file, LARGEST, begin)
    finally:
        os.close(file)
    # What has no end yet comes the next time, unless it is too long to come as a whole.
    end = data.rfind(b"\n") + 1 or (len(data) if len(data) == LARGEST else 0)
    texts = data[:end].decode(errors="replace").removesuffix("\n").split("\n") if end else []
    if anew:
        texts = texts[1 if begin else 0 :][-lines:] if lines else []
    return texts, begin + end
