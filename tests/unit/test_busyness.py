"""What makes a session busy, given two looks at its processes."""

from __future__ import annotations

import pytest
from streamspace_proxy.streamer.busyness import Usage, reason

from streamspace_hub.model import Policy


@pytest.mark.parametrize(
    ("seconds", "cpu", "policy", "busy"),
    [
        (10, 6.0, Policy(), "its programs use 0.6 cores"),
        (10, 5.0, Policy(), "its programs use 0.5 cores"),
        (10, 4.0, Policy(), None),
        (10, 4.0, Policy(busy_cpu=0.3), "its programs use 0.4 cores"),
        (10, 90.0, Policy(busy_cpu=0), None),
        (0, 6.0, Policy(), None),
        (10, 0.0, Policy(busy_processes=("blender", "make")), "make is running"),
        (10, 0.0, Policy(busy_processes=("mak",)), None),
    ],
)
def test_what_makes_a_session_busy(seconds: float, cpu: float, policy: Policy, busy: str | None) -> None:
    before, now = Usage(100, 50, frozenset()), Usage(100 + seconds, 50 + cpu, frozenset({"sh", "make"}))
    assert reason(before, now, policy) == busy


@pytest.mark.parametrize(
    ("gpu", "policy", "busy"),
    [
        (6.0, Policy(), "its programs use 0.6 engines of a GPU"),
        (4.0, Policy(), None),
        (4.0, Policy(busy_gpu=0.4), "its programs use 0.4 engines of a GPU"),
        (90.0, Policy(busy_gpu=0), None),
        (-5.0, Policy(), None),  # one of them has ended
    ],
)
def test_what_gpus_do_makes_a_session_busy(gpu: float, policy: Policy, busy: str | None) -> None:
    before, now = Usage(100, 50, frozenset(), 20), Usage(110, 50, frozenset(), 20 + gpu)
    assert reason(before, now, policy) == busy


def test_the_first_look_knows_no_load_but_sees_programs() -> None:
    now = Usage(100, 50, frozenset({"make"}))
    assert reason(None, now, Policy()) is None
    assert reason(None, now, Policy(busy_processes=("make",))) == "make is running"
