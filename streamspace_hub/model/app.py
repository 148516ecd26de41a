"""`AppTemplate`: one entry of the catalog, as an admin writes it in YAML.

Pure data: nothing here reads a file, looks for a program or knows a hub.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from streamspace_hub.model.policy import PolicyDefaults

# JupyterHub 6 server names (jupyterhub `slugs.is_valid_safe_slug`): a template's name is its server's name too.
AppName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", min_length=1, max_length=30)]
MimeType = Annotated[str, StringConstraints(pattern=r"^[\w.+-]+/[\w.+*-]+$")]
DebianPackage = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
# OCI reference without shell characters: [registry[:port]/]path[:tag][@digest]
ImageReference = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-zA-Z0-9._:/-]*(@sha256:[0-9a-f]{64})?$", max_length=512),
]
Memory = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(\.[0-9]+)?[KMGT]$")]


class WindowMode(StrEnum):
    """How the app fills its screen."""

    APP = "app"
    """One maximised, undecorated main window; dialogs keep their frames."""
    DESKTOP = "desktop"
    """The command brings its own window manager and panel."""


class Category(StrEnum):
    """Sections in which the launcher groups its tiles."""

    DESKTOP = "Desktop"
    GRAPHICS = "Graphics"
    OFFICE = "Office"
    INTERNET = "Internet"
    SCIENCE = "Science"
    DEVELOPMENT = "Development"
    SYSTEM = "System"
    EDUCATION = "Education"
    OTHER = "Other"


class GpuNeed(BaseModel):
    """What the app asks of a GPU."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(default=0, ge=0, le=16, description="GPUs for one session; 0 asks for none.")
    required: bool = Field(
        default=False, description="Refuse to start without a GPU instead of falling back to software."
    )


class Resources(BaseModel):
    """CPU and memory of one session, in JupyterHub's own terms (`cpu_limit`, `mem_limit`, ...)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu_guarantee: float | None = Field(default=None, gt=0, le=256, description="Cores kept for the session.")
    cpu_limit: float | None = Field(default=None, gt=0, le=256, description="Cores the session may use at most.")
    mem_guarantee: Memory | None = Field(default=None, description="Memory kept for the session, e.g. `1G`.")
    mem_limit: Memory | None = Field(default=None, description="Memory the session may use at most, e.g. `4G`.")
    gpu: GpuNeed = Field(default_factory=GpuNeed)


class MemorySleep(StrEnum):
    """Whether the app survives sleeping with its memory (a process image taken and restored)."""

    YES = "yes"
    NO = "no"
    UNTESTED = "untested"


class SleepDefaults(BaseModel):
    """How an app may be put to sleep; the times are seconds without input."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    memory: MemorySleep = Field(default=MemorySleep.UNTESTED, description="Does it survive sleeping with its memory?")
    freeze_after: int | None = Field(default=None, ge=60, description="Seconds without input until it is frozen.")
    stop_after: int | None = Field(default=None, ge=60, description="Seconds without input until it is stopped.")


class AppTemplate(BaseModel):
    """One app of the catalog: what is shown on its tile, what is started, and what it needs.

    `command` is an argument list, run without a shell. The elements `%f` and `%F` (freedesktop Desktop Entry
    Specification, "Exec variables") stand for one file or for all files handed to the app; without files they vanish.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: AppName = Field(description="Identifier; also the default name of the JupyterHub server that runs it.")
    title: str = Field(min_length=1, max_length=60, description="Text on the tile.")
    description: str = Field(default="", max_length=300, description="One sentence for tooltips and lists.")
    icon: str | None = Field(default=None, description="SVG file beside the template; without it a letter is drawn.")
    categories: list[Category] = Field(default_factory=lambda: [Category.OTHER], min_length=1)
    command: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1, description="Argument list.")
    environment: dict[str, str] = Field(default_factory=dict, description="Extra environment of the app.")
    window_mode: WindowMode = WindowMode.APP
    mime_types: list[MimeType] = Field(default_factory=list, description="MIME types offered under 'Open with'.")
    image: ImageReference | None = Field(default=None, description="Container image (Kubernetes).")
    packages: list[DebianPackage] = Field(default_factory=list, description="Debian packages that hold the program.")
    resources: Resources = Field(default_factory=Resources)
    sleep: SleepDefaults = Field(default_factory=SleepDefaults, description="Sleep defaults of this app.")
    policy: PolicyDefaults = Field(default_factory=PolicyDefaults, description="Policy defaults of this app.")

    @model_validator(mode="after")
    def _environment_is_ours_to_refuse(self) -> Self:
        reserved = [key for key in self.environment if key.startswith(("STREAMSPACE_", "JUPYTERHUB_"))]
        if reserved:
            raise ValueError(
                f"environment: {reserved[0]} is reserved; choose names outside STREAMSPACE_ and JUPYTERHUB_"
            )
        return self

    @property
    def program(self) -> str:
        """The executable whose presence decides whether the app is installed."""
        return self.command[0]
