"""Sleep with memory through the real hub: over REST, through races, the hub's end, and what else may go wrong."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.hub import AS_ROOT, LIMIT, TempHub
from tests.support.hub_desktop import SLEEPER, HubDesktop, add_app, image_of
from tests.support.service import ADMIN, Api, ServiceHub, service_hub
from tests.support.sleeping import another, as_it_was, needs_memory, settled, type_text
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.hub,
    pytest.mark.x11,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(400),
    needs_memory,
    pytest.mark.skipif(not AS_ROOT, reason="a hub that is not root's puts images into the home of whoever runs tests"),
]


QUOTAS = {
    "busy": {"sessions": 0},
    "late": {"session_hours": {"hours": 1e-6, "days": 1}},
    "poor": {"budget": {"amount": 1e-6, "days": 1}},
    "full": {"storage": "1K"},
}
CONFIG = f"""
c.StreamSpace.memory_sleep = True
c.StreamSpace.quotas = {{"groups": {QUOTAS}}}
c.JupyterHub.load_groups = {{name: {{"users": []}} for name in {list(QUOTAS)}}}
c.JupyterHub.load_roles.append({{"name": "grouper", "services": ["test"], "scopes": ["groups"]}})
with open(run["folder"] + "/apps/sleeper.yaml", "w") as file:
    file.write({SLEEPER!r})
"""
"""The service reads its catalog when it starts."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ServiceHub]:
    async with service_hub(config=CONFIG, prices={"session_hour": 1}) as found:
        yield found


async def started(running: ServiceHub, name: str = "one") -> tuple[Api, str, HubDesktop]:
    """Start a session of the app; return its owner's API, its path and its desktop, with something typed."""
    await running.hub.start_server(running.ann, name, {"app": "sleeper"})
    desktop = HubDesktop(running.hub)
    await desktop.running()
    await type_text(desktop, 30 * "not saved ")
    return await running.api(running.ann), f"/sessions/{running.ann}/{name}", desktop


async def hibernated(ann: Api, path: str) -> dict[str, Any]:
    """Put a session to sleep with its memory; return it as it is then."""
    reply = await ann("POST", f"{path}/hibernate")
    assert reply.status_code in (200, 202), reply.text
    return await ann.until(path, "sleeping")


async def woken(ann: Api, path: str) -> dict[str, Any]:
    """Wake a session; return it as it is then."""
    reply = await ann("POST", f"{path}/resume")
    assert reply.status_code == 202, reply.text
    return await ann.until(path, "running")


async def removed(running: ServiceHub, ann: Api, path: str) -> None:
    """Take a session off the list."""
    assert (await ann("DELETE", path)).status_code in (202, 204)
    deadline = time.monotonic() + LIMIT
    while (await ann("GET", path)).status_code != 404:
        assert time.monotonic() < deadline, running.hub.log
        await asyncio.sleep(0.1)


async def progress(hub: TempHub, user: str, server: str) -> list[str]:
    """Follow a start to its end; return what the user is told meanwhile."""
    told = []
    url = f"{hub.url}/hub/api/users/{user}/servers/{server}/progress"
    async with hub.client.stream("GET", url, headers={"Authorization": f"token {hub.token}"}) as reply:
        async for line in reply.aiter_lines():
            if line.startswith("data:"):
                event = json.loads(line.removeprefix("data:"))
                told.append(event["message"])
                if event.get("ready") or event.get("failed"):
                    return told
    return told


async def test_a_session_sleeps_and_wakes_as_it_was(running: ServiceHub) -> None:
    ann, path, desktop = await started(running)
    hub, user = running.hub, running.ann
    before = await settled(desktop)
    asleep = await hibernated(ann, path)
    assert asleep["asleep_since"] is not None
    image = image_of(hub, user, "one")
    on_disk = sum(file.stat().st_size for file in image.rglob("*") if file.is_file() and file.name != "manifest.json")
    assert asleep["asleep_bytes"] == on_disk > 0
    assert (image.parent.stat().st_mode & 0o777, image.stat().st_mode & 0o777) == (0o700, 0o700)
    assert json.loads((image / "manifest.json").read_text())["signature"], "it is not encrypted"
    typed = b"not saved not saved"
    assert not [file for file in image.rglob("*") if file.is_file() and typed in file.read_bytes()]
    assert desktop.processes() == []
    assert not desktop.runtime_dir.exists()
    assert (await ann("POST", f"{path}/hibernate")).json() == asleep, "asked again, it sleeps as it did"

    resumed = await ann("POST", f"{path}/resume")
    assert (resumed.status_code, resumed.json()["state"]) == (202, "resuming"), resumed.text
    told = await progress(hub, user, "one")
    assert any(sentence.startswith("Waking Sleeper, ") and sentence.endswith(" MB.") for sentence in told), told
    assert "Sleeper is as it was." in told
    await ann.until(path, "running")
    desktop = HubDesktop(hub)
    await as_it_was(desktop, before)
    await type_text(desktop, 40 * "x")
    await another(desktop, before)
    await removed(running, ann, path)
    admin = await running.api(ADMIN)
    lines = (await admin("GET", "/audit", params={"target": f"{user}/one", "limit": 100})).json()["events"]
    asked = {line["action"] for line in lines if line["actor"] == f"user:{user}"}
    assert asked == {"session.hibernate", "session.create", "session.delete"}


