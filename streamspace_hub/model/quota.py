"""Quotas: how much one user's sessions may take together, where a limit comes from, whether one more fits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from streamspace_hub.model.app import Memory, Resources, memory_bytes
from streamspace_hub.model.hours import HoursLimit
from streamspace_hub.model.prices import Budget

L = TypeVar("L")

Kind = Literal["sessions", "cpu", "memory", "gpus"]
Source = Literal["user", "group", "hub", "admin", "admin for group", "admin for user"]
ADMIN: Final[dict[Source, Source]] = {"hub": "admin", "group": "admin for group", "user": "admin for user"}
KINDS: Final[tuple[Kind, ...]] = ("sessions", "cpu", "memory", "gpus")


class Together(BaseModel):
    """Limits for the sessions of all members of a group together; what is left out is not limited here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sessions: int | None = Field(default=None, ge=0, le=100_000, description="Sessions that run at once.")
    cpu: float | None = Field(default=None, gt=0, le=1_000_000, description="Cores, by the apps' `cpu_limit`.")
    memory: Memory | None = Field(default=None, description="Memory, by the apps' `mem_limit`, e.g. `8G`.")
    gpus: int | None = Field(default=None, ge=0, le=100_000, description="GPUs at once, by the apps' `gpu.count`.")
    budget: Budget | None = Field(default=None, description="Money in a rolling window, by the service's prices.")

    def amount(self, kind: Kind) -> float | None:
        """Return the limit of what is taken at once as a number: sessions, cores, bytes or GPUs."""
        if kind == "memory":
            return None if self.memory is None else memory_bytes(self.memory)
        number: float | None = getattr(self, kind)
        return number


class Quota(Together):
    """Limits for the sessions of one user together; what is left out is not limited here."""

    sessions: int | None = Field(default=None, ge=0, le=1000, description="Sessions that run at once.")
    cpu: float | None = Field(default=None, gt=0, le=10_000, description="Cores, by the apps' `cpu_limit`.")
    gpus: int | None = Field(default=None, ge=0, le=1000, description="GPUs at once, by the apps' `gpu.count`.")
    session_hours: HoursLimit | None = Field(default=None, description="Hours that sessions run in a rolling window.")
    gpu_hours: HoursLimit | None = Field(default=None, description="The same of the GPUs that they have.")
    storage: Memory | None = Field(default=None, description="What the user's files may take, e.g. `20G`.")

    @property
    def storage_bytes(self) -> float | None:
        """What the user's files may take, in bytes."""
        return None if self.storage is None else memory_bytes(self.storage)


class Quotas(BaseModel):
    """The quotas of a hub."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: Quota = Field(default_factory=Quota, description="For everybody.")
    groups: dict[str, Quota] = Field(default_factory=dict, description="For the members of groups of the hub.")
    users: dict[str, Quota] = Field(default_factory=dict, description="For single users.")
    together: dict[str, Together] = Field(
        default_factory=dict, description="For all members of a group of the hub together."
    )

    @property
    def every(self) -> list[Quota]:
        """All of them that are for one user."""
        return [self.default, *self.groups.values(), *self.users.values()]

    @property
    def limit_storage(self) -> bool:
        """Whether anybody's files are limited."""
        return any(one.storage is not None for one in self.every)


@dataclass(frozen=True)
class Limit:
    """One limit of one user."""

    amount: float
    source: Source
    group: str | None = None
    """The group that it comes from, where `source` is `group`."""
    together: bool = False
    """Whether it is for all members of the group together."""

    @property
    def origin(self) -> str:
        """Where it comes from, in words for the user."""
        return self.called("quota")

    def called(self, what: str) -> str:
        """Return the same of what is called otherwise, e.g. a budget."""
        words: dict[Source, str] = {
            "user": f"your own {what}",
            "group": f"the {what} of group {self.group}",
            "hub": f"the {what} of this hub",
            "admin": f"the {what} that an administrator has set",
            "admin for group": f"the {what} that an administrator has set for group {self.group}",
            "admin for user": f"the {what} that an administrator has set for you",
        }
        return words[self.source] + (" for all its members together" if self.together else "")


@dataclass(frozen=True)
class Running:
    """A session that takes part of the quota."""

    title: str
    resources: Resources


def limits_of(quotas: Quotas, user: str, groups: Collection[str], admin: Quotas | None = None) -> dict[Kind, Limit]:
    """Return a user's limits; what `admin` says (set over REST) comes first."""
    found: dict[Kind, Limit] = {}
    for kind in KINDS:
        if nearest := granted(quotas, user, groups, partial(Quota.amount, kind=kind), float, admin):
            found[kind] = Limit(*nearest)
    return found


def together_of(quotas: Quotas, group: str, admin: Quotas | None = None) -> dict[Kind, Limit]:
    """Return what all members of a group may take at once; what `admin` says comes first."""
    found: dict[Kind, Limit] = {}
    for kind in KINDS:
        if nearest := granted_together(quotas, group, partial(Together.amount, kind=kind), admin):
            found[kind] = Limit(*nearest, group, together=True)
    return found


def granted_together(
    quotas: Quotas, group: str, limit_of: Callable[[Together], L | None], admin: Quotas | None = None
) -> tuple[L, Source] | None:
    """Return one limit of all members of a group, and who sets it."""
    if admin is not None and (forced := limit_of(admin.together.get(group, Together()))) is not None:
        return forced, "admin for group"
    found = limit_of(quotas.together.get(group, Together()))
    return None if found is None else (found, "group")


def storage_of(quotas: Quotas, user: str, groups: Collection[str], admin: Quotas | None = None) -> Limit | None:
    """Return what a user's files may take, in bytes; None: it is not limited. What `admin` says comes first."""
    found = granted(quotas, user, groups, lambda quota: quota.storage_bytes, float, admin)
    return Limit(*found) if found else None


def storage_refusal(limit: Limit, used: int, title: str) -> str | None:
    """Return why an app may not start beside files that take `used` bytes, for the user; None when it may."""
    if used < limit.amount:
        return None
    return (
        f"{title} cannot start: {limit.origin} is {_gib(limit.amount)} of files, in use: {_gib(used)}. Remove some "
        "first, or give up a session that sleeps: its memory counts, too."
    )


def granted(  # noqa: PLR0913, PLR0917 - whose, of what, and who has a say
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
    if admin is not None and (forced := granted(admin, user, groups, limit_of, generosity)) is not None:
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


def ever_fits(limits: dict[Kind, Limit], wanted: Running) -> bool:
    """Return whether `wanted` has room if nothing else runs: then it is worth waiting."""
    return refusal_of(limits, (), wanted) is None


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
    if limit.together:
        return "One of them has to end first."
    return f"Stop a session first: {', '.join(sorted(one.title for one in running))}."


def _shown(kind: Kind, amount: float) -> str:
    if kind == "sessions":
        return f"{amount:g} session{'' if amount == 1 else 's'}"
    if kind == "cpu":
        return f"{amount:g} cores"
    if kind == "gpus":
        return f"{amount:g} GPU{'' if amount == 1 else 's'}"
    return f"{_gib(amount)} of memory"


def _gib(amount: float) -> str:
    return f"{amount / 2**30:.3g} GiB"
