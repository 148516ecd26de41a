"""When the X server is kept off GPUs, and that it is asked whether it can be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamspace_proxy.desktop import programs, render_node
from streamspace_proxy.desktop.settings import Settings, SettingsError, read_settings

from tests.unit.test_shared_desktop import environment

NEW, OLD = "-rendernode PATH       DRM render node to use for DRI3", "-depth D               set screen 0's depth"


def server(folder: Path, says: str) -> str:
    """Return a program that prints its options as the X server does."""
    path = folder / "Xtigervnc"
    path.write_text(f'#!/bin/sh\n[ "$*" = -help ] && echo "{says}" >&2\nexit 1\n')
    path.chmod(0o755)
    return str(path)


def settings(folder: Path) -> Settings:
    return Settings("App", ("app",), {}, "app", (), {}, folder, preload="/shim.so")


@pytest.mark.parametrize(
    ("says", "node", "more", "expected"),
    [
        (NEW, "renderD128", {}, ("-rendernode", "")),
        (OLD, "renderD128", {}, ()),
        (NEW, "card0", {}, ()),
        (NEW, "renderD128", {"gpus": 1}, ()),  # the app is to draw with it
        (NEW, "renderD128", {"preload": None}, ()),  # its memory is not kept
    ],
)
def test_an_x_server_that_would_hold_a_gpu_is_kept_off_where_its_memory_is_to_be_kept(
    tmp_path: Path, says: str, node: str, more: dict[str, Any], expected: tuple[str, ...]
) -> None:
    devices = tmp_path / "dri"
    devices.mkdir()
    (devices / node).touch()
    found = render_node.arguments(replace(settings(tmp_path), **more), server(tmp_path, says), devices)
    assert found == expected
    command = programs.x_server(settings(tmp_path), 5, None, *found)
    assert tuple(command[len(command) - len(found) :]) == expected


def test_an_x_server_that_is_missing_or_says_nothing_is_told_nothing(tmp_path: Path) -> None:
    (tmp_path / "renderD128").touch()
    assert render_node.arguments(settings(tmp_path), str(tmp_path / "none"), tmp_path) == ()
    assert render_node.arguments(settings(tmp_path), None, tmp_path) == ()


def test_how_many_gpus_an_app_asks_for_is_read_from_its_template(tmp_path: Path) -> None:
    def read(text: str) -> int:
        return read_settings({**environment(tmp_path), "STREAMSPACE_TEMPLATE": f'{{"command": ["x"]{text}}}'}).gpus

    assert read("") == 0
    assert read(', "resources": {"gpu": {"count": 2}}') == 2
    with pytest.raises(SettingsError, match=r"`resources\.gpu\.count`"):
        read(', "resources": {"gpu": {"count": "two"}}')
