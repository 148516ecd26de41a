"""What the hub remembers of a session that sleeps: from a spawner's state, and where its memory is."""

from __future__ import annotations

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
    ],
)
def test_sleep_outlives_a_session_that_has_not_shown_that_it_lives(live: dict[str, Any], kept: bool) -> None:
    assert outlives(live, 1001.0) is kept


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
