"""The bench's comparison shows a loss as plainly as a win."""

from __future__ import annotations

from tests.bench.report import Figure
from tests.bench.streaming.comparison import comparison

OURS = "ours"


def rows(figures: list[Figure]) -> list[str]:
    return comparison(figures, OURS).splitlines()[1:]


def latency(variant: str, *samples: float, **conditions: str) -> Figure:
    return Figure("click to photon", variant, "ms", samples=samples, conditions=conditions or {"content": "static"})


def test_a_win_is_a_ratio_below_one() -> None:
    (line,) = rows([latency("ours", 8, 10), latency("theirs", 16, 20)])
    assert line == "click to photon (ms) | content=static | ours 8.0 / 10.0 |  | theirs 16.0 / 20.0 | 0.50 / 0.50"


def test_a_loss_is_marked() -> None:
    (line,) = rows([latency("ours", 20, 30), latency("theirs", 10, 40)])
    assert line.endswith("2.00 / 0.75  <- behind")


def test_the_best_peer_counts() -> None:
    (line,) = rows([latency("ours", 8, 9), latency("slow", 30, 40), latency("quick", 4, 5)])
    assert "quick 4.0 / 5.0" in line
    assert "slow" not in line


def test_through_a_hub_the_best_peer_through_a_hub_counts() -> None:
    given = (("ours-hub-webrtc", 20), ("novnc", 12), ("novnc-hub", 25), ("jupyter-hub", 30))
    line = rows([latency(name, took, took) for name, took in given])[0]
    assert line.endswith("novnc-hub 25.0 / 25.0 | 0.80 / 0.80")


def test_more_frames_are_better() -> None:
    figures = [Figure("delivered frames", name, "fps", value=fps) for name, fps in (("ours", 50), ("a", 40), ("b", 60))]
    assert rows(figures)[0].endswith("ours 50.0 |  | b 60.0 | 0.83  <- behind")


def test_only_the_same_conditions_are_compared() -> None:
    assert rows([latency("ours", 8, 9, content="static"), latency("theirs", 8, 9, content="motion")]) == []


def test_what_was_found_is_no_condition() -> None:
    figures = [
        Figure("server side CPU", name, "%", value=1, conditions={"content": "static", "parts": name})
        for name in ("ours", "theirs")
    ]
    assert rows(figures)[0].endswith("1.00")


def test_a_missed_aim_is_marked_even_without_a_peer() -> None:
    good, bad = ([latency("ours", 7, p95, content="static", size="1280x720")] for p95 in (11, 12))
    assert "aim 8.0 / 11.0 | no peer" in rows(good)[0]
    assert "aim 8.0 / 11.0 <- missed | no peer" in rows(bad)[0]


def test_more_frames_than_aimed_at_are_no_miss() -> None:
    conditions = {"content": "motion", "size": "1920x1080"}
    for fps, missed in ((60.0, False), (50.0, True)):
        (row,) = rows([Figure("delivered frames", "ours", "fps", value=fps, conditions=conditions)])
        assert ("missed" in row) == missed


def test_through_the_hub_the_difference_is_aimed_at_and_not_the_whole() -> None:
    conditions = {"content": "static", "size": "1280x720"}
    figures = [
        Figure("click to photon", name, "ms", samples=[p50, p95], conditions=conditions)
        for name, p50, p95 in (("ours-webrtc", 7, 10), ("ours-hub-webrtc", 10, 19))
    ]
    assert rows(figures) == [
        "click to photon (ms) | content=static, size=1280x720 | ours-webrtc 7.0 / 10.0 | aim 8.0 / 11.0 | no peer",
        "click to photon, more by the hub (ms) | content=static, size=1280x720 | ours-hub-webrtc 3.0 / 9.0 | "
        "aim 4.0 / 8.0 <- missed | no peer",
    ]


def test_the_streamers_memory_has_an_aim() -> None:
    for used, missed in ((150.0, False), (170.0, True)):
        (row,) = rows([Figure("streamer memory with one viewer", "ours", "MB", value=used)])
        assert ("missed" in row) == missed
