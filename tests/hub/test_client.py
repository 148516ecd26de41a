"""The SDK and the `streamspace` command against a real hub with the service."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from streamspace_proxy.desktop import criu

from streamspace_hub.client import AsyncClient, Client, RefusedError, SessionFailedError
from streamspace_hub.model import SessionState
from streamspace_hub.model.api import Announcement, AuditEvent, Outcome
from streamspace_hub.model.overrides import Override
from tests.support.hub import AS_ROOT
from tests.support.hub_desktop import SLEEPER
from tests.support.service import ABSENT_APP, ADMIN, LIMIT, SHARING, ServiceHub, service_hub
from tests.support.sleeping import why_not

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]

OPERATOR = f'c.JupyterHub.load_roles.append({{"name": "operator", "users": ["{ADMIN}"], "scopes": ["proxy"]}})'
LADDER = 'c.StreamSpace.sleep = {"default": {"freeze_after": 7200}}'
MEMORY = f"""
c.StreamSpace.memory_sleep = True
with open(run["folder"] + "/apps/sleeper.yaml", "w") as file:
    file.write({SLEEPER!r})
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ServiceHub]:
    quotas = 'c.StreamSpace.quotas = {"default": {"sessions": 9}}'
    async with service_hub(config="\n".join((quotas, LADDER, MEMORY, OPERATOR, SHARING, ABSENT_APP))) as found:
        yield found


