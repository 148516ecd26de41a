"""Quotas: how much one user's sessions may take together, where a limit comes from, whether one more fits. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from streamspace_hub.model.app import Memory, Resources, memory_bytes

Kind = Literal["sessions", "cpu", "memory"]
Source = Literal["user", "group", "hub"]
KINDS: Final[tuple[Kind, ...]] = ("sessions", "cpu", "memory")


class Quota(BaseModel):
    """Limits for the sessions of one user together; what is left out is not limited here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sessions: int | None = Field(default=None, ge=0, le=1000, description="Sessions that run at once.")
    cpu: float | None = Field(default=None, gt=0, le=10_000, description="Cores, by the apps' `cpu_limit`.")
    memory: Memory | None = Field(default=None, description="Memory, by the apps' `mem_limit`, e.g. `8G`.")

    def amount(self, kind: Kind) -> float | None:
        """Return the limit as a number: sessions, cores or bytes."""
        if kind == "memory":
            return None if self.memory is None else memory_bytes(self.memory)
        return self.sessions if kind == "sessions" else self.cpu


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
        return {
            "user": "your own quota",
            "group": f"the quota of group {self.group}",
            "hub": "the quota of this hub",
        }[self.source]


@dataclass(frozen=True)
class Running:
    """A session that takes part of the quota."""

    title: str
    resources: Resources


def limits_of(quotas: Quotas, user: str, groups: Collection[str]) -> dict[Kind, Limit]:
    """Return a user's limits.

    Each is taken by itself from the first of these that sets it: the user's own, the most generous of their groups',
    the hub's. So a group may give more than the hub's default, and a user more or less than any of both.
    """
    found: dict[Kind, Limit] = {}
    for kind in KINDS:
        own = quotas.users.get(user, Quota()).amount(kind)
        theirs = [
            (amount, name)
            for name in sorted(groups)
            if name in quotas.groups and (amount := quotas.groups[name].amount(kind)) is not None
        ]
        general = quotas.default.amount(kind)
        if own is not None:
            found[kind] = Limit(own, "user")
        elif theirs:
            amount, name = max(theirs, key=lambda one: one[0])
            found[kind] = Limit(amount, "group", name)
        elif general is not None:
            found[kind] = Limit(general, "hub")
    return found


def refusal_of(limits: dict[Kind, Limit], running: Sequence[Running], wanted: Running) -> str | None:
    """Return why `wanted` may not start beside what is `running`, in sentences for the user; None when it may."""
    for kind, limit in limits.items():
        used = usage_of(kind, running)
        needed = need_of(kind, wanted.resources)
        if used + needed > limit.amount:
            need = f"{wanted.title} needs {_shown(kind, needed)}"
            return f"{need}; {_room(kind, limit, used)} {_advice(running, needed, limit)}"
    return None


def usage_of(kind: Kind, running: Sequence[Running]) -> float:
    """Return how much sessions take together: sessions, cores or bytes."""
    return sum(need_of(kind, one.resources) for one in running)


def need_of(kind: Kind, resources: Resources) -> float:
    """Return what one session counts as: sessions, cores or bytes."""
    # What an app is promised counts where it has no upper limit.
    if kind == "sessions":
        return 1
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
    return f"{amount / 2**30:.3g} GiB of memory"
