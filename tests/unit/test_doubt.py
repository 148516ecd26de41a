"""Who has not said that a picture came gets it again: when, and when no more."""

from __future__ import annotations

import itertools

import pytest
from streamspace_proxy.streamer.doubt import FIRST_SECONDS, MOST_SECONDS, Doubt


def test_who_says_that_it_came_gets_nothing_again() -> None:
    doubt = Doubt()
    doubt.sent(10.0)
    again, seconds = doubt.look(False, 10.5)
    assert not again, "its report is still under way"
    assert seconds == pytest.approx(FIRST_SECONDS - 0.5)
    assert doubt.look(True, 10.0 + FIRST_SECONDS) == (False, None)


def test_a_flow_of_pictures_says_by_itself_what_is_missing() -> None:
    doubt = Doubt()
    for step in range(600):
        doubt.sent(step / 60)
        assert not doubt.look(False, step / 60)[0]


def test_who_says_nothing_gets_it_again_ever_more_seldom() -> None:
    doubt, now, made = Doubt(), 100.0, []
    doubt.sent(now)
    while now < 160:
        again, seconds = doubt.look(False, now)
        if again:
            made.append(now - 100)
            doubt.sent(now)
        assert seconds is not None
        now += seconds
    gaps = [later - earlier for earlier, later in itertools.pairwise(made)]
    assert made[0] == FIRST_SECONDS
    assert gaps == [3.0, 6.0, *[MOST_SECONDS] * (len(gaps) - 2)]


def test_the_next_picture_is_not_waited_for_longer_because_one_before_was_lost() -> None:
    doubt = Doubt()
    doubt.sent(0.0)
    assert doubt.look(False, FIRST_SECONDS)[0]
    doubt.sent(2.0)
    assert doubt.look(True, 20.0) == (False, None)
    doubt.sent(30.0)
    assert doubt.look(False, 30.0 + FIRST_SECONDS)[0]