async def test_waking_is_refused_where_a_quota_is_used_up_and_nothing_is_lost(running: ServiceHub) -> None:
    ann, path, _ = await started(running)
    asleep = await hibernated(ann, path)
    words = {
        "busy": "Sleeper needs 1 session; the quota of group busy is 0 sessions",
        "late": "Sleeper cannot start: the quota of group late is 1e-06 session-hours in a day",
        "poor": "Sleeper cannot start: the budget of group poor is 0.00 in a day",
        "full": "Sleeper cannot start: the quota of group full is 9.54e-07 GiB of files",
    }
    for group, said in words.items():
        members = (f"/groups/{group}/users", {"users": [running.ann]})
        (await running.hub.api("POST", members[0], json=members[1])).raise_for_status()
        refused = await ann("POST", f"{path}/resume")
        (await running.hub.api("DELETE", members[0], json=members[1])).raise_for_status()
        assert (refused.status_code, refused.json()["detail"][: len(said)]) == (409, said)
        assert (await ann("GET", path)).json()["state"] == asleep["state"]
    await woken(ann, path)
    await removed(running, ann, path)


async def test_what_is_woken_and_put_to_sleep_again_sleeps_as_it_is_then(running: ServiceHub) -> None:
    ann, path, _ = await started(running)
    await hibernated(ann, path)
    await woken(ann, path)
    await type_text(HubDesktop(running.hub), 30 * "and more ")
    before = await settled(HubDesktop(running.hub))
    await hibernated(ann, path)
    await woken(ann, path)
    await as_it_was(HubDesktop(running.hub), before)
    await removed(running, ann, path)


async def test_a_hundred_who_wake_it_at_once_get_one_session(running: ServiceHub) -> None:
    ann, path, desktop = await started(running)
    before = await settled(desktop)
    await hibernated(ann, path)
    token = {"Authorization": f"token {running.hub.token}"}
    url = f"{running.hub.url}/hub/api/users/{running.ann}/servers/one"
    replies = await asyncio.gather(
        *(ann("POST", f"{path}/resume") for _ in range(50)),
        *(running.hub.client.post(url, headers=token) for _ in range(50)),
    )
    assert all(reply.status_code in (200, 201, 202, 400) for reply in replies), [reply.text for reply in replies]
    await ann.until(path, "running")
    assert len(list((running.hub.folder / "run").iterdir())) == 1
    await as_it_was(HubDesktop(running.hub), before)
    await removed(running, ann, path)


async def test_waking_while_it_goes_to_sleep_is_refused_and_loses_nothing(running: ServiceHub) -> None:
    ann, path, desktop = await started(running)
    before = await settled(desktop)
    sleeping = asyncio.create_task(ann("POST", f"{path}/hibernate"))
    refused = 0
    while not sleeping.done():
        reply = await ann("POST", f"{path}/resume")
        refused += reply.status_code == 409
        if reply.status_code == 409:
            assert "just being put to sleep" in reply.json()["detail"], reply.text
        elif reply.status_code == 202:
            break
    assert (await sleeping).status_code in (200, 202)
    assert refused > 0
    if (await ann("GET", path)).json()["state"] == "sleeping":
        await woken(ann, path)
    await ann.until(path, "running")
    await as_it_was(HubDesktop(running.hub), before)
    await removed(running, ann, path)


async def test_two_who_put_it_to_sleep_at_once_do_no_harm(running: ServiceHub) -> None:
    ann, path, desktop = await started(running)
    before = await settled(desktop)
    replies = await asyncio.gather(*(ann("POST", f"{path}/hibernate") for _ in range(3)))
    assert any(reply.status_code in (200, 202) for reply in replies), [reply.text for reply in replies]
    assert all(reply.status_code in (200, 202, 409) for reply in replies), [reply.text for reply in replies]
    await ann.until(path, "sleeping")
    await woken(ann, path)
    await as_it_was(HubDesktop(running.hub), before)
    await removed(running, ann, path)


