"""Who has the floor, and which packets follow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from streamspace_proxy.streamer.microphone import FLOOR_SECONDS, Floor


def test_the_first_to_speak_keeps_the_floor_until_a_second_of_silence() -> None:
    floor = Floor()
    assert floor.claim("ada", 10.0)
    assert not floor.claim("bob", 10.9)
    assert floor.claim("ada", 10.95)
    assert not floor.claim("bob", 11.9)
    assert floor.claim("bob", 11.96)
    assert not floor.claim("ada", 12.0)


def test_who_leaves_gives_up_the_floor_at_once() -> None:
    floor = Floor()
    assert floor.claim("ada", 10.0)
    floor.leave("bob")
    assert not floor.claim("bob", 10.1)
    floor.leave("ada")
    assert floor.claim("bob", 10.1)


def test_packets_go_forward_only_and_numbers_wrap() -> None:
    floor = Floor()
    floor.claim("ada", 0)
    assert [floor.follows(number) for number in (65_534, 65_535, 65_535, 0, 3, 2, 65_535)] == [
        True, True, False, True, True, False, False,
    ]  # fmt: skip
    floor.claim("bob", 5)
    assert floor.follows(7), "another speaker counts for himself"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 3)), max_size=40))
def test_two_are_never_heard_within_a_second(claims: list[tuple[str, float]]) -> None:
    floor, now = Floor(), 0.0
    heard: list[tuple[str, float]] = []
    for speaker, pause in claims:
        now += pause
        if floor.claim(speaker, now):
            if heard and heard[-1][0] != speaker:
                assert now - heard[-1][1] >= FLOOR_SECONDS
            heard.append((speaker, now))
        else:
            assert heard[-1][0] != speaker
