"""Quotas: how much one user's sessions may take together, where a limit comes from, whether one more fits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from streamspace_hub.model.app import Memory, Resources, memory_bytes
from streamspace_hub.model.hours import HOUR, HoursLimit, Span, free_at, used_seconds

L = TypeVar("L")

Kind = Literal["sessions", "cpu", "memory", "gpus"]
HoursKind = Literal["session_hours", "gpu_hours"]
HOURS_KINDS: Final[tuple[HoursKind, ...]] = ("session_hours", "gpu_hours")
Source = Literal["user", "group", "hub", "admin", "admin for group", "admin for user"]
ADMIN: Final[dict[Source, Source]] = {"hub": "admin", "group": "admin for group", "user": "admin for user"}
KINDS: Final[tuple[Kind, ...]] = ("sessions", "cpu", "memory", "gpus")


class Quota(BaseModel):
    """Limits for the sessions of one user together; what is left out is not limited here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sessions: int | None = Field(default=None, ge=0, le=1000, description="Sessions that run at once.")
    cpu: float | None = Field(default=None, gt=0, le=10_000, description="Cores, by the apps' `cpu_limit`.")
    memory: Memory | None = Field(default=None, description="Memory, by the apps' `mem_limit`, e.g. `8G`.")
    gpus: int | None = Field(default=None, ge=0, le=1000, description="GPUs at once, by the apps' `gpu.count`.")
    session_hours: HoursLimit | None = Field(default=None, description="Hours that sessions run in a rolling window.")
    gpu_hours: HoursLimit | None = Field(default=None, description="The same of the GPUs that they have.")

    def hours(self, kind: HoursKind) -> HoursLimit | None:
        """Return the limit of hours."""
        return self.session_hours if kind == "session_hours" else self.gpu_hours

    def amount(self, kind: Kind) -> float | None:
        """Return the limit as a number: sessions, cores, bytes or GPUs."""
        if kind == "memory":
            return None if self.memory is None else memory_bytes(self.memory)
        number: float | None = getattr(self, kind)
        return number


class Quotas(BaseModel):
    """The quotas of a hub."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: Quota = Field(default_factory=Quota, description="For everybody.")
    groups: dict[str, Quota] = Field(default_factory=dict, description="For the members of groups of the hub.")
    users: dict[str, Quota] = Field(default_factory=dict, description="For single users.")


@dataclass(frozen=True)
class Limit:
    """One limit of one user."""

    amount: float
    source: Source
    group: str | None = None
    """The group that it comes from, where `source` is `group`."""

    @property
    def origin(self) -> str:
        """Where it comes from, in words for the user."""
        return _origin(self.source, self.group)


@dataclass(frozen=True)
class HoursGrant:
    """A limit of hours of one user, and where it comes from, as of `Limit`."""

    limit: HoursLimit
    source: Source
    group: str | None = None


@dataclass(frozen=True)
class Entry:
    """A time that a session of the user ran, and its GPUs."""

    begun: float
    ended: float | None
    gpus: int


@dataclass(frozen=True)
class Running:
    """A session that takes part of the quota."""

    title: str
    resources: Resources


def limits_of(quotas: Quotas, user: str, groups: Collection[str], admin: Quotas | None = None) -> dict[Kind, Limit]:
    """Return a user's limits; what `admin` says (set over REST) comes first."""
    found: dict[Kind, Limit] = {}
    for kind in KINDS:
        if granted := _granted(quotas, user, groups, partial(Quota.amount, kind=kind), float, admin):
            found[kind] = Limit(*granted)
    return found


def hours_of(
    quotas: Quotas, user: str, groups: Collection[str], admin: Quotas | None = None
) -> dict[HoursKind, HoursGrant]:
    """Return a user's limits of hours, as `limits_of`; the most generous has the most hours a day."""
    found: dict[HoursKind, HoursGrant] = {}
    for kind in HOURS_KINDS:
        if granted := _granted(quotas, user, groups, partial(Quota.hours, kind=kind), _hours_a_day, admin):
            found[kind] = HoursGrant(*granted)
    return found


def _hours_a_day(limit: HoursLimit) -> float:
    return limit.hours / limit.days


