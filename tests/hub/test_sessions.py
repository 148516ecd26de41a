"""Sessions through a real hub's REST API."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub import AS_ROOT, HUB_MAJOR, TempHub, processes_of

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]

APP = {"app": "test-app"}


def kept(model: dict[str, Any]) -> dict[str, Any]:
    """Return what the hub keeps of a session."""
    state: dict[str, Any] = model["state"]["streamspace"]
    return state


async def test_starts_and_stops_without_leaving_anything(hub: TempHub) -> None:
    user = hub.users[0]
    model = await hub.start_server(user, "one", APP)
    marker, folder = kept(model)["marker"], Path(kept(model)["folder"])
    assert kept(model)["app"] == "test-app"
    assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (kept(model)["uid"], 0o700)
    assert {os.stat(f"/proc/{pid}").st_uid for pid in processes_of(marker)} <= {kept(model)["uid"], 0}
    assert len(processes_of(marker)) >= 4
    await hub.stop_server(user, "one")
    assert processes_of(marker) == []
    assert not folder.exists()
    assert (await hub.api("DELETE", f"/users/{user}/servers/one")).status_code == 204, "stopping twice is no error"


async def test_opens_on_the_viewer_page(hub: TempHub) -> None:
    user = hub.users[0]
    async with hub.session(user):
        reply = await hub.get(f"/user/{user}/one/", token=await hub.user_token(user))
        assert reply.status_code == 302
        assert reply.headers["location"] == f"/user/{user}/one/streamspace/"


async def test_what_the_template_asks_for_reaches_spawner_and_session(hub: TempHub) -> None:
    needs = "{cpu_guarantee: 0.5, cpu_limit: 2, mem_guarantee: 256M, mem_limit: 1.5G}"
    (hub.folder / "apps" / "measured.yaml").write_text(
        f"name: measured\ntitle: Measured\ncommand: [xterm]\nresources: {needs}\n"
    )
    async with hub.session(hub.users[0], "one", {"app": "measured"}) as model:
        variables = Path(f"/proc/{model['state']['pid']}/environ").read_text().split("\0")
    expected = {"CPU_GUARANTEE=0.5", "CPU_LIMIT=2.0", f"MEM_GUARANTEE={256 << 20}", f"MEM_LIMIT={3 << 29}"}
    assert expected <= set(variables)


async def test_a_server_with_an_apps_name_is_the_app(hub: TempHub) -> None:
    async with hub.session(hub.users[0], "test-app", {}) as model:
        assert kept(model)["app"] == "test-app"


async def test_a_plain_start_repeats_the_app(hub: TempHub) -> None:
    user = hub.users[0]
    async with hub.session(user, "drawing"):
        pass
    reply = await hub.api("POST", f"/users/{user}/servers/drawing")
    assert reply.status_code in (201, 202)
    assert kept(await hub.until_ready(user, "drawing"))["app"] == "test-app"
    await hub.stop_server(user, "drawing")


async def test_the_body_of_a_newer_client_means_the_same(hub: TempHub) -> None:
    user = hub.users[0]
    reply = await hub.api("POST", f"/users/{user}/servers/one", json={"user_options": APP})
    assert reply.status_code in (201, 202)
    assert kept(await hub.until_ready(user, "one"))["app"] == "test-app"
    await hub.stop_server(user, "one")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"app": "tset-app"}, ["no app `tset-app`", "test-app"]),
        ({"app": 7}, ["`app`", "text"]),
        ({"app": "test-app", "colour": "red"}, ["`colour`", "app, open"]),
        ({"app": "test-app", "open": "../x"}, ["`open`", "below your home"]),
    ],
)
async def test_bad_options_get_a_sentence(hub: TempHub, options: dict[str, Any], words: list[str]) -> None:
    user = hub.users[0]
    reply = await hub.request_start(user, "bad", options)
    assert reply.status_code == 400
    assert all(word in reply.json()["message"] for word in words), reply.text
    assert "Traceback" not in reply.text
    assert await hub.server(user, "bad") is None


async def test_progress_is_plain_sentences(hub: TempHub) -> None:
    user = hub.users[0]
    start = asyncio.create_task(hub.request_start(user, "one", APP))
    reply = None
    while reply is None or reply.status_code != 200:  # until the hub has begun
        reply = await hub.api("GET", f"/users/{user}/servers/one/progress")
    assert (await start).status_code in (201, 202)
    events = [json.loads(line.removeprefix("data: ")) for line in reply.text.splitlines() if line.startswith("data: ")]
    messages = [event["message"] for event in events]
    assert "Starting a desktop with Test app." in messages
    assert events[-1]["ready"]
    assert [event["progress"] for event in events] == sorted(event["progress"] for event in events)
    await hub.stop_server(user, "one")


async def test_the_first_process_killed_ends_the_session(hub: TempHub) -> None:
    user = hub.users[0]
    model = await hub.start_server(user, "one", APP)
    os.kill(model["state"]["pid"], signal.SIGKILL)
    await hub.until_gone(user, "one")
    assert processes_of(kept(model)["marker"]) == []
    assert not Path(kept(model)["folder"]).exists()


async def test_two_clicks_at_once_make_one_session(hub: TempHub) -> None:
    user = hub.users[0]
    replies = await asyncio.gather(*(hub.request_start(user, "one", APP) for _ in range(2)))
    # The hub's own words for the second, should the first be up already: it is running.
    assert {reply.status_code for reply in replies} <= {201, 202, 400}
    assert all("already running" in reply.text for reply in replies if reply.status_code == 400)
    marker = kept(await hub.until_ready(user, "one"))["marker"]
    runners = {os.stat(path).st_ino for path in (hub.folder / "run").iterdir()}
    assert len(runners) == 1
    await hub.stop_server(user, "one")
    assert processes_of(marker.partition(".")[0]) == []


def variables_of(pid: int) -> str:
    """Return a process's environment; nothing of one that has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/environ").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.mark.parametrize("started", [False, True])
