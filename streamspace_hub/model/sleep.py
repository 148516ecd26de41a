"""The ladder of sleep: after how long a session is frozen, hibernated, stopped and taken off the list. Pure data.

Who says what: `SleepRules` holds an administrator's ladders, `SleepChoice` what a user wants for themselves, and
`resolve` merges them, most general first, and says where each value comes from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from streamspace_hub.model.layers import Join, Source, Sourced, Who, laid, of_groups, of_user, said

NEVER: Final = 0
"""As a time: it does not happen."""
SHORTEST: Final = 30
LONGEST: Final = 31_536_000
OWN: Final = ("freeze_after", "hibernate_after", "stop_after")
"""What users may choose for themselves."""
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
QUIET_PATTERN: Final = (
    r"^((mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))? )?"
    r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$"
)
SAME_TIME_PATTERN: Final = r"(\d\d:\d\d)-\1$"
QUIET_MEANING: Final = "hours such as `22:00-06:00` or `mon-fri 22:00-06:00` (the days on which they begin)"


class Step(StrEnum):
    """A step of the ladder; each goes further than the one before it."""

    FREEZE = "freeze"
    """Processes are stopped and keep their memory; input wakes them at once."""
    HIBERNATE = "hibernate"
    """Memory is written to the volume, and the machine is free."""
    STOP = "stop"
    """The session ends; files are kept, what was not saved is lost."""
    DELETE = "delete"
    """A session that has ended is taken off the list; a memory image goes with it."""


def no_truth(value: object) -> object:
    """Refuse `true` and `false`, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"must be a whole number, not {str(value).lower()}")
    return value


def _a_while(value: int) -> int:
    if not SHORTEST <= value <= LONGEST:
        raise ValueError(f"{value} is not accepted; use {SHORTEST} to {LONGEST} seconds")
    return value


def _never_or_a_while(value: int) -> int:
    if value != NEVER and not SHORTEST <= value <= LONGEST:
        raise ValueError(f"{value} is not accepted; use 0 (never) or {SHORTEST} to {LONGEST} seconds")
    return value


WholeSeconds = Annotated[int, BeforeValidator(no_truth)]
"""A number, and neither `true` nor `false`, which Python takes for 1 and 0."""
_WHILE: Final = {"type": "integer", "minimum": SHORTEST, "maximum": LONGEST}
Pause = Annotated[int, BeforeValidator(no_truth), AfterValidator(_a_while), WithJsonSchema(_WHILE)]
"""Seconds."""
Time = Annotated[
    int,
    BeforeValidator(no_truth),
    AfterValidator(_never_or_a_while),
    WithJsonSchema({"anyOf": [{"const": NEVER}, _WHILE]}),
]
"""Seconds, or 0 for never."""


QuietHours = Annotated[str, Field(pattern=QUIET_PATTERN, json_schema_extra={"not": {"pattern": SAME_TIME_PATTERN}})]
"""Hours of a day, which have an end."""


class Ladder(BaseModel):
    """Times in seconds, 0 for never; what is left out is taken from a more general ladder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    freeze_after: Time | None = Field(
        default=None, description="Seconds without activity until it is frozen; 0: never."
    )
    hibernate_after: Time | None = Field(
        default=None,
        description="Seconds without activity until its memory is put on disk; passed over where that cannot be.",
    )
    stop_after: Time | None = Field(default=None, description="Seconds without activity until it is stopped; 0: never.")
    delete_after: Time | None = Field(
        default=None, description="Seconds after its end until it is taken off the list; 0: never."
    )
    max_duration: Time | None = Field(
        default=None, description="Seconds after its start until it is ended, in use or not; 0: never."
    )
    quiet_hours: tuple[QuietHours, ...] | None = Field(
        default=None, max_length=20, description=f"Times of day at which what is not in use sleeps: {QUIET_MEANING}."
    )
    quiet_after: Pause | None = Field(
        default=None, description="Seconds without activity until quiet hours apply to a session."
    )
    quiet_step: Step | None = Field(
        default=None,
        json_schema_extra={"not": {"const": "delete"}},
        description="What quiet hours do: `freeze`, `hibernate` (where memory cannot be kept: freeze) or `stop`.",
    )

    @field_validator("quiet_hours")
    @classmethod
    def _hours_of_a_day(cls, hours: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for one in hours or ():
            if re.search(SAME_TIME_PATTERN, one):
                raise ValueError(f"`{one}` are no hours of a day; use {QUIET_MEANING}")
        return hours

    @field_validator("quiet_step")
    @classmethod
    def _a_step_of_live_sessions(cls, step: Step | None) -> Step | None:
        if step is Step.DELETE:
            raise ValueError("`delete` is not accepted; use one of: freeze, hibernate, stop")
        return step


BUILT_IN: Final = Ladder(
    freeze_after=NEVER,
    hibernate_after=NEVER,
    stop_after=NEVER,
    delete_after=NEVER,
    max_duration=NEVER,
    quiet_hours=(),
    quiet_after=1800,
    quiet_step=Step.HIBERNATE,
)
"""Nothing sleeps until an administrator says so."""


class SleepChoice(BaseModel):
    """What a user wants for their own sessions; what is left out, or null, is the administrator's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    freeze_after: Time | None = Field(default=None, description="Seconds; 0: never.")
    hibernate_after: Time | None = Field(default=None, description="Seconds; 0: never.")
    stop_after: Time | None = Field(default=None, description="Seconds; 0: never.")


