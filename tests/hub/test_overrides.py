"""Overrides: what an administrator sets over REST holds for the next start, and reaches a hub that was restarted."""

from __future__ import annotations

import asyncio
import json
import pwd
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.hub import AS_ROOT, LIMIT, TempHub, new_user, processes_of
from tests.support.service import ADMIN, Api, ServiceHub, service_hub, until_up

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]

APP = {"app": "test-app"}
GROUP = "/Kurs/exam 1"
CONFIG = f"""\
c.StreamSpace.default_policy = {{"max_fps": 25}}
c.StreamSpace.policies = {{"groups": {{{GROUP!r}: {{"clipboard": "in", "max_viewers": 2}}}}}}
c.StreamSpace.sleep = {{"default": {{"stop_after": 7200}}, "longest": {{"stop_after": 0}}}}
c.JupyterHub.load_groups = {{{GROUP!r}: {{"users": []}}}}
c.JupyterHub.load_roles.append({{"name": "grouper", "services": ["test"], "scopes": ["groups"]}})
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ServiceHub]:
    async with service_hub(config=CONFIG) as found:
        yield found


async def change_group(running: ServiceHub, method: str, user: str) -> None:
    """Put a user into the group (`POST`), or take them out (`DELETE`)."""
    changed = await running.hub.client.request(
        method,
        f"{running.hub.url}/hub/api/groups/{GROUP.replace('/', '%2F').replace(' ', '%20')}/users",
        json={"users": [user]},
        headers={"Authorization": f"token {running.hub.token}"},
    )
    assert changed.status_code == 200, changed.text


async def put(api: Api, path: str, override: dict[str, Any]) -> None:
    """Set an override as one who has read it."""
    read = await api("GET", f"/overrides/{path}")
    written = await api("PUT", f"/overrides/{path}", json=override, headers={"If-Match": read.headers["etag"]})
    assert written.status_code == 200, written.text


def policy_in(hub: TempHub) -> dict[str, Any]:
    """Return the policy that the one running session was started with, from its processes' environment."""
    (folder,) = (hub.folder / "run").glob("*")
    (pid, *_) = processes_of(folder.name)
    variables = dict(
        line.split(b"=", 1) for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if b"=" in line
    )
    return dict(json.loads(variables[b"STREAMSPACE_POLICY"]))


async def started_with(running: ServiceHub, user: str, name: str, value: object) -> dict[str, Any]:
    """Return the policy of a session of the user, once one starts with this value: the hub is told a moment later."""
    async with asyncio.timeout(LIMIT):
        while True:
            async with running.hub.session(user, "one", APP):
                policy = policy_in(running.hub)
            if policy[name] == value:
                return policy


async def refused(running: ServiceHub, user: str) -> str:
    """Return why a start is refused, as soon as it is: the hub is told a moment later."""
    async with asyncio.timeout(LIMIT):
        while True:
            reply = await running.hub.request_start(user, "more", APP)
            if reply.status_code == 409:
                return str(reply.json()["message"])
            await running.hub.stop_server(user, "more")


def values(answer: dict[str, Any]) -> dict[str, tuple[Any, str, str | None]]:
    return {one["name"]: (one["value"], one["source"], one["group"]) for one in answer["values"] + answer["sleep"]}