async def test_a_stop_in_the_middle_of_the_start_leaves_nothing(hub: TempHub, started: bool) -> None:
    user = hub.users[0]
    start = asyncio.create_task(hub.request_start(user, "one", APP))
    while await hub.server(user, "one") is None or (started and not any((hub.folder / "run").glob("*"))):
        assert not start.done(), start.result().text
        await asyncio.sleep(0.01)
    await hub.stop_server(user, "one")
    await asyncio.gather(start, return_exceptions=True)
    assert list((hub.folder / "run").glob("*")) == []
    assert [pid for pid in processes_of("") if f"/user/{user}/one/" in variables_of(pid)] == []
    async with hub.session(user):
        pass  # and it starts as if nothing had been


async def test_a_start_in_the_middle_of_the_stop_is_told_to_come_back(hub: TempHub) -> None:
    user = hub.users[0]
    await hub.start_server(user, "one", APP)
    stop = asyncio.create_task(hub.api("DELETE", f"/users/{user}/servers/one"))
    while (model := await hub.server(user, "one")) and model["pending"] != "stop":
        await asyncio.sleep(0.01)
    reply = await hub.request_start(user, "one", APP)
    assert (await stop).status_code in (202, 204)
    if reply.status_code == 400:  # else it had ended already
        assert "pending stop" in reply.json()["message"]
        await hub.until_gone(user, "one")
        await hub.start_server(user, "one", APP)
    else:
        await hub.until_ready(user, "one")
    await hub.stop_server(user, "one")


async def test_users_are_kept_apart(hub: TempHub) -> None:
    ann, bob = hub.users
    tokens = {user: await hub.user_token(user) for user in (ann, bob)}
    async with hub.session(ann) as hers, hub.session(bob) as his:
        for user, other in ((ann, bob), (bob, ann)):
            assert (await hub.get(f"/user/{user}/one/", token=tokens[user])).status_code == 302
            assert (await hub.get(f"/user/{other}/one/streamspace/", token=tokens[user])).status_code == 403
            assert (await hub.api("DELETE", f"/users/{other}/servers/one", token=tokens[user])).status_code == 404
        if AS_ROOT:
            assert kept(hers)["uid"] != kept(his)["uid"]
            assert min(kept(hers)["uid"], kept(his)["uid"]) >= 1000
            look = ["ls", kept(hers)["folder"]]
            assert subprocess.run(look, check=False, user=kept(his)["uid"], capture_output=True).returncode != 0
        async with hub.session(ann, "two") as third:
            pass
        assert processes_of(kept(third)["marker"]) == []
        assert processes_of(kept(hers)["marker"])
        assert processes_of(kept(his)["marker"]), "the stop of one session leaves the others alone"


async def test_a_sessions_token_does_the_least(hub: TempHub) -> None:
    user = hub.users[0]
    async with hub.session(user):
        listed = (await hub.api("GET", f"/users/{user}/tokens")).json()["api_tokens"]
        scopes = next(token["scopes"] for token in listed if token["note"] == f"Server at /user/{user}/one/")
        assert {scope for scope in scopes if not scope.startswith("read:users:")} == {
            f"access:servers!server={user}/one",
            f"delete:servers!server={user}/one",
            f"read:shares!server={user}/one",
            f"users:activity!user={user}",
        }


async def test_viewers_scopes_are_held_by_users_and_asked_for_by_sessions(hub: TempHub) -> None:
    user = hub.users[0]
    me = (await hub.api("GET", "/user", token=await hub.user_token(user))).json()["scopes"]
    assert {f"custom:streamspace:{right}!user={user}" for right in ("view", "control")} <= set(me)
    async with hub.session(user) as model:
        if AS_ROOT:
            environment = Path(f"/proc/{model['state']['pid']}/environ").read_text()
            variables = dict(line.split("=", 1) for line in environment.split("\0") if line)
            allowed = json.loads(variables["JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES"])
            assert set(allowed) == {"custom:streamspace:view!server"}


async def test_without_traces_nothing_of_a_trace_is_handed_on(hub: TempHub) -> None:
    user = hub.users[0]
    body = {"user_options": APP} if HUB_MAJOR >= 6 else APP
    headers = {
        "Authorization": f"token {hub.token}",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    reply = await hub.client.post(f"{hub.url}/hub/api/users/{user}/servers/one", headers=headers, json=body)
    assert reply.status_code in (201, 202), reply.text
    model = await hub.until_ready(user, "one")
    pids = processes_of(kept(model)["marker"])
    assert pids
    for pid in pids:
        environment = Path(f"/proc/{pid}/environ").read_text()
        assert not any(word in environment for word in ("TRACEPARENT=", "OTEL_", "STREAMSPACE_TRACES_ENDPOINT="))
    await hub.stop_server(user, "one")
