"""One round over many sessions: what is to be done with which, the most overdue first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from streamspace_hub.hibernation.decision import Act, Facts, Verdict, decide
from streamspace_hub.model.sleep import Resolved

S = TypeVar("S")


@dataclass(frozen=True)
class Candidate(Generic[S]):
    """One session, and what is known of it."""

    session: S
    facts: Facts
    rules: Resolved


@dataclass(frozen=True)
class Planned(Generic[S]):
    """What is to be done with one session."""

    session: S
    facts: Facts
    verdict: Verdict

    @property
    def urgency(self) -> tuple[int, float]:
        """Sort key: warnings that no longer hold first, then by when it was due."""
        return (0, 0.0) if self.verdict.due is None else (1, self.verdict.due.at)


def plan(candidates: Iterable[Candidate[S]], now: float, zone: str) -> list[Planned[S]]:
    """Return what is to be done now, without those with which nothing is."""
    found = (Planned(one.session, one.facts, decide(one.facts, one.rules.ladder, now, zone)) for one in candidates)
    return [one for one in found if one.verdict.act is not Act.NOTHING]


def most_urgent(planned: Iterable[Planned[S]], most: int) -> Sequence[Planned[S]]:
    """Return the `most` urgent ones: the rest comes in the next round, so that no hub is flooded."""
    return sorted(planned, key=lambda one: one.urgency)[:most]
