"""When it is told that a budget is running out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace_hub.model.alerts import THRESHOLDS, Crossing, Threshold, crossing, reached


@pytest.mark.parametrize(
    ("before", "used", "expected"),
    [
        (None, 0, Crossing(None, [])),
        (None, 79.99, Crossing(None, [])),
        (None, 80, Crossing(80, [80])),
        (80, 99, Crossing(80, [])),
        (80, 100, Crossing(100, [100])),
        (None, 130, Crossing(100, [80, 100])),
        (100, 250, Crossing(100, [])),
        (100, 90, Crossing(80, [])),
        (100, 10, Crossing(None, [])),
    ],
)
def test_each_threshold_is_told_when_it_is_crossed_upwards(
    before: Threshold | None, used: float, expected: Crossing
) -> None:
    assert crossing(before, used, 100) == expected


@given(st.floats(0.01, 1e6), st.lists(st.floats(0, 2), max_size=30))
def test_between_two_alerts_of_a_threshold_the_use_was_below_it(amount: float, shares: list[float]) -> None:
    before: Threshold | None = None
    armed = dict.fromkeys(THRESHOLDS, True)
    for share in shares:
        used = share * amount
        change = crossing(before, used, amount)
        before = change.reached
        assert change.reached == reached(used, amount)
        for threshold in THRESHOLDS:
            over = used * 100 >= threshold * amount
            assert (threshold in change.told) == (over and armed[threshold])
            armed[threshold] = not over
