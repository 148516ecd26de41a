"""Hours in a rolling window: what is used, and when some of it is free again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace_hub.model.hours import DAY, HOUR, Span, free_at, used_seconds

NOW = 1_800_000_000.0


def ago(begun: float, ended: float | None, weight: float = 1) -> Span:
    """Return a span by hours before now."""
    return Span(NOW - begun * HOUR, None if ended is None else NOW - ended * HOUR, weight)


@pytest.mark.parametrize(
    ("spans", "hours"),
    [
        ([], 0),
        ([ago(5, 3)], 2),
        ([ago(5, None)], 5),
        ([ago(30, 20)], 4),
        ([ago(50, 30)], 0),
        ([ago(5, 3), ago(4, 2)], 4),
        ([ago(5, 3, weight=2)], 4),
        ([ago(-1, None)], 0),
    ],
)
def test_what_lies_in_the_window_counts(spans: list[Span], hours: float) -> None:
    assert used_seconds(spans, 1, NOW) == hours * HOUR


@pytest.mark.parametrize(
    ("spans", "in_hours"),
    [
        ([ago(5, 4)], None),
        ([ago(5, 3)], 19),
        ([ago(6, 3)], 19),
        ([ago(5, 3), ago(5, 3)], 20),
        ([ago(5, 4), ago(3, 2)], 19),
        ([ago(4, 2, weight=2)], 21),
    ],
)
def test_it_is_free_again_when_enough_has_left_the_window(spans: list[Span], in_hours: float | None) -> None:
    found = free_at(spans, 2, 1, NOW)
    assert found == (None if in_hours is None else pytest.approx(NOW + in_hours * HOUR))


span = st.builds(
    lambda begun, length, weight: ago(begun, max(0, begun - length), weight),
    st.integers(1, 60),
    st.integers(1, 5),
    st.integers(1, 3),
)


@given(st.lists(span, min_size=1, max_size=8), st.integers(1, 20))
def test_from_then_on_less_is_used_and_before_it_was_not(spans: list[Span], hours: int) -> None:
    at = free_at(spans, hours, 1, NOW)
    if at is None:
        assert used_seconds(spans, 1, NOW) < hours * HOUR
        return
    assert NOW <= at <= NOW + DAY
    assert used_seconds(spans, 1, at + 1) < hours * HOUR
    assert used_seconds(spans, 1, max(NOW, at - 1)) >= hours * HOUR - 1
