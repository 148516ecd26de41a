"""What a desktop opens to its group, where the streamer is another user of it; and that it opens nothing otherwise."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from streamspace_proxy.desktop import programs
from streamspace_proxy.desktop.control import ControlServer
from streamspace_proxy.desktop.settings import SettingsError, make_shared, read_settings
from streamspace_proxy.desktop.xauth import write_authority
from streamspace_proxy.local import WRONG_SETTINGS, main
from streamspace_proxy.streamer.config import ConfigError, read_config
from streamspace_proxy.streamer.shm import SharedSegment

TEMPLATE = json.dumps({"name": "x", "title": "X", "command": ["xterm"]})


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"STREAMSPACE_TEMPLATE": TEMPLATE, "STREAMSPACE_RUNTIME_DIR": str(folder), **more}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("shared", [True, False])
async def test_files_and_sockets_are_the_groups_only_where_it_is_shared(tmp_path: Path, shared: bool) -> None:
    more = {"STREAMSPACE_DESKTOP_DIR": str(tmp_path)} if shared else {}
    settings = read_settings(environment(tmp_path, **more))
    assert settings.shared is shared
    write_authority(settings.path("Xauthority"), for_group=settings.shared)
    assert mode(settings.path("Xauthority")) == (0o640 if shared else 0o600)
    desktop: Any = None  # nobody connects
    server = ControlServer(desktop)
    await server.start(settings.path("desktop.sock"), for_group=settings.shared)
    assert mode(settings.path("desktop.sock")) == (0o660 if shared else 0o600)
    await server.close()
    command = programs.x_server(settings, 5)
    assert command[command.index("-rfbunixmode") + 1] == ("0660" if shared else "0600")
    assert ("auth-anonymous=1" in " ".join(programs.sound_server(settings))) is shared


def test_a_folder_of_another_desktop_is_not_opened(tmp_path: Path) -> None:
    elsewhere = environment(tmp_path, STREAMSPACE_DESKTOP_DIR=f"{tmp_path}/other")
    assert read_settings(elsewhere).shared is False


def test_the_shared_folder_is_made_and_taken_up_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    before = os.umask(0)
    try:
        make_shared(folder)
        make_shared(folder)
    finally:
        os.umask(before)
    assert mode(folder) == 0o750
    with pytest.raises(SettingsError, match="STREAMSPACE_DESKTOP_DIR"):
        make_shared(tmp_path / "no" / "such")


@pytest.mark.parametrize("for_group", [True, False])
def test_the_screens_memory_is_the_groups_only_where_it_must_be(for_group: bool) -> None:
    segment = SharedSegment(4096, for_group=for_group)
    try:
        rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
        (permissions,) = [row[2] for row in rows if int(row[1]) == segment.id]
        assert int(permissions, 8) & 0o777 == (0o660 if for_group else 0o600)
    finally:
        segment.unlink()
        segment.close()


def test_the_streamer_finds_the_desktop_where_it_is_told(tmp_path: Path) -> None:
    config = read_config(environment(tmp_path, STREAMSPACE_DESKTOP_DIR="/run/desktop"))
    assert config.desktop_path("rfb.sock") == Path("/run/desktop/rfb.sock")
    assert config.path("streamer.sock") == tmp_path / "streamer.sock"
    assert read_config(environment(tmp_path)).desktop_path("rfb.sock") == tmp_path / "rfb.sock"
    with pytest.raises(ConfigError, match="STREAMSPACE_DESKTOP_DIR must be the absolute path"):
        read_config(environment(tmp_path, STREAMSPACE_DESKTOP_DIR="desktop"))


def test_a_runner_without_server_and_desktop_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--no-server", "--no-desktop"]) == WRONG_SETTINGS
    assert "streamspace session: " in capsys.readouterr().err
