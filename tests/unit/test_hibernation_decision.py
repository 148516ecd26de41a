"""Who sleeps when: a table of cases, and what holds for any history of a session."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace_hub.hibernation.decision import AGREE, WARNING, Act, Facts, Warned, ahead, decide
from streamspace_hub.hibernation.quiet import quiet_span
from streamspace_hub.model.layers import Who
from streamspace_hub.model.sleep import BUILT_IN, NEVER, Ladder, SleepRules, Step, resolve

HOUR = 3600


def ladder(**values: object) -> Ladder:
    return Ladder(**{**BUILT_IN.model_dump(), **values})


FREEZES = ladder(freeze_after=HOUR)
ALL = ladder(freeze_after=HOUR, hibernate_after=2 * HOUR, stop_after=4 * HOUR, delete_after=24 * HOUR)
AWAKE = Facts(started=0, active=0)


@pytest.mark.parametrize(
    ("facts", "rules", "now", "expected"),
    [
        # Nothing is asked for, so nothing is done.
        (AWAKE, BUILT_IN, 10**9, (Act.NOTHING, None, None)),
        # The warning comes ten minutes before, and the step when it was said.
        (AWAKE, FREEZES, HOUR - 601, (Act.NOTHING, None, None)),
        (AWAKE, FREEZES, HOUR - 600, (Act.WARN, Step.FREEZE, HOUR)),
        (replace(AWAKE, warned=Warned(Step.FREEZE, HOUR)), FREEZES, HOUR - 1, (Act.NOTHING, None, None)),
        (replace(AWAKE, warned=Warned(Step.FREEZE, HOUR)), FREEZES, HOUR, (Act.STEP, Step.FREEZE, HOUR)),
        # Whoever comes back takes the warning back.
        (Facts(0, 3000, warned=Warned(Step.FREEZE, HOUR)), FREEZES, 3001, (Act.CALM, None, None)),
        # A time that was told and no longer holds is told again.
        (Facts(0, 60, warned=Warned(Step.FREEZE, HOUR)), FREEZES, HOUR, (Act.WARN, Step.FREEZE, HOUR + 600)),
        # After the service was away for long, the warning still comes first.
        (AWAKE, FREEZES, 10 * HOUR, (Act.WARN, Step.FREEZE, 10 * HOUR + 600)),
        # The furthest of what is due is taken, and a warning of less does not do.
        (AWAKE, ALL, 10 * HOUR, (Act.WARN, Step.STOP, 10 * HOUR + 600)),
        (replace(AWAKE, warned=Warned(Step.FREEZE, HOUR)), ALL, 10 * HOUR, (Act.WARN, Step.STOP, 10 * HOUR + 600)),
        (replace(AWAKE, warned=Warned(Step.STOP, 10 * HOUR)), ALL, 10 * HOUR, (Act.STEP, Step.STOP, 4 * HOUR)),
        # Frozen already: the next step is the next one that can be taken.
        (replace(AWAKE, frozen=True, memory=True), ALL, 2 * HOUR - 600, (Act.WARN, Step.HIBERNATE, 2 * HOUR)),
        (replace(AWAKE, frozen=True), ALL, 3 * HOUR, (Act.NOTHING, None, None)),
        (replace(AWAKE, frozen=True), ALL, 4 * HOUR - 600, (Act.WARN, Step.STOP, 4 * HOUR)),
        # Short ladders warn for half of their time.
        (AWAKE, ladder(freeze_after=60), 29, (Act.NOTHING, None, None)),
        (AWAKE, ladder(freeze_after=60), 30, (Act.WARN, Step.FREEZE, 60)),
        # The longest duration counts from the start, in use or not.
        (Facts(0, 7000), ladder(max_duration=2 * HOUR), 7000, (Act.WARN, Step.STOP, 7600)),
        (Facts(0, 7000, memory=True), ladder(max_duration=2 * HOUR), 6600, (Act.WARN, Step.HIBERNATE, 7200)),
        (Facts(0, 7199, warned=Warned(Step.STOP, 7200)), ladder(max_duration=7200), 7200, (Act.STEP, Step.STOP, 7200)),
        # What has ended is taken off the list; there is nobody to warn.
        (Facts(0, 0, ended=HOUR), ALL, 25 * HOUR - 1, (Act.NOTHING, None, None)),
        (Facts(0, 0, ended=HOUR), ALL, 25 * HOUR, (Act.STEP, Step.DELETE, 25 * HOUR)),
    ],
)
def test_the_ladder(facts: Facts, rules: Ladder, now: float, expected: tuple[Act, Step | None, float | None]) -> None:
    verdict = decide(facts, rules, now)
    told = (None, None) if verdict.due is None else (verdict.due.step, verdict.due.at)
    assert (verdict.act, *told) == expected


@pytest.mark.parametrize(
    ("facts", "rules", "now", "expected"),
    [
        (AWAKE, BUILT_IN, 0, []),
        (AWAKE, ALL, 60, [(Step.FREEZE, HOUR), (Step.STOP, 4 * HOUR)]),
        (replace(AWAKE, memory=True), ALL, 60, [(Step.FREEZE, 3600), (Step.HIBERNATE, 7200), (Step.STOP, 4 * HOUR)]),
        (replace(AWAKE, frozen=True), ALL, 2 * HOUR, [(Step.STOP, 4 * HOUR)]),
        # What was promised to viewers holds, and nobody is told less than a warning's time.
        (replace(AWAKE, warned=Warned(Step.FREEZE, HOUR)), FREEZES, HOUR - 1, [(Step.FREEZE, HOUR)]),
        (AWAKE, FREEZES, HOUR - 1, [(Step.FREEZE, HOUR + 599)]),
        # Of what is due together the furthest comes, and nothing comes after an end.
        (AWAKE, ALL, 10 * HOUR, [(Step.STOP, 10 * HOUR + 600)]),
        (AWAKE, ladder(freeze_after=2 * HOUR, max_duration=HOUR), 0, [(Step.STOP, HOUR)]),
        (Facts(0, 0, ended=HOUR), ALL, 2 * HOUR, [(Step.DELETE, 25 * HOUR)]),
        (Facts(0, 0, ended=HOUR), ALL, 26 * HOUR, [(Step.DELETE, 26 * HOUR)]),
    ],
)
def test_what_is_ahead(facts: Facts, rules: Ladder, now: float, expected: list[tuple[Step, float]]) -> None:
    assert [(due.step, due.at) for due in ahead(facts, rules, now)] == expected


def local(text: str, zone: str = "Europe/Berlin") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


# 2026-11-20 is a Friday.
@pytest.mark.parametrize(
    ("hours", "now", "begin", "end"),
    [
        ("22:00-06:00", "2026-11-20T12:00", "2026-11-20T22:00", "2026-11-21T06:00"),
        ("22:00-06:00", "2026-11-21T05:00", "2026-11-20T22:00", "2026-11-21T06:00"),
        ("mon-fri 22:00-06:00", "2026-11-21T05:00", "2026-11-20T22:00", "2026-11-21T06:00"),
        ("mon-fri 22:00-06:00", "2026-11-21T07:00", "2026-11-23T22:00", "2026-11-24T06:00"),
        ("fri-mon 08:00-09:00", "2026-11-22T10:00", "2026-11-23T08:00", "2026-11-23T09:00"),
        ("thu 08:00-09:00", "2026-11-19T09:00", "2026-11-26T08:00", "2026-11-26T09:00"),
        # The night in which summer time ends has an hour more.
        ("22:00-06:00", "2026-10-25T01:00", "2026-10-24T22:00", "2026-10-25T06:00"),
    ],
)
def test_quiet_hours(hours: str, now: str, begin: str, end: str) -> None:
    assert quiet_span((hours,), local(now), "Europe/Berlin") == (local(begin), local(end))


def test_no_quiet_hours_are_never() -> None:
    assert quiet_span((), 0, "UTC") is None


def test_quiet_hours_put_to_sleep_what_is_not_in_use() -> None:
    night = ladder(quiet_hours=("22:00-06:00",), quiet_after=1800, quiet_step="stop")
    evening, zone = local("2026-11-20T21:55"), "Europe/Berlin"
    left = Facts(started=0, active=local("2026-11-20T20:00"))
    verdict = decide(left, night, evening, zone)
    assert verdict.act is Act.WARN
    assert verdict.due is not None
    assert verdict.due.at == evening + WARNING
    in_use = replace(left, active=evening)
    assert decide(in_use, night, evening, zone).act is Act.NOTHING
    late = decide(in_use, night, local("2026-11-20T22:16"), zone)
    assert late.due is not None
    assert (late.act, late.due.at) == (Act.WARN, local("2026-11-20T22:26"))
    assert decide(left, night, local("2026-11-21T12:00"), zone).act is Act.NOTHING


def test_quiet_hours_lose_no_memory_unless_they_are_told_to() -> None:
    night = ladder(quiet_hours=("22:00-06:00",))
    now = local("2026-11-20T23:00", "UTC")
    asked = decide(Facts(0, 0), night, now).due
    assert asked is not None
    assert asked.step is Step.FREEZE
    keeps = decide(Facts(0, 0, memory=True), night, now).due
    assert keeps is not None
    assert keeps.step is Step.HIBERNATE
    assert decide(Facts(0, 0, frozen=True), night, now).act is Act.NOTHING


TIMES = st.one_of(st.just(NEVER), st.integers(30, 20_000))
LADDERS = st.builds(
    ladder,
    freeze_after=TIMES,
    hibernate_after=TIMES,
    stop_after=TIMES,
    delete_after=TIMES,
    max_duration=TIMES,
    quiet_hours=st.sampled_from([(), ("22:00-06:00",), ("mon-fri 01:00-03:00", "00:00-00:30")]),
    quiet_after=st.integers(30, 20_000),
    quiet_step=st.sampled_from([Step.FREEZE, Step.HIBERNATE, Step.STOP]),
)


@dataclass
class Life:
    """One session under a ladder, as the service sees it round by round."""

    facts: Facts
    rules: Ladder
    now: float
    warned_at: list[tuple[float, Step]] = field(default_factory=list)

    def round(self) -> None:
        """Ask, check what holds always, and carry it out."""
        verdict, facts = decide(self.facts, self.rules, self.now), self.facts
        if verdict.act is Act.WARN:
            assert verdict.due is not None
            assert verdict.due.at >= self.now + min(verdict.due.lead, WARNING)
            self.warned_at.append((self.now, verdict.due.step))
            self.facts = replace(facts, warned=Warned(verdict.due.step, verdict.due.at, verdict.due.lead))
        elif verdict.act is Act.CALM:
            assert facts.warned is not None
            self.warned_at.clear()
            self.facts = replace(facts, warned=None)
        elif verdict.act is Act.STEP:
            assert verdict.due is not None
            self.check_step(verdict.due.step, verdict.due.at, verdict.due.lead, verdict.due.keepable)

    def check_step(self, step: Step, at: float, lead: float, keepable: bool) -> None:
        facts, rules = self.facts, self.rules
        assert at <= self.now
        if step is Step.DELETE:
            assert facts.ended is not None
            assert rules.delete_after
            assert self.now >= facts.ended + rules.delete_after
            self.facts = replace(facts, ended=self.now)
            return
        assert facts.ended is None
        assert step is not Step.HIBERNATE or facts.memory
        assert step is not Step.FREEZE or not facts.frozen
        announced = [when for when, warned in self.warned_at if warned is step]
        assert announced
        assert announced[-1] + lead - AGREE <= self.now
        if keepable:
            assert facts.active <= self.now - lead
        self.warned_at.clear()
        frozen = step is Step.FREEZE
        self.facts = replace(facts, frozen=frozen, warned=None, ended=None if frozen else self.now)


@given(
    LADDERS,
    st.booleans(),
    st.lists(st.tuples(st.integers(1, 30_000), st.booleans()), min_size=1, max_size=60),
    st.integers(0, 10**6),
)
def test_nothing_is_done_unannounced_early_or_to_what_is_in_use(
    rules: Ladder, memory: bool, turns: list[tuple[int, bool]], start: int
) -> None:
    life = Life(Facts(start, start, memory=memory), rules, start)
    for seconds, used in turns:
        life.now += seconds
        if used and life.facts.ended is None:
            # Input thaws at once.
            life.facts = replace(life.facts, active=life.now, frozen=False)
        life.round()


@given(LADDERS, st.integers(0, 10**6), st.booleans())
def test_what_is_due_happens_and_the_rounds_come_to_rest(rules: Ladder, start: int, memory: bool) -> None:
    life = Life(Facts(start, start, memory=memory), rules, start)
    for _ in range(200):
        life.now += 700
        life.round()
    reached = life.facts.ended is not None
    if (rules.stop_after or rules.max_duration) and not reached:
        pytest.fail(f"it never ended: {life.facts}")


def test_an_override_beats_a_users_choice() -> None:
    rules = SleepRules(override=Ladder(stop_after=600))
    assert resolve(rules, Ladder(stop_after=6000), Who("ann")).ladder.stop_after == 600
