"""The table for the docs, out of the bench's JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench.machine import machine
from tests.bench.published import markdown, read
from tests.bench.report import Figure, write, write_record
from tests.bench.streaming.comparison import missed
from tests.bench.streaming.way import MORE_BY_THE_HUB
from tests.bench.targets import AIMS, MORE_IS_BETTER

CONDITIONS = {"content": "static", "size": "1280x720"}


def click(variant: str, p50: float, p95: float) -> Figure:
    return Figure("click to photon", variant, "ms", samples=[p50, p95], conditions=CONDITIONS)


def written(path: Path, *figures: Figure) -> None:
    write_record(machine(), path)
    write(figures, path)


def table(path: Path) -> list[str]:
    return markdown(read(path)).splitlines()


def test_a_row_has_aim_prototype_ours_and_peers_with_the_best_in_bold(tmp_path: Path) -> None:
    written(tmp_path / "b", click("novnc", 12, 14), click("streamspace-webrtc", 7, 10))
    head, _, row, *_ = table(tmp_path / "b")
    assert head == "| figure | aim | prototype | streamspace-webrtc | novnc |"
    asked = "click to photon (ms), content=static, size=1280x720"
    assert row == f"| {asked} | 8.0 / 11.0 | 7.8 / 10.8 | **7.0 / 10.0** | 12.0 / 14.0 |"


def test_what_misses_the_aim_is_marked_and_a_peer_never_is(tmp_path: Path) -> None:
    written(tmp_path / "b", click("streamspace-webrtc", 7, 12), click("novnc", 5, 14))
    assert table(tmp_path / "b")[2].endswith("| 7.0 / 12.0 † | **5.0 / 14.0** |")


def test_what_goes_through_a_hub_has_a_table_of_its_own(tmp_path: Path) -> None:
    through = (click("streamspace-hub-webrtc", 9, 12), click("novnc-hub", 15, 19))
    written(tmp_path / "b", click("streamspace-webrtc", 7, 10), click("novnc", 12, 14), *through)
    lines = table(tmp_path / "b")
    assert lines[2].endswith("| 7.8 / 10.8 | **7.0 / 10.0** | 12.0 / 14.0 |")
    assert lines[4] == "| figure | aim | prototype | streamspace-hub-webrtc | novnc-hub |"
    assert lines[6].endswith("|  |  | **9.0 / 12.0** | 15.0 / 19.0 |")


def test_the_last_result_counts_and_results_of_several_runs_are_named(tmp_path: Path) -> None:
    written(tmp_path / "b", click("streamspace-webrtc", 9, 12), click("novnc", 12, 14))
    written(tmp_path / "b", click("streamspace-webrtc", 7, 10))
    row = table(tmp_path / "b")[2]
    assert "(several runs) |" in row
    assert "7.0 / 10.0" in row
    assert "9.0" not in row


def test_what_the_hub_adds_is_a_row_with_its_own_aim(tmp_path: Path) -> None:
    written(
        tmp_path / "b",
        click("streamspace-webrtc", 7, 10), click("streamspace-hub-webrtc", 12, 17),
        click("jupyter-remote-desktop", 12, 14), click("jupyter-remote-desktop-hub", 32, 54),
    )  # fmt: skip
    rows = [line for line in table(tmp_path / "b") if "more by the hub" in line]
    assert len(rows) == 1
    assert "| 4.0 / 8.0 |" in rows[0]
    assert "**5.0 / 7.0** †" in rows[0]
    assert "20.0 / 40.0" in rows[0]


def test_what_no_other_program_does_has_a_table_of_its_own_with_its_aim(tmp_path: Path) -> None:
    slow = Figure("service: mixed requests", "streamspace", "1/s", value=150)
    quick = Figure("service: listing 1,000 sessions, all pages", "streamspace", "ms", samples=[29, 31])
    written(tmp_path / "b", slow, click("streamspace-webrtc", 7, 10), quick, click("novnc", 12, 14))
    lines = table(tmp_path / "b")
    assert [line for line in lines if line.startswith("| figure")] == [
        "| figure | aim | prototype | streamspace-webrtc | novnc |",
        "| figure | aim | prototype | streamspace |",
    ]
    assert "| service: mixed requests (1/s) | 200.0 |  | 150.0 † |" in lines
    assert "| service: listing 1,000 sessions, all pages (ms) | 100.0 / 100.0 |  | 29.0 / 31.0 |" in lines


def test_a_small_figure_is_not_rounded_away(tmp_path: Path) -> None:
    written(tmp_path / "b", Figure("freeze", "streamspace", "ms", samples=[0.0123, 0.5]))
    assert "| 0.012 / 0.5 |" in table(tmp_path / "b")[2]


def test_every_aim_can_be_met_by_a_figure_that_is_better() -> None:
    for one in AIMS:
        for factor, kept in ((0.5, one.figure not in MORE_IS_BETTER), (2, one.figure in MORE_IS_BETTER)):
            shown = [factor * value for value in one.values]
            two = {"p50": shown[0], "p95": shown[-1], "n": 60}
            row = {"figure": one.figure, "conditions": one.conditions, "unit": ""}
            row |= {"value": shown[0]} if len(shown) == 1 else two
            row["variant"] = "streamspace-hub-webrtc" if MORE_BY_THE_HUB in one.figure else "streamspace-webrtc"
            assert missed(row) != kept, row


def test_the_machine_is_told_below(tmp_path: Path) -> None:
    written(tmp_path / "b", click("streamspace-webrtc", 7, 10), click("novnc", 12, 14))
    told: dict[str, Any] = json.loads((tmp_path / "b").read_text().splitlines()[0])["machine"]
    assert told["cores"] >= 1
    assert told["versions"]["python"]
    last = table(tmp_path / "b")[-1]
    assert told["cpu"] in last
    assert f"python {told['versions']['python']}" in last


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "b").write_text('{"figure": ')
    with pytest.raises(ValueError, match="line 1"):
        read(tmp_path / "b")
