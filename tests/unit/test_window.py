"""How many frames may be under way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from streamspace_proxy.streamer.window import LEAST_FRAMES, MOST_FRAMES, Window


def allowed(delay: float, rate: float, seconds: float = 20.0) -> int:
    """What a viewer may hold who takes `delay` for a frame and acknowledges `rate` in a second."""
    window, frames = Window(), LEAST_FRAMES
    for number in range(int(seconds * rate)):
        frames = window.acknowledged(delay, frames == 1 or number == 0, False, number / rate)
    return frames


def test_a_long_way_has_room_for_as_many_as_are_under_way_and_one_more() -> None:
    assert allowed(0.003, 60) == 2
    assert allowed(0.042, 60) == 4
    assert allowed(0.3, 60) == 8


def test_a_slow_viewer_gets_no_queue() -> None:
    assert allowed(0.4, 2.5) == 2


def test_a_frame_that_waited_for_others_says_nothing_of_the_way() -> None:
    window = Window()
    for number in range(600):
        assert window.acknowledged(0.1, False, False, number / 60) == LEAST_FRAMES


def test_another_network_is_noticed() -> None:
    window = Window()
    assert window.acknowledged(0.003, True, False, 0) == 2
    frames = [window.acknowledged(0.06, False, False, number / 60) for number in range(1, 330)]
    assert set(frames[:290]) == {2}
    assert frames[-1] == 1, "the next one is to travel alone"
    assert window.acknowledged(0.06, True, False, 5.5) == 5
    assert window.acknowledged(0.003, True, False, 5.6) == 2


def test_where_there_is_a_queue_it_is_not_made_longer() -> None:
    window = Window()
    for number in range(60):
        assert window.acknowledged(0.1, number == 0, True, number / 60) == LEAST_FRAMES
    assert window.acknowledged(0.1, False, False, 1) > LEAST_FRAMES


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans(), st.booleans(), st.floats(0, 1)), max_size=50))
def test_it_stays_within_bounds(samples: list[tuple[float, bool, bool, float]]) -> None:
    window, now = Window(), 0.0
    for delay, alone, crowded, step in samples:
        now += step
        assert 1 <= window.acknowledged(delay, alone, crowded, now) <= MOST_FRAMES
