"""The bench's comparison shows a loss as plainly as a win."""

from __future__ import annotations

from tests.bench.report import Figure
from tests.bench.streaming.comparison import comparison

OURS = ["ours"]


def latency(variant: str, *samples: float, **conditions: str) -> Figure:
    return Figure("click to photon", variant, "ms", samples=samples, conditions=conditions or {"content": "static"})


def test_a_win_is_a_ratio_below_one() -> None:
    line = comparison([latency("ours", 8, 10), latency("theirs", 16, 20)], OURS)
    assert line == "click to photon (ms) | content=static | ours 8.0 / 10.0 | theirs 16.0 / 20.0 | 0.50 / 0.50"


def test_a_loss_is_marked() -> None:
    assert comparison([latency("ours", 20, 30), latency("theirs", 10, 40)], OURS).endswith("2.00 / 0.75  <- behind")


def test_the_best_peer_counts() -> None:
    line = comparison([latency("ours", 8, 9), latency("slow", 30, 40), latency("quick", 4, 5)], OURS)
    assert "quick 4.0 / 5.0" in line
    assert "slow" not in line


def test_more_frames_are_better() -> None:
    figures = [Figure("delivered frames", name, "fps", value=fps) for name, fps in (("ours", 50), ("a", 40), ("b", 60))]
    assert comparison(figures, OURS).endswith("ours 50.0 | b 60.0 | 0.83  <- behind")


def test_only_the_same_conditions_are_compared() -> None:
    assert comparison([latency("ours", 8, 9, content="static"), latency("theirs", 8, 9, content="motion")], OURS) == ""


def test_what_was_found_is_no_condition() -> None:
    figures = [
        Figure("server side CPU", name, "%", value=1, conditions={"content": "static", "parts": name})
        for name in ("ours", "theirs")
    ]
    assert comparison(figures, OURS).endswith("1.00")
