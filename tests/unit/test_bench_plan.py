"""What `make bench` runs."""

from __future__ import annotations

import pytest

from tests.bench.plan import ALONE, LONG, NAMES, STREAMING, steps
from tests.bench.streaming import FIGURES
from tests.bench.streaming.variant import chosen, variants


def test_every_variant_of_the_plan_exists_and_is_called_by_its_whole_name() -> None:
    known = set(variants())
    assert {name for cut in STREAMING for name in cut.variants} <= known


def test_every_streaming_figure_is_in_the_plan() -> None:
    assert {cut.figure for cut in STREAMING} == set(FIGURES)


def test_each_way_through_a_hub_has_the_direct_one_of_the_same_content_and_size() -> None:
    clicks = [
        (variant, kind, size)
        for cut in STREAMING
        if cut.figure == "latency"
        for variant in cut.variants
        for kind in cut.content
        for size in cut.sizes
    ]
    through = {(variant.replace("-hub", ""), kind, size) for variant, kind, size in clicks if "-hub" in variant}
    assert through
    assert through <= set(clicks)


def test_a_step_is_one_variant_and_quick_is_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUICK", raising=False)
    whole = steps(["streaming.latency"])
    assert all(len(step.variants) == 1 for step in whole)
    assert all(step.options is not None and step.options.clicks >= 60 for step in whole)
    monkeypatch.setenv("QUICK", "1")
    quick = steps(["streaming.latency"])
    assert [step.title for step in quick] == [step.title for step in whole]
    assert all(step.options is not None and len(step.options.sizes) == 1 for step in quick)


def test_every_name_has_steps_and_takes_time() -> None:
    for name in NAMES:
        assert sum(step.seconds for step in steps([name])) > 0
    assert not set(LONG) & set(ALONE)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("novnc", ["novnc"]),
        ("selkies", ["selkies-websocket", "selkies-webrtc", "selkies-hub-websocket", "selkies-hub-webrtc"]),
        ("jupyter-remote-desktop,novnc-hub", ["novnc-hub", "jupyter-remote-desktop"]),
    ],
)
def test_a_whole_name_is_that_variant_and_a_beginning_all_that_begin_so(given: str, found: list[str]) -> None:
    assert [variant.name for variant in chosen(given)] == found
