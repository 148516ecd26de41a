"""What the tiles ask for, whoever carries it out: the contract of `hub_launcher` and `here`, and its plain data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from streamspace_hub.model import Session
from streamspace_hub.model.app import AppTemplate
from streamspace_hub.model.waiting import Place

How = Literal["freeze", "hibernate"]


@dataclass(frozen=True)
class Progress:
    """One step of a start, as the launcher's tab shows it."""

    progress: int
    """Percent."""
    message: str
    ready: bool = False
    failed: bool = False
    url: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the event's data; what does not apply is left out."""
        flags = {name: True for name in ("ready", "failed") if getattr(self, name)}
        return {"progress": self.progress, "message": self.message, **flags, **({"url": self.url} if self.url else {})}


@dataclass(frozen=True)
class Queued:
    """A start that waits for room."""

    place: Place
    retry_after: int
    """Seconds after which it is to be asked for again."""


class LaunchError(Exception):
    """Something was not done; the message is for the user."""

    def __init__(
        self, message: str, status: int = 400, field: str | None = None, *, queued: Queued | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        """HTTP status that fits."""
        self.field = field
        self.queued = queued
        """Of a start that waits for room on the hub."""


class Launcher(Protocol):
    """Starts, lists and stops sessions; a session is named after its app."""

    @property
    def mode(self) -> Literal["hub", "here"]:
        """Where sessions run: as servers of a hub, or beside this Jupyter server."""

    async def sessions(self) -> list[Session]:
        """Return the sessions that exist."""

    async def start(self, template: AppTemplate, file: Path | None) -> tuple[Session, bool]:
        """Start the app, or find it running, and have it open `file`; the flag says whether a start was needed."""

    def progress(self, name: str) -> AsyncIterator[Progress | None]:
        """Yield the steps of a start, the last one `ready` or `failed`. None: nothing new, but keep the line open."""

    async def stop(self, name: str) -> bool:
        """Stop the session; True when that is done, False when it goes on."""

    async def sleep(self, name: str, how: How) -> None:
        """Put the session to sleep; it wakes as it was."""

    async def close(self) -> None:
        """End what belongs to this Jupyter server."""
