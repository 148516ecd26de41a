"""`Policy`: what a session may do, resolved for one user and one app. Pure data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from streamspace_hub.model.layers import Join, Source, Sourced, Who, laid, of_groups, of_user, said
from streamspace_hub.model.networks import Networks
from streamspace_hub.model.step_up import NOT_ASKED, StepUpAge

# TASK_COMM_LEN of Linux is 16 with its end: proc_pid_comm(5).
PROCESS_PATTERN = r"^[^/\x00-\x1f\x7f]+$"
ProcessName = Annotated[str, StringConstraints(pattern=PROCESS_PATTERN, min_length=1, max_length=15)]
STEP_UP = "Who opens a session has shown a second factor, at most so many seconds ago; 0: none is asked for."
ALLOW_NETWORKS = "Networks from which a session may be opened, e.g. `192.0.2.0/24` or `2001:db8::/32`; none: from all."
BUSY_GPU = "Engines of GPUs in use by the app from which on it counts as busy; 0: never."
BROWSER_SANDBOX = "Browsers keep their own sandbox, with which their memory cannot be kept; `false` gives it up."
DENY_NETWORKS = "Networks from which it may not, also inside of `allow_networks`."


class ClipboardDirection(StrEnum):
    """Ways that clipboard text may travel."""

    BOTH = "both"
    IN = "in"
    """From the viewer's machine into the session only."""
    OUT = "out"
    """From the session to the viewer's machine only."""
    NONE = "none"


class Policy(BaseModel):
    """What a session may do. Enforced by the streamer, on every transport; who may open it, by its web server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clipboard: ClipboardDirection = Field(default=ClipboardDirection.BOTH, description="Clipboard text.")
    clipboard_limit: int = Field(
        default=1_048_576, ge=0, le=16_777_216, description="Largest clipboard text in bytes of UTF-8."
    )
    audio: bool = Field(default=True, description="Sound from the session to its viewers.")
    microphone: bool = Field(
        default=False, description="The microphone of those who control the session, for its apps."
    )
    max_width: int = Field(default=3840, ge=320, le=7680, description="Widest screen in pixels.")
    max_height: int = Field(default=2160, ge=200, le=4320, description="Tallest screen in pixels.")
    max_fps: int = Field(default=60, ge=1, le=120, description="Most frames per second.")
    max_bitrate: int = Field(default=8_000_000, ge=100_000, le=100_000_000, description="Video ceiling in bit/s.")
    min_bitrate: int = Field(
        default=300_000,
        ge=50_000,
        le=100_000_000,
        description="Video floor in bit/s: a narrower line gets fewer frames, not worse ones.",
    )
    max_viewers: int = Field(default=10, ge=1, le=200, description="Browser pages connected at once.")
    busy_cpu: float = Field(
        default=0.5, ge=0, le=256, description="Cores in use by the app from which on it counts as busy; 0: never."
    )
    busy_gpu: float = Field(default=0.5, ge=0, le=256, description=BUSY_GPU)
    busy_processes: tuple[ProcessName, ...] = Field(
        default=(), max_length=100, description="Programs that keep a session awake while they run, by name."
    )
    busy_limit: int = Field(
        default=43_200,
        ge=0,
        le=2_592_000,
        description="Seconds after the last input for which a busy session counts as active.",
    )
    step_up: StepUpAge = Field(default=NOT_ASKED, description=STEP_UP)
    allow_networks: Networks = Field(default=(), description=ALLOW_NETWORKS)
    deny_networks: Networks = Field(default=(), description=DENY_NETWORKS)
    browser_sandbox: bool = Field(default=True, description=BROWSER_SANDBOX)


class PolicyDefaults(BaseModel):
    """Values that an app template sets for its own sessions; what is left out keeps the general default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clipboard: ClipboardDirection | None = Field(default=None, description="Ways that clipboard text may travel.")
    clipboard_limit: int | None = Field(
        default=None, ge=0, le=16_777_216, description="Largest clipboard text in bytes of UTF-8."
    )
    audio: bool | None = Field(default=None, description="Sound from the session to its viewers.")
    microphone: bool | None = Field(
        default=None, description="The microphone of those who control the session, for its apps."
    )
    max_width: int | None = Field(default=None, ge=320, le=7680, description="Widest screen in pixels.")
    max_height: int | None = Field(default=None, ge=200, le=4320, description="Tallest screen in pixels.")
    max_fps: int | None = Field(default=None, ge=1, le=120, description="Most frames per second.")
    max_bitrate: int | None = Field(default=None, ge=100_000, le=100_000_000, description="Video ceiling in bit/s.")
    min_bitrate: int | None = Field(default=None, ge=50_000, le=100_000_000, description="Video floor in bit/s.")
    max_viewers: int | None = Field(default=None, ge=1, le=200, description="Browser pages connected at once.")
    busy_cpu: float | None = Field(
        default=None, ge=0, le=256, description="Cores in use by the app from which on it counts as busy; 0: never."
    )
    busy_gpu: float | None = Field(default=None, ge=0, le=256, description=BUSY_GPU)
    busy_processes: tuple[ProcessName, ...] | None = Field(
        default=None, max_length=100, description="Programs that keep a session awake while they run, by name."
    )
    busy_limit: int | None = Field(
        default=None,
        ge=0,
        le=2_592_000,
        description="Seconds after the last input for which a busy session counts as active.",
    )
    step_up: StepUpAge | None = Field(default=None, description=STEP_UP)
    allow_networks: Networks | None = Field(default=None, description=ALLOW_NETWORKS)
    deny_networks: Networks | None = Field(default=None, description=DENY_NETWORKS)
    browser_sandbox: bool | None = Field(default=None, description=BROWSER_SANDBOX)


