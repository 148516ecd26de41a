"""What a line is seen to carry, against lines that are known."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamspace_proxy.streamer.line_rate import LineRate

from tests.support.ack_link import Link

WAY = 0.04


def seen(rate: float, late: list[float], interval: float, bits: int = 60_000) -> float:
    """What is known of a line after frames at an even rate whose acknowledgements come `late`, each by so much."""
    link, line, acknowledged = Link(rate, WAY), LineRate(), 0.0
    for number, more in enumerate(late):
        sent = number * interval
        acknowledged = max(acknowledged, link.send(bits, sent) + WAY / 2 + more)
        line.acknowledged(bits, acknowledged - sent, WAY, acknowledged)
    return line.at_least


@pytest.mark.parametrize("rate", [1e6, 2.5e6, 8e6])
@pytest.mark.parametrize("interval", [1 / 60, 1 / 10])
def test_an_undisturbed_line_is_known_exactly_filled_or_not(rate: float, interval: float) -> None:
    assert seen(rate, [0.0] * 40, interval) == pytest.approx(rate, rel=0.01)


@settings(max_examples=50, deadline=None)
@given(late=st.lists(st.floats(0, 0.03), min_size=30, max_size=60), rate=st.floats(1e6, 8e6))
def test_a_busy_viewer_makes_it_seem_to_carry_less_and_hardly_ever_more(late: list[float], rate: float) -> None:
    assert seen(rate, late, 1 / 20) < 1.1 * rate


def test_nothing_is_known_before_anything_came() -> None:
    assert LineRate().at_least == 0