async def test_the_next_start_of_a_user_follows_what_an_administrator_sets(running: ServiceHub) -> None:
    admin, ann = await running.api(ADMIN), running.ann
    await change_group(running, "POST", ann)
    async with running.hub.session(ann, "one", APP):
        before = policy_in(running.hub)
    assert (before["clipboard"], before["max_viewers"], before["max_fps"]) == ("in", 2, 25), "by group, and hub"
    await put(admin, "everybody", {"policy": {"max_fps": 20}, "sleep": {"stop_after": 3600}})
    await put(admin, f"groups/{GROUP.replace('/', '%2F')}", {"policy": {"clipboard": "out", "audio": False}})
    await put(admin, f"users/{ann}", {"policy": {"clipboard": "none"}, "quota": {"sessions": 1}})
    after = await started_with(running, ann, "clipboard", "none")
    assert (after["max_viewers"], after["max_fps"], after["audio"]) == (2, 20, False)
    shown = values((await admin("GET", f"/policies/test-app?user={ann}")).json())
    assert shown["clipboard"] == ("none", "admin for user", None)
    assert shown["audio"] == (False, "admin for group", GROUP)
    assert shown["max_fps"] == (20, "admin", None)
    assert shown["max_viewers"] == (2, "group", GROUP)
    assert shown["stop_after"] == (3600, "admin", None)
    mine = await running.api(ann)
    (limit,) = (await mine("GET", f"/users/{ann}/quota")).json()["limits"]
    assert (limit["kind"], limit["limit"], limit["source"]) == ("sessions", 1, "admin for user")
    async with running.hub.session(ann, "one", APP):
        refused = await running.hub.request_start(ann, "two", APP)
        assert refused.status_code == 409
        assert "the quota that an administrator has set for you is 1 session" in refused.json()["message"]
    settings = await mine("GET", f"/users/{ann}/settings")
    longer = await mine(
        "PUT",
        f"/users/{ann}/settings",
        json={"sleep": {"stop_after": 7200}},
        headers={"If-Match": settings.headers["etag"]},
    )
    assert longer.status_code == 422, "no choice is left"
    async with running.hub.session(running.bob, "one", APP):
        assert policy_in(running.hub)["clipboard"] == "both", "others are not meant"


async def test_a_group_has_together_what_an_administrator_sets(running: ServiceHub) -> None:
    admin, path = await running.api(ADMIN), f"groups/{GROUP.replace('/', '%2F')}"
    await change_group(running, "POST", running.bob)
    await put(admin, f"users/{running.ann}", {})
    await put(admin, path, {"together": {"sessions": 1}})
    async with running.hub.session(running.ann, "one", APP):
        said = await refused(running, running.bob)
    assert "the quota that an administrator has set for group /Kurs/exam 1 for all its members together is 1" in said
    limits = (await admin("GET", f"/users/{running.bob}/quota")).json()["limits"]
    assert [(one["kind"], one["limit"], one["source"], one["group"], one["together"]) for one in limits] == [
        ("sessions", 1, "admin for group", GROUP, True)
    ]
    await put(admin, path, {})
    await change_group(running, "DELETE", running.bob)


@pytest.mark.skipif(not AS_ROOT, reason="the home of whoever runs the tests is no user's own")
async def test_files_are_limited_by_what_an_administrator_sets(running: ServiceHub) -> None:
    admin, eve = await running.api(ADMIN), new_user()
    running.hub.users.append(eve)
    (await running.hub.api("POST", f"/users/{eve}")).raise_for_status()
    await put(admin, f"users/{eve}", {"quota": {"storage": "1M"}})
    async with running.hub.session(eve, "one", APP):
        Path(pwd.getpwnam(eve).pw_dir, "large").write_bytes(b"x" * 2 * 2**20)
    said = await refused(running, eve)
    assert "the quota that an administrator has set for you is 0.000977 GiB of files" in said
    (limit,) = (await admin("GET", f"/users/{eve}/quota")).json()["limits"]
    assert (limit["kind"], limit["limit"], limit["source"]) == ("storage", 2**20, "admin for user")
    assert limit["used"] >= 2 * 2**20


async def test_a_hub_that_was_restarted_waits_for_the_services_word(running: ServiceHub) -> None:
    await put(await running.api(ADMIN), f"users/{running.ann}", {"policy": {"clipboard": "none"}})
    await started_with(running, running.ann, "clipboard", "none")
    running.hub.kill()
    await running.hub.start()
    async with running.hub.session(running.ann, "one", APP):
        assert policy_in(running.hub)["clipboard"] == "none", "at once"
    await until_up(running.hub.url, lambda: running.hub.log)


