"""What administrators set over REST for everybody, a group or a user: it wins over hub, app, group and user. Pure data.

One document holds what a policy, a quota and a ladder of sleep may hold. The service keeps it; the hub knows what the
service has told it last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from streamspace_hub.model.layers import Join, Sourced, Who, laid, of_groups, of_user, said
from streamspace_hub.model.policy import JOINS as POLICY_JOINS
from streamspace_hub.model.policy import PolicyDefaults
from streamspace_hub.model.quota import Quota, Quotas, Together
from streamspace_hub.model.sleep import JOINS as SLEEP_JOINS
from streamspace_hub.model.sleep import Ladder

M = TypeVar("M", bound=BaseModel)


def _strictly(model: type[BaseModel]) -> BeforeValidator:
    """Refuse JSON of another type, `true` for 1 or `"3"` for 3, which is a mistake where people write by hand."""

    def check(value: object) -> object:
        if isinstance(value, Mapping):
            model.model_validate_json(json.dumps(_whole(value)), strict=True)
        return value

    return BeforeValidator(check)


def _whole(value: object) -> object:
    """Return JSON data with whole numbers as such: for JSON, 30.0 is one."""
    if isinstance(value, Mapping):
        return {name: _whole(one) for name, one in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Override(BaseModel):
    """What an administrator sets for somebody; what is left out, or null, is as it would be without."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: Annotated[PolicyDefaults, _strictly(PolicyDefaults)] = Field(
        default_factory=PolicyDefaults, description="What sessions may do."
    )
    quota: Annotated[Quota, _strictly(Quota)] = Field(
        default_factory=Quota, description="What one user's sessions may take together."
    )
    together: Annotated[Together, _strictly(Together)] = Field(
        default_factory=Together, description="Of a group: what the sessions of all its members may take together."
    )
    sleep: Annotated[Ladder, _strictly(Ladder)] = Field(
        default_factory=Ladder, description="After how long they sleep. Leaves users no choice."
    )


@dataclass(frozen=True)
class Tiers(Generic[M]):
    """One part of all overrides."""

    everybody: M
    groups: Mapping[str, M]
    users: Mapping[str, M]

    def of(self, who: Who, joins: Mapping[str, Join]) -> Sourced:
        """Return what holds for a user: what is said of them, else of their groups, else of everybody."""
        return laid(
            said(self.everybody, "admin"),
            of_groups(self.groups, who, joins, "admin for group"),
            of_user(self.users, who, "admin for user"),
        )


class Overrides(BaseModel):
    """All overrides of a hub."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    everybody: Override = Field(default_factory=Override)
    groups: dict[str, Override] = Field(default_factory=dict)
    users: dict[str, Override] = Field(default_factory=dict)

    def policy(self, who: Who) -> Sourced:
        """Return what is set of a user's policy."""
        return self._policy.of(who, POLICY_JOINS)

    def sleep(self, who: Who) -> Sourced:
        """Return what is set of a user's ladder of sleep."""
        return self._sleep.of(who, SLEEP_JOINS)

    # Kept, since a hub asks at each start: there may be one for each of thousands of users.

    @cached_property
    def quotas(self) -> Quotas:
        """What is set of quotas."""
        return Quotas(
            default=self.everybody.quota,
            groups={name: one.quota for name, one in self.groups.items()},
            users={name: one.quota for name, one in self.users.items()},
            together={name: one.together for name, one in self.groups.items()},
        )

    @cached_property
    def _policy(self) -> Tiers[PolicyDefaults]:
        groups = {name: one.policy for name, one in self.groups.items()}
        return Tiers(self.everybody.policy, groups, {name: one.policy for name, one in self.users.items()})

    @cached_property
    def _sleep(self) -> Tiers[Ladder]:
        groups = {name: one.sleep for name, one in self.groups.items()}
        return Tiers(self.everybody.sleep, groups, {name: one.sleep for name, one in self.users.items()})


NOTHING: Final = Overrides()