def _granted(  # noqa: PLR0913, PLR0917 - whose, of what, and who has a say
    quotas: Quotas,
    user: str,
    groups: Collection[str],
    limit_of: Callable[[Quota], L | None],
    generosity: Callable[[L], float],
    admin: Quotas | None = None,
) -> tuple[L, Source, str | None] | None:
    """Return one limit of a user, who sets it, and for which group.

    Each is taken by itself from the first of these that sets it: the user's own, the most generous of their groups',
    the hub's. So a group may give more than the hub's default, and a user more or less than any of both. All three of
    `admin` come before.
    """
    if admin is not None and (forced := _granted(admin, user, groups, limit_of, generosity)) is not None:
        return forced[0], ADMIN[forced[1]], forced[2]
    if (own := limit_of(quotas.users.get(user, Quota()))) is not None:
        return own, "user", None
    theirs = [
        (limit, name)
        for name in sorted(groups)
        if name in quotas.groups and (limit := limit_of(quotas.groups[name])) is not None
    ]
    if theirs:
        limit, name = max(theirs, key=lambda one: generosity(one[0]))
        return limit, "group", name
    general = limit_of(quotas.default)
    return None if general is None else (general, "hub", None)


def spans_of(kind: HoursKind, entries: Sequence[Entry]) -> list[Span]:
    """Return what counts for one kind of hours."""
    if kind == "session_hours":
        return [Span(one.begun, one.ended) for one in entries]
    return [Span(one.begun, one.ended, one.gpus) for one in entries if one.gpus]


def hours_refusal(
    grants: dict[HoursKind, HoursGrant], entries: Sequence[Entry], wanted: Running, now: float
) -> str | None:
    """Return why `wanted` may not start after what was used, in sentences for the user; None when it may."""
    for kind, grant in grants.items():
        if kind == "gpu_hours" and not wanted.resources.gpu.count:
            continue
        spans = spans_of(kind, entries)
        free = free_at(spans, grant.limit, now)
        if free is not None:
            what = "session-hours" if kind == "session_hours" else "GPU-hours"
            used = used_seconds(spans, grant.limit.days, now) / HOUR
            when = datetime.fromtimestamp(free + 60, UTC).strftime("%Y-%m-%d %H:%M UTC")
            days = "a day" if grant.limit.days == 1 else f"{grant.limit.days} days"
            return (
                f"{wanted.title} cannot start: {_origin(grant.source, grant.group)} is {grant.limit.hours:g} {what} in "
                f"{days}, used: {used:.1f}. Some are free again on {when}, if no session runs until then."
            )
    return None


def longest_window(quotas: Quotas) -> int:
    """Return the days of the longest window that any limit of hours has; 0 when there is none."""
    every = [quotas.default, *quotas.groups.values(), *quotas.users.values()]
    return max((limit.days for one in every for kind in HOURS_KINDS if (limit := one.hours(kind))), default=0)


def _origin(source: Source, group: str | None) -> str:
    words: dict[Source, str] = {
        "user": "your own quota",
        "group": f"the quota of group {group}",
        "hub": "the quota of this hub",
        "admin": "the quota that an administrator has set",
        "admin for group": f"the quota that an administrator has set for group {group}",
        "admin for user": "the quota that an administrator has set for you",
    }
    return words[source]


def refusal_of(limits: dict[Kind, Limit], running: Sequence[Running], wanted: Running) -> str | None:
    """Return why `wanted` may not start beside what is `running`, in sentences for the user; None when it may."""
    for kind, limit in limits.items():
        used = usage_of(kind, running)
        needed = need_of(kind, wanted.resources)
        if needed and used + needed > limit.amount:
            need = f"{wanted.title} needs {_shown(kind, needed)}"
            return f"{need}; {_room(kind, limit, used)} {_advice(running, needed, limit)}"
    return None


def usage_of(kind: Kind, running: Sequence[Running]) -> float:
    """Return how much sessions take together: sessions, cores, bytes or GPUs."""
    return sum(need_of(kind, one.resources) for one in running)


def need_of(kind: Kind, resources: Resources) -> float:
    """Return what one session counts as: sessions, cores, bytes or GPUs."""
    if kind == "sessions":
        return 1
    if kind == "gpus":
        return resources.gpu.count
    # What an app is promised counts where it has no upper limit.
    if kind == "cpu":
        return resources.cpu_limit or resources.cpu_guarantee or 0
    memory = resources.mem_limit or resources.mem_guarantee
    return memory_bytes(memory) if memory else 0


def _room(kind: Kind, limit: Limit, used: float) -> str:
    return f"{limit.origin} is {_shown(kind, limit.amount)}, in use: {_shown(kind, used)}."


def _advice(running: Sequence[Running], needed: float, limit: Limit) -> str:
    if needed > limit.amount or not running:
        return "Ask your administrator for more."
    return f"Stop a session first: {', '.join(sorted(one.title for one in running))}."


def _shown(kind: Kind, amount: float) -> str:
    if kind == "sessions":
        return f"{amount:g} session{'' if amount == 1 else 's'}"
    if kind == "cpu":
        return f"{amount:g} cores"
    if kind == "gpus":
        return f"{amount:g} GPU{'' if amount == 1 else 's'}"
    return f"{amount / 2**30:.3g} GiB of memory"
