"""`AppTemplate`: one entry of the catalog, as an admin writes it in YAML.

Pure data: nothing here reads a file, looks for a program or knows a hub.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator, model_validator

from streamspace_hub.model.policy import PROCESS_PATTERN, PolicyDefaults
from streamspace_hub.model.sleep import QUIET_MEANING, QUIET_PATTERN, Ladder

# JupyterHub 6 server names (jupyterhub `slugs.is_valid_safe_slug`): a template's name is its server's name too.
NAME_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
# RFC 6838 section 4.2, and `*` for a whole family of types
MIME_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]*/([a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]*|\*)$"
# Debian Policy 5.6.1
PACKAGE_PATTERN = r"^[a-z0-9][a-z0-9+.-]+$"
# OCI reference without shell characters: [registry[:port]/]path[:tag][@digest]
IMAGE_PATTERN = r"^[a-z0-9][a-zA-Z0-9._:/-]*(@sha256:[0-9a-f]{64})?$"
MEMORY_PATTERN = r"^[1-9][0-9]*(\.[0-9]+)?[KMGT]$"
ICON_PATTERN = r"^[a-zA-Z0-9_][a-zA-Z0-9_.-]*\.svg$"
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
LINE_PATTERN = r"^[^\x00-\x1f\x7f]*$"
ARGUMENT_PATTERN = r"^[^\x00]*$"
# Relative, and no step begins with two dots or is empty
HOME_FILE_PATTERN = r"^(\.?[^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*/)*\.?[^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*$"

SYSLOG_PATTERN = r"^((tcp|tls)://[^\s@/:]+:\d{1,5}|unix:/\S+)?$"
CODE_PATTERN = r"^[0-9]{6}$"
PATTERN_MEANINGS = {
    CODE_PATTERN: "the six digits that the authenticator app shows",
    NAME_PATTERN: "lower-case letters, digits and single hyphens, beginning with a letter, e.g. `text-editor`",
    MIME_PATTERN: "a MIME type such as `image/png`, or `image/*` for a whole family",
    PACKAGE_PATTERN: "the name of a Debian package, e.g. `gimp`",
    IMAGE_PATTERN: "a container image such as `registry.example.org/team/gimp:2.10`",
    MEMORY_PATTERN: "a number with one of the units K, M, G, T, e.g. `512M` or `1.5G`",
    ICON_PATTERN: "the name (not the path) of an SVG file, e.g. `gimp.svg`",
    VARIABLE_PATTERN: "the name of an environment variable: letters, digits and `_`, not beginning with a digit",
    LINE_PATTERN: "a single line without control characters",
    QUIET_PATTERN: QUIET_MEANING,
    PROCESS_PATTERN: "the name of a program's process, without a path, e.g. `blender`",
    ARGUMENT_PATTERN: "text without NUL characters",
    SYSLOG_PATTERN: "`tls://HOST:PORT`, `tcp://HOST:PORT` or `unix:/PATH`",
    HOME_FILE_PATTERN: "a path inside the user's home, such as `.config/gimp/gimprc`",
}
"""What each pattern of the models accepts, in words for error messages."""

AppName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, min_length=1, max_length=30)]
MimeType = Annotated[str, StringConstraints(pattern=MIME_PATTERN, max_length=255)]
DebianPackage = Annotated[str, StringConstraints(pattern=PACKAGE_PATTERN, max_length=128)]
ImageReference = Annotated[str, StringConstraints(pattern=IMAGE_PATTERN, max_length=512)]
Memory = Annotated[str, StringConstraints(pattern=MEMORY_PATTERN, max_length=32)]
IconFile = Annotated[str, StringConstraints(pattern=ICON_PATTERN, max_length=128)]
VariableName = Annotated[str, StringConstraints(pattern=VARIABLE_PATTERN, max_length=128)]
Line = Annotated[str, StringConstraints(pattern=LINE_PATTERN, strip_whitespace=True)]
Argument = Annotated[str, StringConstraints(pattern=ARGUMENT_PATTERN, max_length=4096)]
FileText = Annotated[str, StringConstraints(pattern=ARGUMENT_PATTERN)]
HomeFile = Annotated[str, StringConstraints(pattern=HOME_FILE_PATTERN, max_length=255)]

HOME_FILES_LIMIT = 32 * 1024
"""Bytes of `home_files` together: a template travels to its session in one environment variable, at most 128 KiB."""
FILE_CODES = ("%f", "%F")
RESERVED_VARIABLES = ("STREAMSPACE_", "JUPYTERHUB_")
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class WindowMode(StrEnum):
    """How the app fills its screen."""

    APP = "app"
    """One maximised, undecorated main window; dialogs keep their frames."""
    DESKTOP = "desktop"
    """The command brings its own window manager and panel."""


class Category(StrEnum):
    """What kind of app it is; the launcher sorts its tiles by it, in this order."""

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

    count: int = Field(
        default=0,
        ge=0,
        le=16,
        description="GPUs for one session; 0 asks for none. A local session sees every GPU of its machine.",
    )
    required: bool = Field(
        default=False,
        description="Refuse to start where there are fewer GPUs, instead of falling back to software.",
    )

    @field_validator("required")
    @classmethod
    def _required_asks_for_one(cls, required: bool, info: ValidationInfo) -> bool:
        if required and info.data.get("count") == 0:
            raise ValueError("a required GPU needs `count: 1` or more above it")
        return required


class Resources(BaseModel):
    """CPU and memory of one session, in JupyterHub's own terms (`cpu_limit`, `mem_limit`, ...)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu_guarantee: float | None = Field(default=None, gt=0, le=256, description="Cores kept for the session.")
    cpu_limit: float | None = Field(default=None, gt=0, le=256, description="Cores the session may use at most.")
    mem_guarantee: Memory | None = Field(default=None, description="Memory kept for the session, e.g. `1G`.")
    mem_limit: Memory | None = Field(default=None, description="Memory the session may use at most, e.g. `4G`.")
    gpu: GpuNeed = Field(default_factory=GpuNeed, description="What it asks of a GPU.")

    @field_validator("cpu_limit")
    @classmethod
    def _cpu_limit_holds_the_guarantee(cls, limit: float | None, info: ValidationInfo) -> float | None:
        guarantee = info.data.get("cpu_guarantee")
        if limit is not None and guarantee is not None and limit < guarantee:
            raise ValueError(f"{limit:g} is less than cpu_guarantee ({guarantee:g}); make it at least as large")
        return limit

    @field_validator("mem_limit")
    @classmethod
    def _mem_limit_holds_the_guarantee(cls, limit: str | None, info: ValidationInfo) -> str | None:
        guarantee = info.data.get("mem_guarantee")
        if limit is not None and guarantee is not None and memory_bytes(limit) < memory_bytes(guarantee):
            raise ValueError(f"{limit} is less than mem_guarantee ({guarantee}); make it at least as large")
        return limit


