"""Limits of hours and money in a rolling window."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace_hub.model.app import Resources
from streamspace_hub.model.hours import DAY, HOUR
from streamspace_hub.model.prices import GIB, Prices, Used
from streamspace_hub.model.quota import Quotas, Running
from streamspace_hub.model.rolling import (
    Entry,
    Grant,
    budgets_together,
    grants_of,
    has_budgets,
    longest_window,
    refusal,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC).timestamp()
QUOTAS = Quotas.model_validate(
    {
        "default": {"session_hours": {"hours": 2, "days": 1}},
        "groups": {
            "lab": {"session_hours": {"hours": 21, "days": 7}, "gpu_hours": {"hours": 1, "days": 7}},
            "staff": {"session_hours": {"hours": 100, "days": 30}, "budget": {"amount": 40, "days": 30}},
        },
        "users": {"ann": {"session_hours": {"hours": 1, "days": 1}, "budget": {"amount": 5, "days": 1}}},
        "together": {"staff": {"budget": {"amount": 300, "days": 60}}},
    }
)


def running(title: str = "GIMP", **resources: Any) -> Running:
    return Running(title, Resources(**resources))


@pytest.mark.parametrize(
    ("user", "groups", "kind", "amount", "days", "origin"),
    [
        ("eve", (), "session_hours", 2, 1, ("hub", None)),
        ("eve", ("lab",), "session_hours", 21, 7, ("group", "lab")),
        ("eve", ("lab", "staff"), "session_hours", 100, 30, ("group", "staff")),
        ("ann", ("staff",), "session_hours", 1, 1, ("user", None)),
        ("eve", ("lab", "staff"), "budget", 40, 30, ("group", "staff")),
        ("ann", ("staff",), "budget", 5, 1, ("user", None)),
    ],
)
def test_the_nearest_limit_counts(  # noqa: PLR0917 - a row of the table
    user: str, groups: tuple[str, ...], kind: str, amount: float, days: int, origin: tuple[str, str | None]
) -> None:
    (grant,) = [one for one in grants_of(QUOTAS, user, groups) if one.kind == kind]
    assert (grant.amount, grant.days, (grant.source, grant.group), grant.together) == (amount, days, origin, False)


def test_a_group_has_a_budget_for_all_its_members_together() -> None:
    assert budgets_together(QUOTAS, ("lab", "staff")) == [Grant("budget", 300, 60, "group", "staff", together=True)]


def test_hours_that_are_used_up_say_so_and_when_some_are_free_again() -> None:
    (grant,) = grants_of(QUOTAS, "eve", ())
    two_hours = [Entry(NOW - 3 * HOUR, NOW - HOUR, 0)]
    assert refusal(grant, [], running(), NOW) is None
    assert refusal(grant, two_hours, running("GIMP"), NOW) == (
        "GIMP cannot start: the quota of this hub is 2 session-hours in a day, used: 2.0. "
        "Some are free again on 2026-11-25 09:01 UTC, if no session runs until then."
    )
    assert refusal(grant, two_hours, running(), NOW + 22 * HOUR) is None, "the window rolls"


def test_hours_of_gpus_bind_apps_with_a_gpu_and_count_each() -> None:
    grant = next(one for one in grants_of(QUOTAS, "eve", ("lab",)) if one.kind == "gpu_hours")
    used = [Entry(NOW - 3600, NOW - 1800, 2), Entry(NOW - 7200, NOW - 3600, 0)]
    assert refusal(grant, used, running("GIMP"), NOW) is None
    said = refusal(grant, used, running("Blender", gpu={"count": 1}), NOW)
    assert said is not None
    assert "the quota of group lab is 1 GPU-hours in 7 days, used: 1.0." in said


@pytest.mark.parametrize(
    ("grant", "said"),
    [
        (
            Grant("budget", 5, 1, "user"),
            "GIMP cannot start: your own budget is 5.00 EUR in a day, used: 6.00 EUR. "
            "Some is free again on 2026-11-25 09:21 UTC, if no session runs until then.",
        ),
        (
            Grant("budget", 5, 1, "group", "staff", together=True),
            "GIMP cannot start: the budget of group staff for all its members together is 5.00 EUR in a day, used: "
            "6.00 EUR. Some is free again on 2026-11-25 09:21 UTC, if no session of the group runs until then.",
        ),
    ],
)
def test_a_budget_that_is_used_up_says_so_and_when_some_is_free_again(grant: Grant, said: str) -> None:
    # Three an hour, from nine to eleven: of the six, one has left the window at twenty past nine.
    used = [Entry(NOW - 3 * HOUR, NOW - HOUR, 0, rate=3)]
    assert refusal(grant, used, running(), NOW, "EUR") == said
    assert refusal(grant, used[:0], running(), NOW, "EUR") is None


prices = st.builds(
    Prices,
    session_hour=st.floats(0, 10),
    core_hour=st.floats(0, 10),
    gib_hour=st.floats(0, 10),
    gpu_hour=st.floats(0, 10),
)


@given(prices, st.floats(0, 64), st.floats(0, 64), st.integers(0, 8), st.integers(1, 30 * DAY))
def test_a_budget_and_the_report_of_usage_count_the_same(
    prices: Prices, cores: float, gib: float, gpus: int, seconds: int
) -> None:
    entry = Entry(NOW - seconds, NOW, gpus, prices.rate(cores, gib * GIB, gpus))
    cost = prices.cost(Used(seconds, seconds * cores, seconds * gib, seconds * gpus))
    assert Grant("budget", 1, 30, "hub").used([entry], NOW) == pytest.approx(cost, abs=1e-3)


def test_the_longest_window_is_what_has_to_be_known() -> None:
    assert (longest_window(QUOTAS), has_budgets(QUOTAS)) == (60, True)
    assert (longest_window(Quotas()), has_budgets(Quotas())) == (0, False)
