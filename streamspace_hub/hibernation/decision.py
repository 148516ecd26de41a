"""What is to be done with one session now: a pure function of what is known of it, its ladder and the time.

Invariants, which the tests check for any history:

- Nothing is done to a live session of which its viewers were not warned, `lead` seconds before at least.
- Whoever uses a session takes back every warning but that of `max_duration`.
- A session is never touched earlier than its ladder says.
- Of several steps that are due the furthest is taken; one that cannot be taken (memory that cannot be kept) is passed
  over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from streamspace_hub.hibernation.quiet import quiet_span
from streamspace_hub.model.sleep import NEVER, Ladder, Step

WARNING: Final = 600.0
"""Seconds between a warning and what it warns of; half of the ladder's own time where that is shorter."""
AGREE: Final = 1.0
"""Seconds by which a time that was told may be earlier than the one that holds now."""
DEPTH: Final = {step: depth for depth, step in enumerate(Step)}


class Act(StrEnum):
    """What to do."""

    NOTHING = "nothing"
    WARN = "warn"
    CALM = "calm"
    """Take a warning back."""
    STEP = "step"
    """Carry the step out."""


@dataclass(frozen=True)
class Warned:
    """The warning that a session's viewers have been given."""

    step: Step
    at: float
    """When it will be carried out."""
    lead: float = WARNING
    """Seconds before that at which it was given, at least."""


@dataclass(frozen=True)
class Facts:
    """What is known of one session; times in seconds since 1970."""

    started: float
    active: float
    """When it was last active."""
    ended: float | None = None
    """Since when it has been stopped or asleep; None for a live one."""
    frozen: bool = False
    memory: bool = False
    """Whether its memory can be kept."""
    warned: Warned | None = None


@dataclass(frozen=True)
class Due:
    """One step, and when it is due."""

    step: Step
    at: float
    lead: float
    """Seconds for which its warning stands at least."""
    why: str
    keepable: bool = True
    """Whether using the session puts it off."""


@dataclass(frozen=True)
class Verdict:
    """What to do with one session."""

    act: Act
    due: Due | None = None
    """Of which step; with `at` as it is to be told."""


NOTHING: Final = Verdict(Act.NOTHING)


def decide(facts: Facts, ladder: Ladder, now: float, zone: str = "UTC") -> Verdict:
    """Return what to do now; `ladder` has every value set."""
    dues = list(_dues(facts, ladder, now, zone))
    if facts.ended is not None:
        over = next((due for due in dues if due.at <= now), None)
        return Verdict(Act.STEP, over) if over else NOTHING
    near = [due for due in dues if due.at - due.lead <= now]
    if not near:
        return Verdict(Act.CALM) if facts.warned else NOTHING
    overdue = [due for due in near if due.at <= now]
    chosen = (
        max(overdue, key=lambda due: (DEPTH[due.step], -due.lead)) if overdue else min(near, key=lambda due: due.at)
    )
    warned = facts.warned
    if warned is None or not _stands(warned, chosen):
        return _warn(chosen, now)
    return Verdict(Act.STEP, chosen) if chosen.at <= now and warned.at <= now else NOTHING


def ahead(facts: Facts, ladder: Ladder, now: float, zone: str = "UTC") -> list[Due]:
    """Return what is to come if nobody uses the session, in that order, with times at which it comes at the earliest.

    Each step goes further than the one before it; what an earlier one makes idle is left out.
    """
    found: list[Due] = []
    dues = (replace(due, at=_earliest(facts, due, now)) for due in _dues(facts, ladder, now, zone))
    for due in sorted(dues, key=lambda one: (one.at, -DEPTH[one.step])):
        if not found or DEPTH[due.step] > DEPTH[found[-1].step]:
            found.append(due)
    return found


def _earliest(facts: Facts, due: Due, now: float) -> float:
    if facts.ended is not None:
        return max(due.at, now)
    if facts.warned is not None and _stands(facts.warned, due):
        return max(due.at, facts.warned.at, now)
    return max(due.at, now + due.lead)


def _stands(warned: Warned, due: Due) -> bool:
    """Return whether viewers were warned of just this, early enough, and for a time that still holds."""
    return warned.step is due.step and warned.at >= due.at - AGREE and warned.lead >= due.lead - AGREE


def _warn(due: Due, now: float) -> Verdict:
    told = max(due.at, now + due.lead)
    return Verdict(Act.WARN, Due(due.step, told, due.lead, due.why, due.keepable))


def _dues(facts: Facts, ladder: Ladder, now: float, zone: str) -> Iterator[Due]:
    if facts.ended is not None:
        if ladder.delete_after:
            yield Due(Step.DELETE, facts.ended + ladder.delete_after, 0, "it has not been used since its end")
        return
    if ladder.freeze_after and not facts.frozen:
        yield _idle(Step.FREEZE, facts, ladder.freeze_after)
    if ladder.hibernate_after and facts.memory:
        yield _idle(Step.HIBERNATE, facts, ladder.hibernate_after)
    if ladder.stop_after:
        yield _idle(Step.STOP, facts, ladder.stop_after)
    if ladder.max_duration:
        end = Step.HIBERNATE if facts.memory else Step.STOP
        why = "it has reached its longest duration"
        yield Due(end, facts.started + ladder.max_duration, _lead(ladder.max_duration), why, keepable=False)
    yield from _quiet(facts, ladder, now, zone)


def _idle(step: Step, facts: Facts, after: int) -> Due:
    return Due(step, facts.active + after, _lead(after), "nobody has used it for a while")


def _quiet(facts: Facts, ladder: Ladder, now: float, zone: str) -> Iterator[Due]:
    span = quiet_span(ladder.quiet_hours or (), now, zone)
    step, after = ladder.quiet_step, ladder.quiet_after or NEVER
    if span is None or step is None:
        return
    if step is Step.HIBERNATE and not facts.memory:
        step = Step.FREEZE
    at = max(span[0], facts.active + after)
    if at < span[1] and not (step is Step.FREEZE and facts.frozen):
        yield Due(step, at, _lead(after), "these are quiet hours")


def _lead(after: float) -> float:
    return min(WARNING, after / 2)