async def environment(running: ServiceHub, user: str, **more: str) -> dict[str, str]:
    """Return the environment of a command of `user`."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("JUPYTERHUB_", "STREAMSPACE_"))},
        "STREAMSPACE_URL": running.hub.url,
        "STREAMSPACE_TOKEN": await running.token(user),
        "COLUMNS": "200",
        **more,
    }


async def streamspace(running: ServiceHub, user: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command as `user`."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "streamspace_hub.cli", *arguments],
        env=await environment(running, user, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )


async def completed(running: ServiceHub, user: str, line: str, **more: str) -> list[str]:
    """Return what bash offers when `user` presses the tabulator after `streamspace` and `line`."""
    words = ["streamspace", *line.split(" ")]
    asking = {
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_STREAMSPACE_COMPLETE": "complete_bash",
    }
    offered = await streamspace(running, user, **asking, **more)
    assert offered.stderr == ""
    return offered.stdout.split()


def environment_of(server: dict[str, Any]) -> dict[str, str]:
    """Return the environment with which a server, as the hub shows it, was started."""
    content = Path(f"/proc/{server['state']['pid']}/environ").read_text()
    return dict(line.split("=", 1) for line in content.split("\0") if "=" in line)


async def test_the_command_from_launch_to_removal(running: ServiceHub) -> None:
    launched = await streamspace(running, running.ann, "launch", "test-app", "--name", "one", "--json")
    assert launched.returncode == 0, launched.stderr
    session = json.loads(launched.stdout)
    assert (session["name"], session["state"]) == ("one", "running")
    assert session["address"] == f"{running.hub.url}/user/{running.ann}/one/streamspace/"
    listed = await streamspace(running, running.ann, "list")
    assert listed.stdout.splitlines()[0].split() == ["NAME", "USER", "APP", "STATE", "STARTED"]
    assert listed.stdout.splitlines()[1].split()[:4] == ["one", running.ann, "test-app", "running"]
    for line, offered in (("launch test-", ["test-app"]), ("stop o", ["one"]), ("logs --follow o", ["one"])):
        assert await completed(running, running.ann, line) == offered
    limits = await streamspace(running, running.ann, "quota")
    assert [line.split() for line in limits.stdout.splitlines()[1:]] == [["sessions", "1", "9", "hub"]]
    opened = await streamspace(running, running.ann, "open", "one", "--print")
    assert opened.stdout.strip() == session["address"]
    stopped = await streamspace(running, running.ann, "stop", "one")
    assert stopped.stdout == "one is stopped.\n"
    closed = await streamspace(running, running.ann, "open", "one", "--print")
    assert (closed.returncode, "launch test-app" in closed.stderr) == (1, True)
    removed = await streamspace(running, running.ann, "stop", "one", "--remove")
    assert removed.stdout == "one is removed.\n"
    left = await streamspace(running, running.ann, "list", "--json")
    assert json.loads(left.stdout) == {"sessions": []}


@pytest.mark.parametrize(
    "more",
    [
        {"STREAMSPACE_URL": "", "STREAMSPACE_TOKEN": ""},
        {"STREAMSPACE_URL": "http://127.0.0.1:9"},
        {"STREAMSPACE_TOKEN": "nonsense"},
    ],
)
async def test_a_completion_never_complains(running: ServiceHub, more: dict[str, str]) -> None:
    assert await completed(running, running.ann, "stop ", **more) == []
    assert "hibernate" in await completed(running, running.ann, "hib", **more)


@pytest.mark.parametrize(
    ("arguments", "more", "status", "said"),
    [
        (("launch", "no-such-app"), {}, 4, "There is no app `no-such-app`"),
        (("launch", "Not A Name"), {}, 2, "can't be used"),
        (("stop", "no-such-session"), {}, 4, "no such session"),
        (("audit", "verify"), {}, 3, "for administrators"),
        (("list",), {"STREAMSPACE_TOKEN": "nonsense"}, 3, "does not know this token"),
        (("list",), {"STREAMSPACE_URL": "http://127.0.0.1:9"}, 5, "cannot be reached"),
        (("list",), {"STREAMSPACE_URL": "", "STREAMSPACE_TOKEN": ""}, 2, "set STREAMSPACE_URL"),
    ],
)
async def test_exit_statuses_and_sentences(
    running: ServiceHub, arguments: tuple[str, ...], more: dict[str, str], status: int, said: str
) -> None:
    ended = await streamspace(running, running.ann, *arguments, **more)
    assert ended.returncode == status, ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


async def test_a_session_sleeps_wakes_is_kept_awake_and_shared_by_commands(running: ServiceHub) -> None:
    async def ann(*arguments: str) -> str:
        done = await streamspace(running, running.ann, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    await ann("launch", "sleeper", "--name", "verbs")
    while (frozen := await streamspace(running, running.ann, "freeze", "verbs")).returncode == 1:
        assert "desktop is not running" in frozen.stderr, "the session answers before its screen is up"
    assert frozen.stdout == "verbs is frozen.\n"
    assert await ann("resume", "verbs") == "verbs is running.\n"
    assert await ann("extend", "verbs", "600") == "verbs is running.\n"
    shared = await ann("share", "verbs", running.bob, "--role", "controller")
    assert shared.splitlines()[1].split() == [running.bob, "user", "controller"]
    assert json.loads(await ann("share", "verbs", "class", "--group", "--json"))["shares"][0]["name"] == "class"
    theirs = await streamspace(running, running.bob, "list", "--shared")
    assert theirs.stdout.splitlines()[1].split() == ["verbs", running.ann, "sleeper", "running", "controller"]
    assert "class" not in await ann("unshare", "verbs", "class", "--group")
    assert await ann("unshare", "verbs", running.bob) == "It is shared with nobody.\n"
    slept = await streamspace(running, running.ann, "hibernate", "verbs")
    if why_not() is None and AS_ROOT:
        assert (slept.returncode, slept.stdout) == (0, "verbs is sleeping.\n"), slept.stderr
        assert await ann("resume", "verbs") == "verbs is running.\n"
    else:
        assert (slept.returncode, slept.stdout) == (1, ""), "what cannot be kept goes on"
        assert "memory" in slept.stderr
    await ann("stop", "verbs", "--remove")


async def test_the_log_of_a_session_is_its_controllers_and_holds_no_secrets(running: ServiceHub) -> None:
    ann, bob = running.ann, running.bob
    await streamspace(running, ann, "launch", "test-app", "--name", "logged")
    shown = await streamspace(running, ann, "logs", f"{ann}/logged", "--json", "--lines", "1000")
    assert shown.returncode == 0, shown.stderr
    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert {"session", "streamer"} <= {line["part"] for line in lines}
    assert any(f"/user/{ann}/logged/" in line["text"] for line in lines), "its web server says where it serves"
    short = await streamspace(running, ann, "logs", "logged", "--lines", "1")
    assert short.stdout.startswith("session  | ")
    if AS_ROOT:
        server = (await running.hub.api("GET", f"/users/{ann}")).json()["servers"]["logged"]
        assert environment_of(server)["JUPYTERHUB_API_TOKEN"] not in shown.stdout

    scopes = ["access:services!service=streamspace", f"custom:streamspace:control!server={ann}/logged"]
    assert (await streamspace(running, bob, "logs", f"{ann}/logged")).returncode == 3
    assert (await streamspace(running, ADMIN, "logs", f"{ann}/logged")).returncode == 3, "it may show what is on it"
    without = await running.token(ann, scopes)
    assert (await streamspace(running, ann, "logs", f"{ann}/logged", STREAMSPACE_TOKEN=without)).returncode == 3
    await streamspace(running, ann, "share", "logged", bob, "--role", "viewer")
    assert (await streamspace(running, bob, "logs", f"{ann}/logged")).returncode == 3, "to look on is not enough"
    await streamspace(running, ann, "share", "logged", bob, "--role", "controller")
    assert (await streamspace(running, bob, "logs", f"{ann}/logged")).returncode == 0
    events = (await (await running.api(ADMIN))("GET", "/audit", params={"action": "session.logs"})).json()["events"]
    assert {one["outcome"] for one in events} == {"denied"}

    following = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streamspace_hub.cli", "logs", "logged", "--follow", "--lines", "0"),
        env=await environment(running, ann),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    first = asyncio.create_task(following.stdout.readline())  # type: ignore[union-attr]
    while not first.done():
        await running.hub.get(f"/user/{ann}/logged/streamspace/api/v1/status", token=await running.token(ann))
        await asyncio.sleep(0.2)
    assert first.result().startswith(b"session  | ")
    assert b"/logged/streamspace/api/v1/status" in first.result()
    await streamspace(running, ann, "stop", "logged", "--remove")
    _, complaint = await asyncio.wait_for(following.communicate(), LIMIT)
    assert (following.returncode, complaint) == (0, b""), "it ends with the session"
    gone = await streamspace(running, ann, "logs", "logged")
    assert gone.returncode == 4


async def test_a_terminal_shows_how_far_a_start_has_come(running: ServiceHub) -> None:
    terminal, theirs = os.openpty()
    launching = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streamspace_hub.cli", "launch", "test-app", "--name", "shown", "--json"),
        env=await environment(running, running.ann, TERM="xterm"),
        stdout=asyncio.subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    shown = asyncio.create_task(asyncio.to_thread(read_to_the_end, terminal))
    answer, _ = await asyncio.wait_for(launching.communicate(), LIMIT)
    assert json.loads(answer)["state"] == "running", "what a program reads stays as it was"
    assert re.search(r"Starting a desktop with Test app\..*30%", await shown)
    await streamspace(running, running.ann, "stop", "shown", "--remove")


def read_to_the_end(terminal: int) -> str:
    """Return all that is written to a pseudoterminal until its other side is closed."""
    said = b""
    with suppress(OSError):  # EIO: closed
        while piece := os.read(terminal, 4096):
            said += piece
    os.close(terminal)
    return said.decode()


async def test_apps_are_the_hubs_when_there_is_one(running: ServiceHub) -> None:
    hubs = json.loads((await streamspace(running, running.ann, "apps", "--json")).stdout)
    assert "test-app" in {app["name"] for app in hubs["apps"]}
    local = json.loads((await streamspace(running, running.ann, "apps", "--local", "--json")).stdout)
    assert "test-app" not in {app["name"] for app in local["apps"]}


async def test_the_doctor_says_what_is_wrong_and_what_to_do(running: ServiceHub) -> None:
    well = json.loads((await streamspace(running, running.ann, "doctor", "--json")).stdout)["checks"]
    found = {check["name"]: check for check in well}
    for name in (
        "hub",
        "service",
        "token",
        "catalog",
        "rights",
        "changes",
        "storage",
        "X server",
        "window manager",
        "H.264 encoder",
        "VP8 encoder",
        "Opus encoder",
    ):
        assert found[name]["status"] == "green", found[name]
    assert (found["TURN"]["status"], found["TURN"]["found"][:5]) == ("grey", "none;")
    assert found["CRIU"]["status"] == ("grey" if criu.find(os.environ) is None else "green")
    assert found["proxy"]["status"] == "grey", "whether the hub reaches it is for its administrators to see"
    entry = ["access:services!service=streamspace", f"read:users!user={running.ann}"]
    poor = await running.token(running.ann, entry)
    lacking = await streamspace(running, running.ann, "doctor", STREAMSPACE_TOKEN=poor)
    assert "[FAIL] rights: this token lacks servers, access:servers, custom:streamspace:control" in lacking.stdout
    bad = await streamspace(running, running.ann, "doctor", STREAMSPACE_TOKEN="nonsense")
    assert bad.returncode == 1
    assert "[FAIL] token" in bad.stdout
    assert f"Make a token at {running.hub.url}/hub/token" in bad.stdout
    routes = await streamspace(running, ADMIN, "doctor")
    assert "[ok]   proxy: the hub reaches its API" in routes.stdout
    away = await streamspace(running, running.ann, "doctor", STREAMSPACE_URL="http://127.0.0.1:9")
    assert "[FAIL] hub" in away.stdout


async def test_a_copy_of_the_audit_log_is_checked_without_the_hub(running: ServiceHub, tmp_path: Path) -> None:
    await streamspace(running, running.ann, "launch", "no-such-app")
    await streamspace(running, running.bob, "audit", "verify")  # a denied attempt
    copy = await streamspace(running, ADMIN, "audit", "export")
    file = tmp_path / "audit.jsonl"
    file.write_text(copy.stdout)
    assert (await streamspace(running, ADMIN, "audit", "verify")).returncode == 0
    nobody = {"STREAMSPACE_URL": "", "STREAMSPACE_TOKEN": ""}
    whole = await streamspace(running, ADMIN, "audit", "verify", str(file), **nobody)
    assert (whole.returncode, "lines are intact" in whole.stdout) == (0, True)
    file.write_text(copy.stdout.replace(f"user:{running.bob}", "user:nobody"))
    forged = await streamspace(running, ADMIN, "audit", "verify", str(file), **nobody)
    assert (forged.returncode, "was changed after it was written" in forged.stdout) == (1, True)


@pytest.mark.skipif(not AS_ROOT, reason="reads the environment of another account's process")
async def test_in_a_terminal_of_jupyterlab_nothing_has_to_be_set(running: ServiceHub) -> None:
    lab = await running.hub.start_server(running.ann, "")
    variables = environment_of(lab)

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "streamspace_hub.cli", *arguments]
        return subprocess.run(line, env=variables, capture_output=True, text=True, check=False, timeout=LIMIT)

    launched = await asyncio.to_thread(command, "launch", "test-app", "--name", "inside")
    assert launched.returncode == 0, launched.stderr
    assert launched.stdout == f"Test app is running: {running.hub.url}/user/{running.ann}/inside/streamspace/\n"
    stopped = await asyncio.to_thread(command, "stop", "inside", "--remove")
    assert stopped.returncode == 0, stopped.stderr
    others = await asyncio.to_thread(command, "launch", "test-app", "--user", running.bob)
    assert others.returncode == 3, "its own user's sessions, and nobody else's"
    await running.hub.stop_server(running.ann, "")


async def test_the_synchronous_client(running: ServiceHub) -> None:
    token = await running.token(running.bob)

    def script() -> dict[str, Any]:
        with Client(running.hub.url, token) as client:
            session = client.launch("test-app", name="sync")
            names = [one.name for one in client.sessions(state=SessionState.RUNNING)]
            client.change_settings(favorites=["gimp"])
            assert [(one.kind, one.limit) for one in client.quota().limits] == [("sessions", 9)]
            first = client.apps()[0]
            stopped = client.stop("sync")
            client.remove("sync")
            with pytest.raises(RefusedError) as gone:
                client.session("sync")
            return {
                "state": session.state, "names": names, "first": (first.name, first.favorite),
                "stopped": stopped.state, "kind": gone.value.kind, "me": client.whoami().name,
            }  # fmt: skip

    assert await asyncio.to_thread(script) == {
        "state": "running",
        "names": ["sync"],
        "first": ("gimp", True),
        "stopped": "stopped",
        "kind": "not-found",
        "me": running.bob,
    }


async def test_the_asynchronous_client_and_events(running: ServiceHub) -> None:
    async with AsyncClient(running.hub.url, await running.token(running.bob)) as client:
        seen: list[SessionState] = []
        begun = asyncio.Event()

        async def watch() -> None:
            begun.set()
            async for kind, session in client.events(last_id="0"):
                if session.name == "async" and kind == "session":
                    seen.append(session.state)
                    if session.state is SessionState.STOPPED:
                        return

        watching = asyncio.create_task(watch())
        await begun.wait()
        session = await client.launch("test-app", name="async", wait=None)
        steps = [step async for step in client.progress("async")]
        assert (steps[-1].progress, steps[-1].ready) == (100, True)
        assert [step.progress for step in steps] == sorted(step.progress for step in steps)
        assert len(steps) > 1
        session = await client.wait_until_running(session, LIMIT)
        assert (await client.session("async")).state is SessionState.RUNNING
        await client.stop("async")
        await asyncio.wait_for(watching, LIMIT)
        # Between two looks at the hub it may have stopped already.
        assert [str(state) for state in seen if state != SessionState.STOPPING] == ["starting", "running", "stopped"]
        with pytest.raises(RefusedError, match="not being started"):
            _ = [step async for step in client.progress("async")]
        await client.remove("async")
        with pytest.raises(RefusedError, match="no app `no-such-app`"):
            await client.launch("no-such-app")


async def test_what_a_script_asks_about_a_session_of_its_owner(running: ServiceHub) -> None:
    began = datetime.now(UTC)
    async with AsyncClient(running.hub.url, await running.token(running.ann)) as ann:
        await ann.launch("test-app", name="asked")
        assert (await ann.app("test-app")).title == "Test app"
        assert "gimp" in {one.name for one in await ann.apps(mime_type="image/png")}
        assert "test-app" not in {one.name for one in await ann.apps(mime_type="image/png")}
        policy = await ann.policy("test-app")
        freezes = next(one for one in policy.sleep if one.name == "freeze_after")
        assert (policy.user, freezes.value, freezes.source) == (running.ann, 7200, "hub")
        (ahead,) = [one for one in (await ann.ahead()).sessions if one.name == "asked"]
        assert [step.step for step in ahead.steps] == ["freeze"]
        assert (await ann.thumbnail("asked"))[:3] == b"\xff\xd8\xff", "a JPEG begins so"

        shared = await ann.share("asked", running.bob, "controller")
        shared = await ann.share("asked", "class", group=True)
        assert [(one.name, one.role) for one in shared.shares] == [("class", "viewer"), (running.bob, "controller")]
        assert await ann.shares("asked") == shared
        await ann.unshare("asked", "class", group=True)
        assert (await ann.unshare("asked", running.bob)).shares == []

        async def first(**which: Any) -> tuple[str, SessionState]:
            async for _, session in ann.events(last_id="0", **which):
                return session.name, session.state
            raise AssertionError("events go on for ever")

        assert await asyncio.wait_for(first(name="asked"), LIMIT) == ("asked", SessionState.STARTING)
        await ann.stop("asked")
        used = await ann.usage(since=began, app="test-app", by="user")
        assert [(one.key, one.sessions) for one in used.totals] == [(running.ann, 1)]
        head, line = [one.split(",") async for one in ann.usage_lines(since=began)]
        assert (head[:3], line[:3]) == (["user", "session", "app"], [running.ann, "asked", "test-app"])
        await ann.remove("asked")
        with pytest.raises(RefusedError, match="somebody else"):
            await ann.policy("test-app", user=running.bob)


async def test_what_a_script_of_an_administrator_does(running: ServiceHub) -> None:
    began = datetime.now(UTC)
    tokens = await running.token(ADMIN), await running.token(running.bob)

    def audited(client: Client, **wanted: Any) -> list[AuditEvent]:
        return list(client.audit(since=began, **wanted))

    def script() -> None:
        with Client(running.hub.url, tokens[0]) as admin, Client(running.hub.url, tokens[1]) as bob:
            nothing = admin.announcement()
            told = admin.announce(Announcement(text="Tea at four."), nothing.etag)
            assert bob.announcement() == told
            with pytest.raises(RefusedError) as changed:
                admin.announce(Announcement(text="Coffee."), nothing.etag)
            assert changed.value.kind == "changed"
            admin.announce(Announcement(), told.etag)

            wanted = Override.model_validate({"quota": {"sessions": 3}})
            for whose in ({"user": running.bob}, {"group": "class/a"}, {}):
                kept = admin.set_override(wanted, admin.override(**whose).etag, **whose)
                assert admin.override(**whose) == kept
            kinds = [(one.kind, one.name) for one in admin.overrides()]
            assert kinds == [("everybody", ""), ("group", "class/a"), ("user", running.bob)]
            assert [one.limit for one in bob.quota().limits] == [3]
            for whose in ({"user": running.bob}, {"group": "class/a"}, {}):
                admin.remove_override(admin.override(**whose).etag, **whose)
            assert list(admin.overrides()) == []

            admin.change_settings(user=running.bob, favorites=["test-app"])
            assert admin.settings(user=running.bob).favorites == bob.settings().favorites == ["test-app"]
            assert admin.policy("test-app", user=running.bob).user == running.bob
            with pytest.raises(RefusedError, match="for administrators"):
                list(bob.overrides())

            (denied,) = audited(admin, outcome=Outcome.DENIED, action="override.read")
            assert denied.actor == f"user:{running.bob}"
            assert audited(admin, request_id=denied.request_id) == [denied]
            assert denied in audited(admin, origin=denied.origin, actor=denied.actor)
            assert audited(admin, target=f"user:{running.bob}", until=began) == []
            written = [one.action for one in audited(admin, target=f"user:{running.bob}")]
            assert written == ["override.delete", "override.write"]
            assert admin.verify_audit().intact

    await asyncio.to_thread(script)


async def test_a_session_that_does_not_start_is_an_error_with_its_reason(running: ServiceHub) -> None:
    async with AsyncClient(running.hub.url, await running.token(running.bob)) as client:
        with pytest.raises((SessionFailedError, RefusedError), match="Absent"):
            await client.launch("absent")
        await client.remove("absent")