async def test_an_ordinary_stop_keeps_nothing(running: ServiceHub) -> None:
    ann, path, _ = await started(running)
    await hibernated(ann, path)
    stopped = await ann("POST", f"{path}/stop")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "stopped"), stopped.text
    assert not image_of(running.hub, running.ann, "one").exists()
    reply = await ann("POST", f"{path}/resume")
    assert (reply.status_code, reply.json()["state"]) == (202, "starting")
    await ann.until(path, "running")
    assert (await ann("POST", f"{path}/stop")).status_code in (200, 202)
    assert (await ann.until(path, "stopped"))["asleep_bytes"] is None
    await removed(running, ann, path)


async def test_deleting_a_sleeping_session_removes_its_memory_and_leaves_files(running: ServiceHub) -> None:
    ann, path, _ = await started(running)
    home = running.hub.folder / "home" / running.ann
    (home / "drawing.txt").write_text("saved")
    await hibernated(ann, path)
    await removed(running, ann, path)
    assert not image_of(running.hub, running.ann, "one").exists()
    assert (home / "drawing.txt").read_text() == "saved"


async def test_links_in_a_users_home_lead_the_hub_nowhere(running: ServiceHub) -> None:
    hub = running.hub
    precious = hub.folder / "precious"
    (precious / "one").mkdir(parents=True)
    (precious / "one" / "file").write_text("root's")
    ann, path, _ = await started(running)
    await hibernated(ann, path)
    folder = image_of(hub, running.ann, "one").parent
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(precious)
    await removed(running, ann, path)
    assert (precious / "one" / "file").read_text() == "root's"
    folder.unlink()


IMITATOR = """
import json, os, pathlib, socket
own = pathlib.Path(os.environ["XDG_RUNTIME_DIR"]).parent / "desktop.sock"
own.unlink()
listener = socket.socket(socket.AF_UNIX)
listener.bind(str(own))
listener.listen()
open("imitating", "w").close()
status = {"display": os.environ["DISPLAY"], "app": {"state": "running"}, "sleep": {"state": "asleep"}}
while True:
    link, _ = listener.accept()
    for line in link.makefile():
        answer = {"id": json.loads(line)["id"], "ok": True, "bytes": -1, "status": status}
        link.sendall(json.dumps(answer).encode() + b"\\n")
"""


async def test_a_program_in_the_place_of_the_supervisors_socket_gains_and_loses_nothing(running: ServiceHub) -> None:
    ann, path, desktop = await started(running)
    home = running.hub.folder / "home" / running.ann
    (home / "imitate.py").write_text(IMITATOR)
    await type_text(desktop, "\npython3 ~/imitate.py &\nclear\n")
    before = await settled(desktop, 2)
    await asyncio.to_thread(eventually, (home / "imitating").exists, "the imitator")
    await hibernated(ann, path)
    assert image_of(running.hub, running.ann, "one").exists()
    await woken(ann, path)
    await as_it_was(HubDesktop(running.hub), before)
    await removed(running, ann, path)


async def test_nobody_else_puts_a_session_to_sleep_or_wakes_it(running: ServiceHub) -> None:
    ann, path, desktop = await started(running)
    bob, hub = await running.api(running.bob), running.hub
    entry = "access:services!service=streamspace"
    looker = await running.api(running.ann, scopes=[entry, "custom:streamspace:view!user"])
    controller = await running.api(running.ann, scopes=[entry, "custom:streamspace:control!user"])
    for api in (bob, looker, controller):
        assert (await api("POST", f"{path}/hibernate")).status_code == 403
    token = await running.token(running.ann)
    direct = await hub.client.post(
        f"{hub.url}/user/{running.ann}/one/streamspace/api/v1/hibernate",
        headers={"Authorization": f"token {token}"},
        json={},
    )
    assert (direct.status_code, "The service puts" in direct.json()["message"]) == (403, True), direct.text
    told = {"user": running.ann, "server": "one", "since": "2026-01-01T00:00:00+00:00", "bytes": 1}
    bobs = await running.token(running.bob)
    for who in (token, bobs):
        headers = {"Authorization": f"token {who}"}
        url = f"{hub.url}/hub/api/streamspace/asleep"
        assert (await hub.client.put(url, headers=headers, json=told)).status_code == 403
        assert (await hub.client.get(url, headers=headers)).status_code == 403
    assert (await desktop.status())["sleep"]["state"] == "awake"
    await hibernated(ann, path)
    headers = {"Authorization": f"token {bobs}"}
    assert (await bob("POST", f"{path}/resume")).status_code == 403
    for method, url in (
        ("POST", f"{hub.url}/hub/api/users/{running.ann}/servers/one"),
        ("GET", f"{hub.url}/hub/api/streamspace/asleep/{running.ann}"),
        ("DELETE", f"{hub.url}/hub/api/streamspace/asleep/{running.ann}/one"),
    ):
        assert (await hub.client.request(method, url, headers=headers)).status_code in (403, 404), url
    own = await hub.client.get(
        f"{hub.url}/hub/api/streamspace/asleep/{running.ann}", headers={"Authorization": f"token {token}"}
    )
    assert own.json()["one"]["app"] == "sleeper"
    assert (await ann("GET", path)).json()["state"] == "sleeping"
    await removed(running, ann, path)


