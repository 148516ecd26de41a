"""The token bucket, against what it promises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamspace_hub.service.rates import RateLimit


def test_a_burst_then_waiting_then_going_on() -> None:
    limit = RateLimit(per_minute=60)
    assert [limit.take("a", 0.0) for _ in range(60)] == [0.0] * 60
    wait = limit.take("a", 0.0)
    assert wait == 1.0
    assert limit.take("b", 0.0) == 0.0, "others are not affected"
    assert limit.take("a", wait) == 0.0


@given(st.lists(st.floats(min_value=0, max_value=20), max_size=200), st.integers(min_value=1, max_value=30))
def test_never_more_than_promised(pauses: list[float], per_minute: int) -> None:
    limit, now, taken = RateLimit(per_minute), 0.0, 0
    for pause in pauses:
        now += pause
        taken += limit.take("a", now) == 0.0
    assert taken <= per_minute + now * per_minute / 60 + 1e-6


@given(st.integers(min_value=1, max_value=100), st.floats(min_value=0, max_value=1e6))
def test_who_waits_as_long_as_told_is_served(per_minute: int, start: float) -> None:
    limit = RateLimit(per_minute)
    while not (wait := limit.take("a", start)):
        pass
    assert limit.take("a", start + wait + 1e-6) == 0.0


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(min_value=0, max_value=20)), max_size=200),
    st.integers(min_value=4, max_value=40),
)
def test_four_replicas_let_no_more_through_than_one(asked: list[tuple[int, float]], per_minute: int) -> None:
    limits = [RateLimit(per_minute, lambda: 4) for _ in range(4)]
    now, taken = 0.0, 0
    for which, pause in asked:
        now += pause
        taken += limits[which].take("a", now) == 0.0
    assert taken <= per_minute + now * per_minute / 60 + 1e-6


def test_another_replica_is_noticed_at_once_and_one_less_too() -> None:
    replicas = 1
    limit = RateLimit(60, lambda: replicas)
    assert limit.take("a", 0.0) == 0.0
    replicas = 2
    assert [limit.take("a", 0.0) for _ in range(31)].count(0.0) == 30
    assert limit.take("a", 0.0) == 2.0, "half as fast"
    replicas = 1
    assert limit.take("a", 60.0) == 0.0
    assert [limit.take("a", 60.0) for _ in range(60)].count(0.0) == 59


def test_a_limit_below_the_number_of_replicas_still_lets_one_through() -> None:
    limit = RateLimit(1, lambda: 3)
    assert limit.take("a", 0.0) == 0.0
    assert limit.take("a", 0.0) == 180.0
    assert limit.take("a", 180.0) == 0.0


def test_memory_is_bounded() -> None:
    limit = RateLimit(per_minute=1, remember=10)
    for number in range(100):
        limit.take(str(number), 0.0)
    assert len(limit._buckets) == 10
