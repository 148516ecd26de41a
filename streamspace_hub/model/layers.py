"""Settings in layers: who wins, and where each value comes from. Pure, and knows no setting by name.

Invariants, tested as properties:
- a later layer wins, value by value; what a layer leaves out, or sets to None, it does not touch;
- what several groups say is joined to one value by the setting's own rule, in the order of their names, so that the
  order in which a hub lists them changes nothing;
- a value comes from one source: of groups, from those without which it would be another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)

By = Literal[
    "built-in", "hub", "app", "group", "user", "own choice", "admin", "admin for group", "admin for user", "override"
]
"""Who sets values: nobody; the hub's default, an app's template, a group or user by the hub's configuration; what users
choose; an administrator over REST, for everybody, a group or a user; `override` of the hub's configuration."""
Join = Callable[[Any, Any], Any]
"""What two groups give together. Associative, so that many have one value too."""


@dataclass(frozen=True)
class Source:
    """Where a value comes from."""

    by: By
    group: str | None = None
    """The group, where it is a group's; several are separated by commas."""


@dataclass(frozen=True)
class Who:
    """Whose settings: a user of the hub, and the hub's groups that they are in."""

    name: str
    groups: Collection[str] = ()


Sourced = Mapping[str, tuple[Any, Source]]
"""Values by name, each with its source."""


def said(layer: BaseModel, by: By) -> Sourced:
    """Return what a layer says itself."""
    source = Source(by)
    found = ((name, getattr(layer, name)) for name in layer.model_fields_set)
    return {name: (value, source) for name, value in found if value is not None}


def of_groups(rules: Mapping[str, M], who: Who, joins: Mapping[str, Join], by: By = "group") -> Sourced:
    """Return what the user's groups say together, by the rules in `joins`; where there is none, the first by name."""
    found: dict[str, tuple[Any, list[str]]] = {}
    for group in sorted(set(who.groups) & rules.keys()):
        for name, (value, _) in said(rules[group], by).items():
            if name not in found:
                found[name] = value, [group]
                continue
            before, names = found[name]
            both = joins[name](before, value) if name in joins else before
            if both != before:
                found[name] = both, [group] if both == value else [*names, group]
    return {name: (value, Source(by, ", ".join(names))) for name, (value, names) in found.items()}


def of_user(rules: Mapping[str, M], who: Who, by: By = "user") -> Sourced:
    """Return what is said for this user alone."""
    own = rules.get(who.name)
    return {} if own is None else said(own, by)


def laid(*layers: Sourced) -> dict[str, tuple[Any, Source]]:
    """Lay `layers` one over the other, the most general first."""
    values: dict[str, tuple[Any, Source]] = {}
    for layer in layers:
        values.update(layer)
    return values