class Policies(BaseModel):
    """What is said of the sessions of groups and single users: `c.StreamSpace.policies`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: dict[str, PolicyDefaults] = Field(default_factory=dict, description="For the members of groups of the hub.")
    users: dict[str, PolicyDefaults] = Field(default_factory=dict, description="For single users.")


def _ways(one: ClipboardDirection, other: ClipboardDirection) -> ClipboardDirection:
    ways = {one, other} - {ClipboardDirection.NONE}
    if not ways:
        return ClipboardDirection.NONE
    return ways.pop() if len(ways) == 1 else ClipboardDirection.BOTH


def _sooner(one: float, other: float) -> float:
    return min(one, other) or max(one, other)  # 0 is never


def _all_of(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    # The longest list that can be set; sorted, so that it does not matter who comes first.
    return tuple(sorted({*one, *other}))[:100]


def _any_of(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return _all_of(one, other) if one and other else ()  # none is everywhere


JOINS: Final[Mapping[str, Join]] = {
    "clipboard": _ways,
    "clipboard_limit": max,
    "audio": max,
    "microphone": max,
    "max_width": max,
    "max_height": max,
    "max_fps": max,
    "max_bitrate": max,
    "min_bitrate": max,
    "max_viewers": max,
    "busy_cpu": _sooner,
    "busy_gpu": _sooner,
    "busy_processes": _all_of,
    "busy_limit": max,
    "step_up": _sooner,
    "allow_networks": _any_of,
    "deny_networks": _all_of,
    "browser_sandbox": max,
}
"""What a user gets of several groups: what any of them allows, and the safest of what they ask for. Each setting has a
rule here."""


@dataclass(frozen=True)
class ResolvedPolicy:
    """A policy, and who has set each value of it."""

    policy: Policy
    sources: Mapping[str, Source]


def resolve_policy(*layers: Sourced) -> ResolvedPolicy:
    """Lay `layers` over the built-in values, the most general first."""
    values = laid(_BUILT_IN, *layers)
    policy = Policy.model_validate({name: value for name, (value, _) in values.items()})
    return ResolvedPolicy(policy, {name: source for name, (_, source) in values.items()})


def policy_layers(default: PolicyDefaults, app: PolicyDefaults, rules: Policies, who: Who) -> Sequence[Sourced]:
    """Return the layers of a hub's configuration: its default, the app's, those of the user's groups, the user's."""
    return (
        said(default, "hub"),
        said(app, "app"),
        of_groups(rules.groups, who, JOINS),
        of_user(rules.users, who),
    )


_BUILT_IN: Final[Sourced] = {name: (value, Source("built-in")) for name, value in Policy()}
