"""What becomes of sessions when the hub dies, and what users read when a session cannot start."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

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


async def until_desktop(marker: str, count: int = 3) -> dict[int, str]:
    """Wait until `count` programs of the desktop are up; return them by pid."""
    deadline = time.monotonic() + 30
    while len(desktop := desktop_of(marker)) < count:
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def faulty() -> AsyncIterator[TempHub]:
    """A hub on which each server's name says what is wrong with its machine."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with temp_hub(new_user(), new_user(), "root", extra=FAULTS.format(port=taken.getsockname()[1])) as hub:
            yield hub


FAULTS = """
import streamspace_spawner

class Faulty(streamspace_spawner.LocalStreamSpaceSpawner):
    def get_env(self):
        wrong = {{"bad-template": {{"STREAMSPACE_TEMPLATE": "{{"}}, "bad-python": {{"PYTHONHOME": "/nonexistent"}}}}
        return super().get_env() | wrong.get(self.name, {{}})

def spoil(spawner):
    # `which` alone looks at this PATH: nothing gets as far as being started.
    settings = {{
        "no-x": {{"environment": {{"PATH": "/nonexistent"}}}},
        "port": {{"port": {port}}},
        "long": {{"runtime_root": "/tmp/" + 100 * "x"}},
        "no-account": {{"create_accounts": False}},
    }}
    for name, value in settings.get(spawner.name, {{}}).items():
        setattr(spawner, name, value)

c.JupyterHub.spawner_class = Faulty
c.Spawner.pre_spawn_hook = spoil
"""


async def refusal(hub: TempHub, server: str, app: str = "test-app", user: str = "") -> str:
    """Return the sentence with which a start is refused, and see that nothing is left of it."""
    user = user or hub.users[0]
    reply = await hub.request_start(user, server, {"app": app})
    assert reply.status_code in (403, 503), reply.text
    assert await hub.server(user, server) is None
    assert not list((hub.folder / "run").glob("*"))
    message = str(reply.json()["message"])
    assert "Traceback" not in message
    assert message.endswith(".")
    return message


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("no-x", "install tigervnc-standalone-server"),
        ("port", "is taken by another program"),
        ("long", "runtime_root"),
        ("bad-template", "STREAMSPACE_TEMPLATE must hold"),
        ("bad-python", "Test app ended while it was starting"),
    ],
)
async def test_machine_that_is_not_up_to_it(faulty: TempHub, server: str, words: str) -> None:
    assert words in await refusal(faulty, server)


@pytest.mark.asyncio(loop_scope="module")
async def test_program_that_is_not_installed(faulty: TempHub) -> None:
    (faulty.folder / "apps" / "none.yaml").write_text("name: none\ntitle: Nonesuch\ncommand: [no-such-program-here]\n")
    assert "Nonesuch is not installed" in await refusal(faulty, "one", app="none")


@pytest.mark.asyncio(loop_scope="module")
async def test_machine_with_fewer_gpus_than_the_app_cannot_do_without(faulty: TempHub) -> None:
    (faulty.folder / "apps" / "render.yaml").write_text(
        "name: render\ntitle: Render\ncommand: [xterm]\nresources: {gpu: {count: 16, required: true}}\n"
    )
    assert "Render needs 16 GPUs, and this machine has" in await refusal(faulty, "one", app="render")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.skipif(not AS_ROOT, reason="only root keeps users apart")
async def test_account_that_is_missing_or_homeless_or_root(faulty: TempHub) -> None:
    user = faulty.users[1]  # whom no other test has given an account
    assert "never run as root" in await refusal(faulty, "one", user="root")
    lab = await faulty.request_start("root", "")
    assert lab.status_code == 403
    assert "never run as root" in lab.json()["message"]

    assert f"no system account '{user}'" in await refusal(faulty, "no-account", user=user)
    subprocess.run(["useradd", "--no-create-home", "--home-dir", f"{faulty.folder}/no", user], check=True)
    assert f"{faulty.folder}/no" in await refusal(faulty, "no-account", user=user)
    subprocess.run(["userdel", user], check=True)

    async with faulty.session(user):
        assert pwd.getpwnam(user).pw_dir == f"{faulty.folder}/home/{user}"


@pytest.mark.skipif(not AS_ROOT, reason="becomes an ordinary user")
async def test_run_by_an_ordinary_user_all_is_that_users() -> None:
    nobody = pwd.getpwnam("nobody")
    async with temp_hub("ann", run_as=nobody.pw_uid) as hub:
        async with hub.session("ann") as model:
            assert model["state"]["streamspace"]["uid"] == nobody.pw_uid
            marker = model["state"]["streamspace"]["marker"]
            await until_desktop(marker, 2)  # nobody's shell, and so its xterm, ends at once
        assert processes_of(marker) == []
        assert not list((hub.folder / "run").iterdir())
        assert hub.log.count("Sessions share the files of the user 'nobody'") == 1


async def test_contradiction_in_the_configuration_ends_the_hub_with_a_sentence() -> None:
    with pytest.raises(AssertionError, match="every session is a named server"):
        async with temp_hub(extra="c.JupyterHub.allow_named_servers = False"):
            pass


async def test_wrong_policy_ends_the_hub_with_a_sentence() -> None:
    with pytest.raises(
        AssertionError, match="default_policy: clipbord: there is no such field; did you mean `clipboard`"
    ):
        async with temp_hub(extra='c.StreamSpace.default_policy = {"clipbord": "in"}'):
            pass
