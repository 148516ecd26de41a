"""A session that sleeps with its memory, as the hub remembers it while nothing of it runs. Pure data.

The hub's database keeps it in the spawner's state, under `KEY`, beside what is known of a running session (`LIVE`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from streamspace_hub.model.app import AppName

KEY: Final = "streamspace_asleep"
LIVE: Final = "streamspace"
FALLS: Final = "falls_asleep"
"""In what is known of a running session: its memory has been kept, and it is about to end."""
WOKEN: Final = "woken"
"""When it was woken, seconds since 1970."""
SLEEPS: Final = "sleeps"
"""Whether its pod keeps its memory by itself when it is taken away."""
UP: Final = "up"
"""That its pod has been up."""
PROVEN: Final = 50.0
"""Seconds after which a woken session has shown that it lives, and its image is of no use any more.

The session removes it after a minute: until then it can be woken from it again.
"""
IMAGES: Final = ".streamspace/sleep"
"""Where memory images are, below the user's home."""
LARGEST: Final = 1 << 50
"""Bytes of memory that a session may claim to have kept."""
_LONGEST_NAME: Final = 100
_DEFAULT_SERVER: Final = "@"


class Asleep(BaseModel):
    """What is known of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    app: AppName
    since: str = Field(description="Since when it has been asleep; ISO 8601, UTC.")
    bytes: int = Field(ge=0, description="Bytes that its memory takes on disk.")
    marker: str
    """The session's `STREAMSPACE_SESSION`, which it keeps: it is in the memory."""


class Kept(BaseModel):
    """What a session says of the memory that it has kept. A user's programs may have said it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: AwareDatetime = Field(alias="since")
    bytes: int = Field(ge=0, lt=LARGEST)

    @property
    def since(self) -> str:
        """Since when it has been asleep; ISO 8601, UTC."""
        return self.at.astimezone(UTC).isoformat(timespec="seconds")


def not_later(moment: str, now: datetime) -> str:
    """Return a time (ISO 8601) of another clock, or `now` where that one is ahead, or has told none."""
    try:
        told = datetime.fromisoformat(moment)
    except ValueError:
        told = now
    if told.tzinfo is None:
        told = told.replace(tzinfo=UTC)
    return min(told, now).astimezone(UTC).isoformat(timespec="seconds")


def asleep_in(state: Mapping[str, Any] | None) -> Asleep | None:
    """Return what a spawner's state says of sleep; None: it runs, or has ended for good."""
    if not state or KEY not in state:
        return None
    live = state.get(LIVE) or {}
    return Asleep.model_validate(state[KEY]) if not live or live.get(FALLS) else None


def outlives(live: Mapping[str, Any], now: float) -> bool:
    """Return whether a session's sleep is remembered when what is `live` of it has ended.

    It is when nothing has run, when its memory has been kept just now, and when it has been woken a moment ago: then
    it can be woken once more.
    """
    if not live or live.get(FALLS):
        return True
    # A moment by either sign: the clock may have been set back since.
    return WOKEN in live and abs(now - float(live[WOKEN])) < PROVEN


def may_leave_image(live: Mapping[str, Any], now: float) -> bool:
    """Return whether a session that ends without being remembered may not have removed the image it was woken from."""
    return WOKEN in live and not outlives(live, now) and now - float(live[WOKEN]) < 2 * PROVEN


def image_folder(home: str, server: str) -> str:
    """Return where the memory of a server's session is kept: never of anything that the user says.

    Different servers have different folders, and none of them has a dot in its name: images that are being written
    or unpacked are beside them under names with a suffix.
    """
    name = quote(server, safe="").replace(".", "%2E") or _DEFAULT_SERVER
    if len(name) > _LONGEST_NAME:
        name = f"{name[:40]}{_DEFAULT_SERVER}{hashlib.sha256(server.encode()).hexdigest()[:32]}"
    return f"{home}/{IMAGES}/{name}"


def image_paths(folder: str) -> list[str]:
    """Return all that there may be of the memory image at `folder`: itself, and what a fault or a wish has left."""
    return [f"{folder}{suffix}" for suffix in ("", ".part", ".old", ".last")]
