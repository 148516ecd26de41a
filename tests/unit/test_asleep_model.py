"""What the hub remembers of a session that sleeps: from a spawner's state, and where its memory is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from streamspace_hub.model.asleep import (
    FALLS,
    KEY,
    LIVE,
    PROVEN,
    WOKEN,
    Asleep,
    asleep_in,
    image_folder,
    image_paths,
    may_leave_image,
    not_later,
    outlives,
)

TOLD = {"app": "gimp", "since": "2026-01-31T12:00:00+00:00", "bytes": 7, "marker": "ab.cd"}


@pytest.mark.parametrize(
    ("state", "sleeps"),
    [
        (None, False),
        ({}, False),
        ({LIVE: {"app": "gimp"}}, False),
        ({KEY: TOLD}, True),
        ({KEY: TOLD, LIVE: {}}, True),
        ({KEY: TOLD, LIVE: {"app": "gimp", WOKEN: 1.0}}, False),
        ({KEY: TOLD, LIVE: {"app": "gimp", FALLS: True}}, True),
    ],
)
def test_what_is_running_does_not_sleep_unless_it_is_about_to_end(state: dict[str, Any] | None, sleeps: bool) -> None:
    assert (asleep_in(state) == Asleep(**TOLD)) is sleeps


@pytest.mark.parametrize(
    ("live", "kept"),
    [
        ({}, True),
        ({"app": "gimp"}, False),
        ({"app": "gimp", FALLS: True}, True),
        ({"app": "gimp", WOKEN: 1000.0}, True),
        ({"app": "gimp", WOKEN: 1000.0 - PROVEN}, False),
        ({"app": "gimp", WOKEN: 1003.0}, True),  # the clock has been set back a little
        ({"app": "gimp", WOKEN: 5000.0}, False),
    ],
)
def test_sleep_outlives_a_session_that_has_not_shown_that_it_lives(live: dict[str, Any], kept: bool) -> None:
    assert outlives(live, 1001.0) is kept


@pytest.mark.parametrize(
    ("told", "since"),
    [
        ("2026-11-30T03:00:00.25+01:00", "2026-11-30T02:00:00+00:00"),
        ("2026-11-30T02:30:00", "2026-11-30T02:30:00+00:00"),
        ("2026-11-30T03:00:01+00:00", "2026-11-30T03:00:00+00:00"),
        ("9999-12-31T23:59:59-12:00", "2026-11-30T03:00:00+00:00"),
        ("yesterday", "2026-11-30T03:00:00+00:00"),
    ],
)
def test_nothing_has_been_asleep_since_later_than_now(told: str, since: str) -> None:
    assert not_later(told, datetime(2026, 11, 30, 3, tzinfo=UTC)) == since


@pytest.mark.parametrize(
    ("live", "may"),
    [
        ({}, False),
        ({"app": "gimp"}, False),
        ({"app": "gimp", WOKEN: 1000.0}, False),  # it is remembered
        ({"app": "gimp", WOKEN: 1000.0 - PROVEN}, True),
        ({"app": "gimp", WOKEN: 1000.0 - 2 * PROVEN}, False),
        ({"app": "gimp", WOKEN: 1000.0 - PROVEN, FALLS: True}, False),
    ],
)
def test_what_is_forgotten_soon_after_it_was_woken_may_leave_its_image(live: dict[str, Any], may: bool) -> None:
    assert may_leave_image(live, 1001.0) is may


def test_all_that_there_may_be_of_an_image_is_beside_it() -> None:
    assert image_paths("/a/b") == ["/a/b", "/a/b.part", "/a/b.old", "/a/b.last"]


def test_every_server_has_a_folder_of_its_own_below_the_home() -> None:
    names = [
        "",
        "@",
        "gimp",
        "gimp.part",
        "gimp%2Epart",
        ".",
        "..",
        "../..",
        "a/b",
        "ü",
        "~",
        "x" * 255,
        "x" * 254 + "y",
    ]
    folders = [image_folder("/home/ann", name) for name in names]
    assert len(set(folders)) == len(names)
    for folder in folders:
        parent, _, name = folder.rpartition("/")
        assert parent == "/home/ann/.streamspace/sleep"
        assert name
        assert "." not in name
        assert len(name.encode()) <= 110
