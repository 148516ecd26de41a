"""The activity clock: what counts as use of a session, and for how long work by itself does."""

from __future__ import annotations

import itertools
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st
from streamspace_proxy.streamer.activity import ActivityClock

LIMIT = 1000.0


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


def clock() -> tuple[Time, ActivityClock]:
    time = Time()
    return time, ActivityClock(LIMIT, time)


def test_a_session_without_input_counts_from_its_start() -> None:
    time, activity = clock()
    time.now += 60
    assert activity.idle == 60
    assert activity.as_json()["last_input"] is None
    assert activity.as_json()["last_activity"] == activity.as_json()["started"]


def test_input_starts_it_again() -> None:
    time, activity = clock()
    time.now += 60
    activity.touch()
    time.now += 5
    assert activity.idle == 5
    seen = activity.as_json()
    assert seen["last_input"] == seen["last_activity"]
    assert datetime.fromisoformat(seen["last_input"]) > datetime.fromisoformat(seen["started"])


def test_work_counts_while_it_is_seen() -> None:
    time, activity = clock()
    time.now += 60
    activity.work("rendering")
    assert (activity.idle, activity.busy) == (0, "rendering")
    time.now += 10
    activity.work(None)
    assert (activity.idle, activity.busy) == (10, None)


def test_work_counts_for_a_while_after_the_last_input_only() -> None:
    time, activity = clock()
    for _ in range(30):
        time.now += 100
        activity.work("rendering")
    assert activity.idle == 3000 - LIMIT
    assert activity.busy is None
    activity.touch()
    activity.work("rendering")
    assert activity.busy == "rendering"


def test_a_job_that_says_so_is_believed_for_as_long_as_it_said() -> None:
    time, activity = clock()
    activity.hold(100, "a job")
    time.now += 99
    assert (activity.idle, activity.busy) == (0, "a job")
    time.now += 51
    assert (activity.idle, activity.busy) == (50, None)


def test_a_job_can_end_early_and_has_been_at_work_until_then() -> None:
    time, activity = clock()
    activity.hold(100, "a job")
    time.now += 40
    activity.hold(0, "a job")
    time.now += 10
    assert (activity.idle, activity.busy, activity.as_json()["held_until"]) == (10, None, None)


def test_nobody_can_promise_more_than_the_limit() -> None:
    time, activity = clock()
    activity.hold(10 * LIMIT, "a job")
    held, started = (datetime.fromisoformat(activity.as_json()[name]) for name in ("held_until", "started"))
    assert (held - started).total_seconds() == LIMIT
    time.now += 3 * LIMIT
    assert activity.idle == 2 * LIMIT


def test_the_same_moment_reads_the_same_each_time() -> None:
    activity = ActivityClock(LIMIT)
    assert len({activity.as_json()["last_activity"] for _ in range(100)}) == 1


ACTS = st.one_of(
    st.tuples(st.just("touch"), st.just(0.0)),
    st.tuples(st.just("work"), st.just(0.0)),
    st.tuples(st.just("rest"), st.just(0.0)),
    st.tuples(st.just("hold"), st.floats(0, 3 * LIMIT)),
    st.tuples(st.just("wait"), st.floats(0, 2 * LIMIT)),
)


@given(st.lists(ACTS, max_size=40))
def test_it_never_lies_ahead_never_goes_back_and_keeps_the_limit(acts: list[tuple[str, float]]) -> None:
    time, activity = clock()
    started = last_input = before = time.now
    for act, amount in acts:
        match act:
            case "touch":
                activity.touch()
                last_input = time.now
            case "work":
                activity.work("work")
            case "rest":
                activity.work(None)
            case "hold":
                activity.hold(amount, "job")
            case "wait":
                time.now += amount
        assert started <= activity.last <= time.now
        assert activity.last >= before
        assert last_input <= activity.last <= last_input + LIMIT
        assert activity.busy is None or time.now <= last_input + LIMIT
        before = activity.last


def test_a_session_that_is_held_was_not_active_in_the_future() -> None:
    ticks = itertools.count()
    clock = ActivityClock(3600, lambda: float(next(ticks)))
    clock.hold(600, "at work")
    assert clock.idle >= 0
