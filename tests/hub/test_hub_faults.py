"""What becomes of sessions when the hub dies, and what users read when a session cannot start."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.hub import AS_ROOT, TempHub, new_user, processes_of, temp_hub

pytestmark = [pytest.mark.hub, pytest.mark.x11]

APP = {"app": "test-app"}


async def test_sessions_live_through_the_death_of_the_hub() -> None:
    async with temp_hub() as hub:
        user = hub.users[0]
        before = await hub.start_server(user, "one", APP)
        marker = before["state"]["streamspace"]["marker"]
        desktop = await until_desktop(marker)
        hub.kill()
        await hub.start()
        after = await hub.until_ready(user, "one")
        assert after["state"] == before["state"]
        assert desktop_of(marker) == desktop
        await hub.stop_server(user, "one")
        assert processes_of(marker) == []
        assert not Path(before["state"]["streamspace"]["folder"]).exists()


async def test_a_session_that_ended_while_the_hub_was_away_is_cleaned_up() -> None:
    async with temp_hub() as hub:
        user = hub.users[0]
        before = await hub.start_server(user, "one", APP)
        hub.kill()
        os.kill(before["state"]["pid"], 9)
        await hub.start()
        await hub.until_gone(user, "one")
        assert processes_of(before["state"]["streamspace"]["marker"]) == []
        assert not Path(before["state"]["streamspace"]["folder"]).exists()


async def test_nothing_is_left_of_a_start_that_the_hub_did_not_survive() -> None:
    async with temp_hub() as hub:
        user = hub.users[0]
        start = asyncio.create_task(hub.request_start(user, "one", APP))
        folder = await until_running(hub)
        hub.kill()
        await asyncio.gather(start, return_exceptions=True)
        marker = folder.name
        await hub.start()
        await hub.until_gone(user, "one")
        assert processes_of(marker) == []
        assert not folder.exists()


def desktop_of(marker: str) -> dict[int, str]:
    """Return the lasting programs of a session's desktop by pid."""
    names = {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in processes_of(marker)}
    return {pid: name for pid, name in names.items() if name in ("Xtigervnc", "xterm", "openbox")}


async def until_desktop(marker: str) -> dict[int, str]:
    """Wait until the desktop is up; return its programs by pid."""
    deadline = time.monotonic() + 30
    while len(desktop := desktop_of(marker)) < 3:
        assert time.monotonic() < deadline, desktop
        await asyncio.sleep(0.05)
    return desktop


async def until_running(hub: TempHub) -> Path:
    """Wait until the first process of a session runs, and return the session's runtime folder."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for folder in (hub.folder / "run").glob("*"):
            if processes_of(folder.name):
                return folder
        await asyncio.sleep(0.01)
    raise AssertionError(hub.log)


async def refused(hub: TempHub, server: str = "one", app: str = "test-app") -> str:
    """Return the sentence with which a start is refused, and see that nothing else happened."""
    user = hub.users[0]
    reply = await hub.request_start(user, server, {"app": app})
    assert reply.status_code >= 400, reply.text
    assert await hub.server(user, server) is None
    assert "Traceback" not in reply.text
    assert not list((hub.folder / "run").glob("*"))
    return str(reply.json()["message"])


async def test_no_x_server() -> None:
    # `which` alone looks at this PATH: nothing gets as far as being started.
    async with temp_hub(extra='c.Spawner.environment = {"PATH": "/nonexistent"}') as hub:
        assert "install tigervnc-standalone-server" in await refused(hub)


async def test_program_that_is_not_installed() -> None:
    async with temp_hub() as hub:
        (hub.folder / "apps" / "none.yaml").write_text("name: none\ntitle: Nonesuch\ncommand: [no-such-program-here]\n")
        assert "Nonesuch is not installed" in await refused(hub, app="none")


async def test_port_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with temp_hub(extra=f"c.Spawner.port = {port}") as hub:
            assert f"Port {port} is taken" in await refused(hub)


async def test_session_that_ends_at_its_start() -> None:
    extra = """
class Broken(streamspace_spawner.LocalStreamSpaceSpawner):
    def get_env(self):
        return super().get_env() | {"STREAMSPACE_TEMPLATE": "{"}
c.JupyterHub.spawner_class = Broken
"""
    async with temp_hub(extra="import streamspace_spawner" + extra) as hub:
        assert "STREAMSPACE_TEMPLATE must hold" in await refused(hub)


@pytest.mark.skipif(not AS_ROOT, reason="only root keeps users apart")
async def test_without_an_account_or_a_home() -> None:
    user = new_user()
    async with temp_hub(user, extra="c.LocalStreamSpaceSpawner.create_accounts = False") as hub:
        assert f"no system account '{user}'" in await refused(hub)
        subprocess.run(["useradd", "--no-create-home", "--home-dir", f"{hub.folder}/no", user], check=True)
        assert f"{hub.folder}/no" in await refused(hub)


@pytest.mark.skipif(not AS_ROOT, reason="only root keeps users apart")
async def test_never_as_root() -> None:
    async with temp_hub(extra='c.LocalStreamSpaceSpawner.account_template = "root"') as hub:
        assert "never run as root" in await refused(hub)
        reply = await hub.request_start(hub.users[0], "")
        assert reply.status_code == 403
        assert "never run as root" in reply.json()["message"]


@pytest.mark.skipif(not AS_ROOT, reason="only root keeps users apart")
async def test_accounts_are_made_at_the_first_start() -> None:
    async with temp_hub() as hub:
        user = hub.users[0]
        with pytest.raises(KeyError):
            pwd.getpwnam(user)
        await hub.start_server(user, "one", APP)
        assert pwd.getpwnam(user).pw_dir == f"{hub.folder}/home/{user}"
        await hub.stop_server(user, "one")


async def test_contradiction_in_the_configuration_ends_the_hub_with_a_sentence() -> None:
    with pytest.raises(AssertionError, match="every session is a named server"):
        async with temp_hub(extra="c.JupyterHub.allow_named_servers = False"):
            pass


async def test_wrong_setting_ends_the_hub_or_the_start_with_a_sentence() -> None:
    async with temp_hub(extra='c.StreamSpace.default_policy = {"clipbord": "in"}') as hub:
        reply = await hub.request_start(hub.users[0], "one", APP)
        assert reply.status_code >= 400
        assert "clipbord" in hub.log