class SleepRules(BaseModel):
    """An administrator's ladders: `c.StreamSpace.sleep`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: Ladder = Field(default_factory=Ladder, description="For everybody.")
    groups: dict[str, Ladder] = Field(default_factory=dict, description="For the members of groups of the hub.")
    users: dict[str, Ladder] = Field(default_factory=dict, description="For single users.")
    longest: Ladder = Field(
        default_factory=Ladder,
        description="How far users may extend their own times; without it they may only shorten them.",
    )
    override: Ladder = Field(default_factory=Ladder, description="Wins over everything else, a user's choice too.")
    timezone: str = Field(default="UTC", description="Time zone of quiet hours, e.g. `Europe/Berlin`.")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"`{name}` is no time zone; use a name such as `Europe/Berlin`") from None
        return name


@dataclass(frozen=True)
class Resolved:
    """The ladder of one user and one app: every value is set."""

    ladder: Ladder
    sources: Mapping[str, Source]
    """Who set each value."""
    bounds: Mapping[str, int]
    """The longest that the user may choose, of what they may."""


def longer(one: int, other: int) -> int:
    """Return the longer of two times, of which 0 is the longest."""
    return NEVER if NEVER in (one, other) else max(one, other)


TIMES: Final = ("freeze_after", "hibernate_after", "stop_after", "delete_after", "max_duration", "quiet_after")
JOINS: Final[Mapping[str, Join]] = dict.fromkeys(TIMES, longer)
"""What a user gets of several groups: the longest time. Of the rest, what the first group by name says."""


def resolve(
    rules: SleepRules, app: Ladder, who: Who, choice: SleepChoice | None = None, admin: Sourced | None = None
) -> Resolved:
    """Return a user's ladder for one app.

    Later ones win: built-in values, the hub's default, the app's, those of the user's groups (of two groups the longer
    time), the user's set by an administrator, the user's own choice as far as it may go, what `admin` says (set over
    REST), and the override of the configuration.
    """
    values = laid(
        {name: (value, Source("built-in")) for name, value in BUILT_IN},
        said(rules.default, "hub"),
        said(app, "app"),
        of_groups(rules.groups, who, JOINS),
        of_user(rules.users, who),
    )
    bounds = {}
    for field in OWN:
        limit, value = getattr(rules.longest, field), values[field][0]
        bounds[field] = value if limit is None else longer(value, limit)
        wanted = getattr(choice, field) if choice is not None else None
        if wanted is not None:
            within = longer(wanted, bounds[field]) == bounds[field]
            values[field] = wanted if within else bounds[field], Source("own choice")
    forced = laid(admin or {}, said(rules.override, "override"))
    values = laid(values, forced)
    bounds.update({field: forced[field][0] for field in OWN if field in forced})
    # A template says more of sleep than a ladder holds.
    ladder = Ladder(**{field: values[field][0] for field in Ladder.model_fields})
    return Resolved(ladder, {field: values[field][1] for field in Ladder.model_fields}, bounds)


def refusal_of(choice: SleepChoice, resolved: Resolved) -> tuple[str, str] | None:
    """Return the field of a choice that goes too far, and a sentence for the user; None when all is well."""
    for field in OWN:
        wanted, bound = getattr(choice, field), resolved.bounds[field]
        if wanted is not None and longer(wanted, bound) != bound:
            said = "never is not accepted" if wanted == NEVER else f"{wanted} is too long"
            return field, f"{said}; at most {bound} seconds are allowed here."
    return None
