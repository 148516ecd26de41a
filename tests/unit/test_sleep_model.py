"""Ladders: what is accepted, who wins, and how far a user may go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamspace_hub.model.explain import explain
from streamspace_hub.model.layers import Source, Who
from streamspace_hub.model.sleep import (
    BUILT_IN,
    NEVER,
    OWN,
    Ladder,
    SleepChoice,
    SleepRules,
    longer,
    refusal_of,
    resolve,
)


@pytest.mark.parametrize(
    ("fields", "where", "said"),
    [
        ({"freeze_after": 5}, "freeze_after", "5 is not accepted; use 0 (never) or 30 to 31536000 seconds."),
        ({"freeze_after": "soon"}, "freeze_after", "must be a whole number, not `soon`."),
        ({"freeze_after": False}, "freeze_after", "must be a whole number, not false."),
        ({"freze_after": 60}, "freze_after", "did you mean `freeze_after`?"),
        ({"quiet_after": 0}, "quiet_after", "0 is not accepted"),
        ({"quiet_step": "delete"}, "quiet_step", "use one of: freeze, hibernate, stop"),
        ({"quiet_hours": ["25:00-26:00"]}, "quiet_hours[0]", "hours such as `22:00-06:00`"),
        ({"quiet_hours": ["06:00-06:00"]}, "quiet_hours", "no hours of a day"),
        ({"quiet_hours": ["always"]}, "quiet_hours[0]", "hours such as `22:00-06:00`"),
    ],
)
def test_a_bad_ladder_is_refused_by_field(fields: dict[str, Any], where: str, said: str) -> None:
    with pytest.raises(ValidationError) as error:
        Ladder.model_validate(fields)
    complaint = explain(error.value, Ladder)[0]
    assert complaint.field == where
    assert said in complaint.message


def test_a_time_zone_must_exist() -> None:
    with pytest.raises(ValidationError, match="no time zone"):
        SleepRules(timezone="Atlantis/Capital")


def test_each_layer_wins_over_the_more_general_and_says_so() -> None:
    rules = SleepRules(
        default=Ladder(freeze_after=100, stop_after=1000),
        groups={"a": Ladder(freeze_after=300), "b": Ladder(freeze_after=200), "c": Ladder(max_duration=NEVER)},
        users={"ann": Ladder(delete_after=5000)},
        override=Ladder(max_duration=7000),
    )
    found = resolve(rules, Ladder(freeze_after=150, hibernate_after=400), Who("ann", ["b", "a", "c", "d"]))
    assert found.ladder.model_dump(exclude={"quiet_hours", "quiet_after", "quiet_step"}) == {
        "freeze_after": 300,
        "hibernate_after": 400,
        "stop_after": 1000,
        "delete_after": 5000,
        "max_duration": 7000,
    }
    assert found.sources["freeze_after"] == Source("group", "a")
    assert found.sources["hibernate_after"].by == "app"
    assert found.sources["stop_after"].by == "hub"
    assert found.sources["delete_after"].by == "user"
    assert found.sources["max_duration"].by == "override"
    assert found.sources["quiet_step"].by == "built-in"


@pytest.mark.parametrize(
    ("longest", "wanted", "gets", "refused"),
    [
        (None, 60, 60, False),
        (None, 601, 600, True),
        (None, NEVER, 600, True),
        (900, 900, 900, False),
        (900, NEVER, 900, True),
        (NEVER, NEVER, NEVER, False),
        (300, 500, 500, False),  # what everybody has anyway may be chosen
    ],
)
def test_a_user_may_shorten_and_within_limits_extend(
    longest: int | None, wanted: int, gets: int, refused: bool
) -> None:
    rules = SleepRules(default=Ladder(freeze_after=600), longest=Ladder(freeze_after=longest))
    choice = SleepChoice(freeze_after=wanted)
    found = resolve(rules, Ladder(), Who("ann"), choice=choice)
    assert found.ladder.freeze_after == gets
    assert found.sources["freeze_after"].by == "own choice"
    said = refusal_of(choice, found)
    assert (said is not None) == refused
    if said is not None:
        assert said[0] == "freeze_after"
        assert f"at most {found.bounds['freeze_after']} seconds" in said[1]


def test_an_override_leaves_no_choice() -> None:
    rules = SleepRules(override=Ladder(stop_after=600))
    choice = SleepChoice(stop_after=60)
    found = resolve(rules, Ladder(), Who("ann"), choice=choice)
    assert (found.ladder.stop_after, found.sources["stop_after"].by) == (600, "override")


TIME = st.one_of(st.just(NEVER), st.integers(30, 10_000))
MAYBE = st.one_of(st.none(), TIME)
LADDER = st.builds(Ladder, freeze_after=MAYBE, hibernate_after=MAYBE, stop_after=MAYBE)
CHOICE = st.builds(SleepChoice, freeze_after=MAYBE, hibernate_after=MAYBE, stop_after=MAYBE)


@given(LADDER, LADDER, LADDER, LADDER, CHOICE)
def test_no_choice_goes_beyond_its_bound(
    default: Ladder, app: Ladder, longest: Ladder, override: Ladder, choice: SleepChoice
) -> None:
    rules = SleepRules(default=default, longest=longest, override=override)
    found = resolve(rules, app, Who("ann"), choice=choice)
    without = resolve(rules, app, Who("ann"))
    assert all(getattr(found.ladder, name) is not None for name in Ladder.model_fields)
    for name in OWN:
        value, bound = getattr(found.ladder, name), found.bounds[name]
        assert longer(value, bound) == bound
        if getattr(choice, name) is None or getattr(override, name) is not None:
            assert value == getattr(without.ladder, name)
    assert BUILT_IN.freeze_after == NEVER
