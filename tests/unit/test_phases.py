"""What a viewer's page is told of the phases of its frames."""

from __future__ import annotations

from streamspace_proxy.streamer.frames import Timings
from streamspace_proxy.streamer.phases import WINDOW, Phases


def test_nothing_is_said_of_what_was_not_measured() -> None:
    phases = Phases()
    assert phases.spreads() == {}
    phases.frame(Timings(grab=None, convert=None, encode=0.004, done=1.0))
    assert phases.spreads() == {"encode": {"p50": 4.0, "p95": 4.0}}


def test_median_and_95th_percentile_of_the_last_frames_in_milliseconds() -> None:
    phases = Phases()
    for number in range(500):
        phases.queued(9.0)
        phases.frame(Timings(grab=9.0, convert=9.0, encode=9.0, done=number))
    for number in range(1, WINDOW + 1):
        phases.frame(Timings(grab=number / 1000, convert=0.001, encode=0.002, done=0.0))
        phases.queued(number / 10_000)
    spreads = phases.spreads()
    assert spreads["capture"] == {"p50": 60.0, "p95": 114.0}
    assert spreads["convert"] == {"p50": 1.0, "p95": 1.0}
    assert spreads["queue"] == {"p50": 6.0, "p95": 11.4}