async def test_a_sleeping_session_is_not_replaced_by_another_app(running: ServiceHub) -> None:
    ann, path, _ = await started(running)
    await hibernated(ann, path)
    refused = await ann("POST", "/sessions", json={"app": "test-app", "name": "one"})
    assert (refused.status_code, "keeps another app asleep" in refused.json()["detail"]) == (409, True), refused.text
    direct = await running.hub.request_start(running.ann, "one", {"app": "test-app"})
    assert (direct.status_code, "is asleep under this name" in direct.json()["message"]) == (409, True), direct.text
    assert (await ann("GET", path)).json()["state"] == "sleeping"
    # Without options it is the one that sleeps.
    await woken(ann, path)
    await removed(running, ann, path)


async def test_an_app_that_has_changed_meanwhile_starts_anew_and_says_so(running: ServiceHub) -> None:
    ann, path, _ = await started(running)
    await hibernated(ann, path)
    add_app(running.hub, SLEEPER.replace("--norc", "--norc, --noprofile"))
    try:
        assert (await ann("POST", f"{path}/resume")).status_code == 202
        told = await progress(running.hub, running.ann, "one")
        assert any("has been started anew" in sentence and "another way" in sentence for sentence in told), told
    finally:
        add_app(running.hub)
    await ann.until(path, "running")
    await removed(running, ann, path)


async def test_a_session_whose_image_is_gone_starts_anew_and_says_so(running: ServiceHub) -> None:
    ann, path, _ = await started(running)
    await hibernated(ann, path)
    image = image_of(running.hub, running.ann, "one")
    image.rename(image.with_name("elsewhere"))
    assert (await ann("POST", f"{path}/resume")).status_code == 202
    told = await progress(running.hub, running.ann, "one")
    assert any("has been started anew" in sentence and "there is none" in sentence for sentence in told), told
    await ann.until(path, "running")
    await removed(running, ann, path)


async def test_where_memory_cannot_be_kept_it_goes_on_and_says_why(running: ServiceHub) -> None:
    ann, path = await running.api(running.ann), f"/sessions/{running.ann}/plain"
    async with running.hub.session(running.ann, "plain"):
        await HubDesktop(running.hub).running()
        refused = await ann("POST", f"{path}/hibernate")
        assert refused.status_code == 409, refused.text
        assert "It is not known whether Test app lives on" in refused.json()["detail"]
        assert (await ann("GET", path)).json()["state"] == "running"
    await ann.until(path, "stopped")
    refused = await ann("POST", f"{path}/hibernate")
    assert (refused.status_code, "is stopped" in refused.json()["detail"]) == (409, True), refused.text


async def test_a_hub_that_ends_finds_what_sleeps_again(running: ServiceHub) -> None:
    ann, path, desktop = await started(running)
    before = await settled(desktop)
    await hibernated(ann, path)
    running.hub.kill()
    await running.hub.start()
    assert (await ann.until(path, "sleeping"))["asleep_bytes"] > 0
    await woken(ann, path)
    await as_it_was(HubDesktop(running.hub), before)
    await removed(running, ann, path)


async def test_a_user_who_is_deleted_leaves_no_memory(running: ServiceHub) -> None:
    hub, bob = running.hub, running.bob
    await hub.start_server(bob, "last", {"app": "sleeper"})
    await settled(HubDesktop(hub))
    api, path = await running.api(bob), f"/sessions/{bob}/last"
    await hibernated(api, path)
    assert image_of(hub, bob, "last").exists()
    assert (await hub.api("DELETE", f"/users/{bob}")).status_code == 204
    assert not image_of(hub, bob, "last").exists()


async def test_the_service_knows_whose_memory_can_be_kept(running: ServiceHub) -> None:
    ann, path, _ = await started(running, "known")
    deadline = time.monotonic() + 2 * LIMIT
    while (session := (await ann("GET", path)).json())["memory"] is None:
        assert time.monotonic() < deadline, session
        await asyncio.sleep(0.5)
    assert (session["memory"], session["why_not"]) == (True, None)
    await removed(running, ann, path)
