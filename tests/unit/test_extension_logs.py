"""Reading a session's logs: which lines, where to go on, and what is no log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from streamspace_proxy.extension.logs import LARGEST, PARTS, PLACE, read_log, read_logs


def write(folder: Path, part: str, text: str, mode: str = "w") -> Path:
    file = folder / f"{part}.log"
    with file.open(mode) as log:
        log.write(text)
    return file


def test_the_last_lines_and_then_what_has_come_since(tmp_path: Path) -> None:
    write(tmp_path, "session", "one\ntwo\nthree\n")
    write(tmp_path, "app", "hello\nhal")
    first: Any = read_logs(tmp_path, 2)
    assert first["lines"] == [
        {"part": "session", "text": "two"},
        {"part": "session", "text": "three"},
        {"part": "app", "text": "hello"},
    ]
    assert PLACE.fullmatch(first["next"])
    assert len(first["next"].split(".")) == len(PARTS)
    write(tmp_path, "app", "f\nlast\n", "a")
    then: Any = read_logs(tmp_path, 1, first["next"])
    assert [line["text"] for line in then["lines"]] == ["half", "last"], "lines are whole, and none is left out"
    assert read_logs(tmp_path, 1, then["next"])["lines"] == []


def test_a_log_that_was_cut_is_read_anew(tmp_path: Path) -> None:
    file = write(tmp_path, "app", 9 * "line\n")
    _, end = read_log(file, 1, None)
    write(tmp_path, "app", "[earlier lines were cut]\nnew\n")
    assert read_log(file, 1, end) == (["new"], 29)


@pytest.mark.parametrize(
    ("text", "lines", "texts"),
    [
        ("", 5, []),
        ("no end yet", 5, []),
        ("a\nb\n", 0, []),
        ("\n", 5, [""]),
        (LARGEST * "x", 5, [LARGEST * "x"]),
        ("first\n" + LARGEST // 4 * "abc\n", 10**6, (LARGEST // 4 - 1) * ["abc"]),
    ],
)
def test_lines(tmp_path: Path, text: str, lines: int, texts: list[str]) -> None:
    found, end = read_log(write(tmp_path, "app", text), lines, None)
    assert found == texts
    assert end == text.rfind("\n") + 1 or len(text) == LARGEST


def test_what_is_longer_than_one_answer_comes_in_several(tmp_path: Path) -> None:
    file, place, found = write(tmp_path, "app", LARGEST // 2 * "abc\n"), 0, 0
    while read := read_log(file, 1, place)[0]:
        found += len(read)
        place = read_log(file, 1, place)[1]
    assert found == LARGEST // 2


def test_a_name_that_leads_elsewhere_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "app.log").symlink_to("/proc/self/environ")
    (tmp_path / "desktop.log").mkdir()
    os.mkfifo(tmp_path / "streamer.log")
    assert read_logs(tmp_path, 5) == {"lines": [], "next": "0.0.0.0"}
