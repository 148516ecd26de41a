"""The line of those who wait for room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace_hub.model import Resources
from streamspace_hub.model.quota import Running
from streamspace_hub.model.waiting import (
    KEEP,
    POSITION,
    WAIT,
    Capacity,
    Line,
    Place,
    headers_of,
    place_in,
    sentence,
)

ANN, BOB, EVE = ("ann", "gimp"), ("bob", "gimp"), ("eve", "gimp")


def test_with_room_and_nobody_waiting_nobody_waits() -> None:
    assert Line().ask(ANN, fits=True, now=0) is None


def test_places_are_in_the_order_of_coming_and_nobody_overtakes() -> None:
    line = Line()
    assert line.ask(ANN, fits=False, now=0) == Place(1, None)
    assert line.ask(BOB, fits=False, now=1) == Place(2, None)
    assert line.ask(EVE, fits=True, now=2) == Place(3, None), "a small app does not pass by"
    assert line.ask(BOB, fits=True, now=3) == Place(2, None)
    assert line.ask(ANN, fits=True, now=4) is None
    assert line.ask(BOB, fits=True, now=5) is None


def test_who_gives_up_loses_the_place_and_who_asks_keeps_it() -> None:
    line = Line()
    line.ask(ANN, fits=False, now=0)
    line.ask(BOB, fits=False, now=1)
    assert line.ask(BOB, fits=False, now=KEEP - 1) == Place(2, None)
    assert line.ask(BOB, fits=True, now=KEEP + 1) is None


def test_the_wait_is_estimated_from_who_was_let_in_lately() -> None:
    line = Line()
    for number in range(3):
        who = (f"user-{number}", "gimp")
        line.ask(who, fits=False, now=100.0 * number)
        assert line.ask(who, fits=True, now=100.0 * number + 1) is None
    place = line.ask(ANN, fits=False, now=300)
    assert place == Place(1, 100.0)
    assert "You are number 1 in the queue, for about 2 min as it goes now." in sentence("GIMP", place)


def test_who_waits_for_a_quota_is_told_which() -> None:
    assert sentence("GIMP", Place(2, None), "Your own quota is 1 session.") == (
        "Your own quota is 1 session. You are number 2 in the queue. Ask again: your place is kept for 60 seconds each "
        "time."
    )


def test_it_is_told_how_long_was_waited_and_who_has_given_up() -> None:
    waited, given_up = list[float](), list[str]()
    line = Line(waited.append, lambda: given_up.append("one"))
    assert line.ask(EVE, fits=True, now=0) is None
    line.ask(ANN, fits=False, now=10)
    line.ask(BOB, fits=False, now=20)
    assert line.waiting(30) == [20, 10]
    line.ask(ANN, fits=False, now=60)
    line.ask(EVE, fits=False, now=70)
    assert line.waiting(90) == [80, 20], "bob has not asked for long"
    assert line.ask(ANN, fits=True, now=95) is None
    assert (waited, given_up) == ([85], ["one"]), "eve found room at once, the first time"


def test_who_does_not_wait_sees_that_others_do() -> None:
    line = Line()
    line.ask(ANN, fits=False, now=0)
    assert (line.others(BOB, 1), line.others(ANN, 1), line.others(BOB, KEEP + 1)) == (1, 0, 0)


@given(st.lists(st.tuples(st.sampled_from([ANN, BOB, EVE]), st.booleans()), max_size=40))
def test_nobody_is_let_in_before_one_who_came_earlier_and_still_asks(asks: list[tuple[tuple[str, str], bool]]) -> None:
    line, waiting = Line(), list[tuple[str, str]]()
    for now, (who, fits) in enumerate(asks):
        place = line.ask(who, fits=fits, now=now)
        if place is None:
            assert fits
            assert waiting in ([], [who]) or waiting[0] == who
            waiting = [one for one in waiting if one != who]
        else:
            if who not in waiting:
                waiting.append(who)
            assert place.number == waiting.index(who) + 1


@pytest.mark.parametrize(
    ("capacity", "fits"),
    [
        (Capacity(), True),
        (Capacity(sessions=2), True),
        (Capacity(sessions=1), False),
        (Capacity(cpu=4), True),
        (Capacity(cpu=3), False),
        (Capacity(memory="4G"), True),
        (Capacity(memory="3G"), False),
        (Capacity(gpus=2), True),
        (Capacity(gpus=1), False),
    ],
)
def test_what_there_is_room_for(capacity: Capacity, *, fits: bool) -> None:
    needs = Resources(cpu_limit=2, mem_limit="2G", gpu={"count": 1})
    assert capacity.fits([Running("GIMP", needs)], needs) is fits
    assert capacity.ever_fits(needs)


@pytest.mark.parametrize("place", [Place(1, None), Place(12, 90.0)])
def test_programs_are_told_the_place_too(place: Place) -> None:
    assert place_in(headers_of(place)) == place


@pytest.mark.parametrize("headers", [{}, {POSITION: "0"}, {POSITION: "first"}, {POSITION: "-1", WAIT: "3"}])
def test_headers_that_tell_no_place_are_none(headers: dict[str, str]) -> None:
    assert place_in(headers) is None