async def test_of_two_administrators_the_second_gets_a_conflict_and_nothing_is_lost(running: ServiceHub) -> None:
    admin, path = await running.api(ADMIN), f"/overrides/users/{running.bob}"
    read = {"If-Match": (await admin("GET", path)).headers["etag"]}
    first = await admin("PUT", path, json={"policy": {"audio": False}}, headers=read)
    assert first.status_code == 200
    assert first.headers["etag"] == (await admin("GET", path)).headers["etag"]
    second = await admin("PUT", path, json={"policy": {"max_fps": 10}}, headers=read)
    assert (second.status_code, second.json()["type"]) == (412, "urn:streamspace:problem:changed")
    assert second.headers["etag"] == first.headers["etag"]
    assert (await admin("DELETE", path, headers=read)).status_code == 412
    listed = (await admin("GET", "/overrides?limit=200")).json()["overrides"]
    (kept,) = (one for one in listed if (one["kind"], one["name"]) == ("user", running.bob))
    assert {name: value for name, value in kept["override"]["policy"].items() if value is not None} == {"audio": False}
    assert (await admin("DELETE", path, headers={"If-Match": first.headers["etag"]})).status_code == 204
    assert (await admin("GET", path)).json()["policy"]["audio"] is None
    lines = (await admin("GET", f"/audit?target=user:{running.bob}")).json()["events"]
    assert [(line["action"], line["details"]["policy"]) for line in lines] == [
        ("override.delete", {}),
        ("override.write", {"audio": False}),
    ]


async def test_both_of_two_who_write_at_once_see_the_same_end(running: ServiceHub) -> None:
    admin, path = await running.api(ADMIN), "/overrides/groups/at-once"
    read = {"If-Match": (await admin("GET", path)).headers["etag"]}
    wanted = [admin("PUT", path, json={"policy": {"max_fps": fps}}, headers=read) for fps in range(1, 9)]
    answers = await asyncio.gather(*wanted)
    assert sorted(one.status_code for one in answers) == [200] + [412] * 7
    (winner,) = (one.json()["policy"]["max_fps"] for one in answers if one.status_code == 200)
    assert (await admin("GET", path)).json()["policy"]["max_fps"] == winner


@pytest.mark.parametrize(
    ("bad", "field", "words"),
    [
        ({"policy": {"clipbord": "none"}}, "policy.clipbord", ["did you mean `clipboard`", "Accepted here"]),
        ({"policy": {"clipboard": "maybe"}}, "policy.clipboard", ["both, in, out, none"]),
        ({"policy": {"max_fps": 500}}, "policy.max_fps", ["at most 120"]),
        ({"policy": {"max_fps": "30"}}, "policy.max_fps", ["a whole number"]),
        ({"policy": {"audio": 1}}, "policy.audio", ["true or false"]),
        ({"quota": {"gpus": True}}, "quota.gpus", ["a whole number, not true"]),
        ({"quota": {"gpus": -1}}, "quota.gpus", ["at least 0"]),
        ({"sleep": {"stop_after": 3}}, "sleep.stop_after", ["30 to 31536000"]),
        ({"quota": {"budget": {"amount": 5}}}, "quota.budget.days", ["is missing"]),
        ({"quota": {"budget": {"amount": 5, "days": 30}}}, "quota.budget", ["needs prices above 0"]),
        ({"together": {"sessions": 5}}, "together", ["is for groups"]),
        ({"limits": {}}, "limits", ["policy, quota, together, sleep"]),
    ],
)
async def test_what_is_no_override_is_refused_by_name(
    running: ServiceHub, bad: dict[str, Any], field: str, words: list[str]
) -> None:
    admin = await running.api(ADMIN)
    answer = await admin("PUT", "/overrides/everybody", json=bad, headers={"If-Match": "*"})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert all(word in error["message"] for word in words), error


async def test_only_administrators_see_and_set_them(running: ServiceHub) -> None:
    ann = await running.api(running.ann)
    own = f"/overrides/users/{running.ann}"
    assert (await ann("GET", "/overrides")).status_code == 403
    assert (await ann("GET", own)).status_code == 403
    assert (await ann("PUT", own, json={}, headers={"If-Match": "*"})).status_code == 403
    assert (await ann("DELETE", own, headers={"If-Match": "*"})).status_code == 403
    for token in (running.hub.token, await running.token(ADMIN), await running.token(running.ann)):
        reply = await running.hub.api("PUT", "/streamspace/overrides", token=token, json={})
        assert reply.status_code == 403, "the hub hears the service alone"