class MemorySleep(StrEnum):
    """Whether the app survives sleeping with its memory (a process image taken and restored)."""

    YES = "yes"
    NO = "no"
    UNTESTED = "untested"


class SleepDefaults(Ladder):
    """How an app is put to sleep, where neither group nor user has other times; they are seconds, 0 for never."""

    memory: MemorySleep = Field(default=MemorySleep.UNTESTED, description="Does it survive sleeping with its memory?")


class WithoutSandbox(BaseModel):
    """What an app is started with besides, so that it does without a sandbox of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arguments: list[Annotated[Argument, Field(min_length=1)]] = Field(
        default_factory=list, description="Arguments that follow the program."
    )
    environment: dict[VariableName, Argument] = Field(
        default_factory=dict, description="Environment variables, which go before those of `environment`."
    )

    @field_validator("environment")
    @classmethod
    def _environment_is_ours_to_refuse(cls, environment: dict[str, str]) -> dict[str, str]:
        return _unreserved(environment)


def _unreserved(environment: dict[str, str]) -> dict[str, str]:
    reserved = [key for key in environment if key.startswith(RESERVED_VARIABLES)]
    if reserved:
        raise ValueError(f"{reserved[0]} is reserved; choose names outside STREAMSPACE_ and JUPYTERHUB_")
    return environment


class AppTemplate(BaseModel):
    """One app of the catalog: what is shown on its tile, what is started, and what it needs.

    `command` is an argument list, run without a shell. The elements `%f` and `%F` (freedesktop Desktop Entry
    Specification, "Exec variables") stand for one file or for all files handed to the app; without files they vanish.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: AppName = Field(description="Identifier; also the default name of the JupyterHub server that runs it.")
    title: Line = Field(min_length=1, max_length=60, description="Text on the tile.")
    description: Line = Field(default="", max_length=300, description="One sentence for tooltips and lists.")
    icon: IconFile | None = Field(
        default=None,
        description="SVG file beside the template, or one of the built-in icons; without it a letter is drawn.",
    )
    categories: list[Category] = Field(
        default_factory=lambda: [Category.OTHER],
        min_length=1,
        description="What kind of app it is; the first one gives its tile its place in the launcher's section.",
    )
    command: list[Annotated[Argument, Field(min_length=1)]] = Field(
        min_length=1,
        description="Program and arguments, run without a shell; `%f` stands for one file, `%F` for all files opened.",
    )
    environment: dict[VariableName, Argument] = Field(
        default_factory=dict, description="Extra environment variables of the app."
    )
    home_files: dict[HomeFile, FileText] = Field(
        default_factory=dict,
        description="Files (path inside the home: text) made before the app starts where they do not exist, "
        "e.g. settings that switch off a first-run dialog.",
    )
    window_mode: WindowMode = Field(
        default=WindowMode.APP,
        description="`app`: one maximised window. `desktop`: the command brings its own window manager.",
    )
    mime_types: list[MimeType] = Field(default_factory=list, description="MIME types offered under 'Open with'.")
    image: ImageReference | None = Field(
        default=None, description="Container image, for Kubernetes; a local session is not asked for it."
    )
    packages: list[DebianPackage] = Field(default_factory=list, description="Debian packages that hold the program.")
    resources: Resources = Field(default_factory=Resources, description="CPU, memory and GPU of one session.")
    sleep: SleepDefaults = Field(default_factory=SleepDefaults, description="Sleep defaults of this app.")
    policy: PolicyDefaults = Field(default_factory=PolicyDefaults, description="Policy defaults of this app.")
    without_sandbox: WithoutSandbox | None = Field(
        default=None,
        description="How it does without a sandbox of its own, where `browser_sandbox` of the policy gives that up: "
        "then it sleeps with its memory.",
    )

    @field_validator("command")
    @classmethod
    def _command_names_a_program(cls, command: list[str]) -> list[str]:
        if not command[0].strip() or command[0].startswith("%"):
            raise ValueError("the first element must be the program to run, e.g. `gimp`")
        if sum(element in FILE_CODES for element in command) > 1:
            raise ValueError("holds more than one of `%f` and `%F`; keep one")
        return command

    @field_validator("environment")
    @classmethod
    def _environment_is_ours_to_refuse(cls, environment: dict[str, str]) -> dict[str, str]:
        return _unreserved(environment)

    @field_validator("home_files")
    @classmethod
    def _home_files_fit_into_the_environment(cls, files: dict[str, str]) -> dict[str, str]:
        size = sum(len(path.encode()) + len(text.encode()) for path, text in files.items())
        if size > HOME_FILES_LIMIT:
            raise ValueError(f"the files hold {size} bytes together; at most {HOME_FILES_LIMIT} are accepted")
        return files

    @model_validator(mode="after")
    def _files_reach_the_app(self) -> Self:
        if self.mime_types and not self.opens_files:
            raise ValueError("mime_types needs `%f` or `%F` in the command, where the file's path is put")
        return self

    @property
    def program(self) -> str:
        """The executable whose presence decides whether the app is installed."""
        return self.command[0]

    @property
    def unsandboxed(self) -> Self:
        """The same without a sandbox of its own, so that its memory can be kept; as it is where it says no way."""
        more = self.without_sandbox
        if more is None:
            return self
        program, *arguments = self.command
        return self.model_copy(
            update={
                "command": [program, *more.arguments, *arguments],
                "environment": {**self.environment, **more.environment},
                "sleep": self.sleep.model_copy(update={"memory": MemorySleep.YES}),
                "without_sandbox": None,
            }
        )

    @property
    def opens_files(self) -> bool:
        """Whether the command has a place for files."""
        return any(code in self.command for code in FILE_CODES)


def memory_bytes(memory: str) -> float:
    """Return the bytes that a `Memory` text such as `1.5G` stands for (powers of 1024, as JupyterHub counts)."""
    return float(memory[:-1]) * UNITS[memory[-1]]
