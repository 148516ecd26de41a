"""How often a viewer may send what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from streamspace_proxy.streamer.limits import RateLimit, TokenBucket


@given(st.lists(st.floats(0, 10), max_size=300), st.floats(0.1, 50), st.integers(1, 50))
def test_a_bucket_never_allows_more_than_burst_and_rate(times: list[float], rate: float, burst: int) -> None:
    bucket = TokenBucket(rate, burst)
    times.sort()
    allowed = [time for time in times if bucket.take(time)]
    for index, start in enumerate(allowed):
        for count, end in enumerate(allowed[index:], 1):
            assert count <= burst + (end - start) * rate + 1e-6


def test_a_mouse_at_a_thousand_hertz_passes_and_a_flood_does_not() -> None:
    limit = RateLimit()
    assert all(limit.message(step / 1000) for step in range(10_000))
    assert sum(limit.message(10 + step / 100_000) for step in range(100_000)) < 5000


def test_what_costs_the_session_is_allowed_less_often() -> None:
    limit = RateLimit()
    assert sum(limit.kind("restart_app", 0.0) for _ in range(100)) == 2
    assert all(limit.kind("key", 0.0) for _ in range(100))
    assert sum(limit.error(0.0) for _ in range(1000)) == 50
