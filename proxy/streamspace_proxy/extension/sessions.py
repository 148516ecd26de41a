"""The sessions that a server can hand to: what the bridge and the page need to know of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from streamspace_proxy.extension.streamer_link import StreamerLink


@dataclass(frozen=True)
class OpenSession:
    """One session within this server's reach."""

    app: str
    title: str
    link: StreamerLink


class SessionFinder(Protocol):
    """Where handlers look for the session that a path names."""

    def find(self, name: str) -> OpenSession | None:
        """Return the session called `name`, None if there is none."""

    def all(self) -> Iterable[OpenSession]:
        """Return every session."""


class OnlySession:
    """The finder of a hub session's server: there is one session, and paths do not name it."""

    def __init__(self, session: OpenSession) -> None:
        self._session = session

    def find(self, name: str) -> OpenSession | None:
        """Return the one session."""
        return self._session if name == "" else None

    def all(self) -> Iterable[OpenSession]:
        """Return the one session."""
        return (self._session,)
