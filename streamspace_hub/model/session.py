"""`Session` words: states of a session and roles of a viewer. Pure data."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from streamspace_hub.model.app import AppName


class SessionState(StrEnum):
    """The states that a session can be in, everywhere in the project."""

    STARTING = "starting"
    RUNNING = "running"
    FROZEN = "frozen"
    HIBERNATING = "hibernating"
    SLEEPING = "sleeping"
    RESUMING = "resuming"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


RESTING: Final = (SessionState.STOPPED, SessionState.FAILED, SessionState.SLEEPING)
"""Nothing of such a session runs."""


REFUSAL: Final = "X-StreamSpace-Refusal"
"""Header in which the hub names a refused start, by the key under which the audit log has it."""


class Role(StrEnum):
    """What a viewer may do; the streamer enforces it."""

    OWNER = "owner"
    CONTROLLER = "controller"
    VIEWER = "viewer"


class SessionOptions(BaseModel):
    """User options of a session's JupyterHub server, as sent over REST or by a spawn form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    app: AppName = Field(description="Name of the app to run, one of the catalog's.")
    open: str | None = Field(default=None, max_length=4096, description="File to open, relative to the user's home.")
    queue: bool = Field(default=False, description="Wait in a queue for room in a quota rather than be refused.")


class Session(BaseModel):
    """One session as lists show it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Name of the JupyterHub server (empty: the default server).")
    app: AppName
    title: str
    state: SessionState
    url: str = Field(description="Path of the viewer page, from the origin's root.")
    started: str | None = Field(default=None, description="ISO 8601 time of the start, UTC.")
    last_activity: str | None = Field(default=None, description="ISO 8601 time, UTC.")
    asleep_since: str | None = Field(
        default=None, description="Since when it has been frozen or asleep; ISO 8601, UTC."
    )
    asleep_bytes: int | None = Field(
        default=None, ge=0, description="Of one that sleeps with its memory: bytes that its image takes on disk."
    )
    memory: bool | None = Field(
        default=None, description="Of a running one: whether its memory can be kept in sleep; null: not known (yet)."
    )
    why_not: str | None = Field(default=None, description="Why its memory cannot be kept: a sentence.")
