"""How many frames may be under way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from streamspace_proxy.streamer.window import LEAST_FRAMES, MOST_FRAMES, Arrival, Window


def allowed(delay: float, rate: float, seconds: float = 20.0, held: float = 0.0) -> int:
    """What a viewer may hold who takes `delay` for a frame, `held` of it itself, `rate` in a second."""
    window, frames = Window(), LEAST_FRAMES
    for number in range(int(seconds * rate)):
        frames = window.acknowledged(Arrival(delay, 0, frames == 1 or number == 0), held, False, number / rate, 60)
    return frames


def test_a_long_way_has_room_for_as_many_as_are_under_way_and_one_more() -> None:
    assert allowed(0.003, 60) == 2
    assert allowed(0.042, 60) == 4
    assert allowed(0.3, 60) == 8


def test_a_slow_viewer_gets_no_queue() -> None:
    assert allowed(0.4, 2.5, held=0.398) == 2
    assert allowed(0.4, 2.5) == 3, "one that does not say that it is slow waits for one frame more"


def test_few_that_arrive_because_few_were_let_out_do_not_keep_it_small() -> None:
    # Two thirds of those that are wanted come while three may be under way: measured over 40 ms.
    assert allowed(0.047, 34) == 4


def test_a_frame_that_waited_for_others_says_nothing_of_the_way() -> None:
    window = Window()
    for number in range(600):
        assert window.acknowledged(Arrival(0.1, 0, False), 0, False, number / 60, 60) == LEAST_FRAMES


def test_another_network_is_noticed() -> None:
    window = Window()
    assert window.acknowledged(Arrival(0.003, 0, True), 0, False, 0, 60) == 2
    frames = [window.acknowledged(Arrival(0.06, 0, False), 0, False, number / 60, 60) for number in range(1, 330)]
    assert set(frames[:290]) == {2}
    assert frames[-1] == 1, "the next one is to travel alone"
    assert window.acknowledged(Arrival(0.06, 0, True), 0, False, 5.5, 60) == 5
    assert window.acknowledged(Arrival(0.003, 0, True), 0, False, 5.6, 60) == 2


def test_where_there_is_a_queue_it_is_not_made_longer() -> None:
    window = Window()
    for number in range(60):
        assert window.acknowledged(Arrival(0.1, 0, number == 0), 0, True, number / 60, 60) == LEAST_FRAMES
    assert window.acknowledged(Arrival(0.1, 0, False), 0, False, 1, 60) > LEAST_FRAMES


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans(), st.booleans(), st.floats(0, 1)), max_size=50))
def test_it_stays_within_bounds(samples: list[tuple[float, bool, bool, float]]) -> None:
    window, now = Window(), 0.0
    for delay, alone, crowded, step in samples:
        now += step
        assert 1 <= window.acknowledged(Arrival(delay, 0, alone), 0, crowded, now, 60) <= MOST_FRAMES
