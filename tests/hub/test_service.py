"""The service as the hub runs it: REST, rights, versions, keys, limits, the audit log and events."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio

from streamspace_hub.model.chain import check_lines
from tests.support.service import ABSENT_APP, ADMIN, LIMIT, Api, ServiceHub, service_hub, until_up

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]

APP = {"app": "test-app"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ServiceHub]:
    config = 'c.StreamSpace.quotas = {"default": {"sessions": 9}}; c.StreamSpace.default_policy = {"max_fps": 25}'
    async with service_hub(config=f"{config}\n{ABSENT_APP}", prices={"currency": "EUR", "session_hour": 3600}) as found:
        yield found


def kind(reply: httpx.Response) -> str:
    """Return the name of a problem, after checking that it is one."""
    body = reply.json()
    assert reply.headers["content-type"] == "application/problem+json"
    assert body["status"] == reply.status_code
    assert body["request_id"] == reply.headers["x-request-id"]
    return str(body["type"]).removeprefix("urn:streamspace:problem:")


async def audit(running: ServiceHub, **query: Any) -> list[dict[str, Any]]:
    """Return lines of the audit log, the newest first."""
    admin = await running.api(ADMIN)
    return list((await admin("GET", "/audit", params=query)).json()["events"])


async def test_the_audit_log_is_closed_to_other_accounts_of_the_machine(running: ServiceHub) -> None:
    files = list(Path(running.hub.folder).glob("streamspace.sqlite*"))
    assert files
    assert all(file.stat().st_mode & 0o077 == 0 for file in files), files


async def test_a_session_from_start_to_removal(running: ServiceHub) -> None:
    ann = await running.api(running.ann)
    path = f"/sessions/{running.ann}/one"
    begun = await ann("POST", "/sessions", json=APP | {"name": "one"})
    assert begun.status_code == 202
    assert begun.headers["location"].endswith(f"/services/streamspace/api/v1{path}")
    assert begun.json()["state"] == "starting"
    session = await ann.until(path, "running")
    assert session["url"] == f"/user/{running.ann}/one/streamspace/"
    page = await running.hub.get(session["url"], token=await running.token(running.ann))
    assert page.status_code == 200, "what the API calls running can be opened"
    again = await ann("POST", "/sessions", json=APP | {"name": "one"})
    assert (again.status_code, again.json()["state"]) == (200, "running")
    listed = (await ann("GET", "/sessions")).json()
    assert [(one["name"], one["state"]) for one in listed["sessions"]] == [("one", "running")]
    assert (await ann("POST", f"{path}/stop")).status_code in (200, 202)
    await ann.until(path, "stopped")
    assert (await ann("POST", f"{path}/stop")).status_code == 200, "stopping twice is no error"
    assert (await ann("DELETE", path)).status_code == 204
    gone = await ann("GET", path)
    assert (gone.status_code, kind(gone)) == (404, "not-found")
    left = (await running.hub.api("GET", f"/users/{running.ann}?include_stopped_servers=1")).json()["servers"]
    assert "one" not in left
    actions = [line["action"] for line in await audit(running, target=f"{running.ann}/one")]
    # Between the two looks at the hub it may have stopped already.
    assert [action for action in reversed(actions) if action != "session.stopping"] == [
        "session.create",
        "session.starting",
        "session.running",
        "session.stop",
        "session.stopped",
        "session.delete",
        "session.removed",
    ]


async def test_a_session_started_elsewhere_is_known_too(running: ServiceHub) -> None:
    async with running.hub.session(running.bob, "elsewhere"):
        admin = await running.api(ADMIN)
        deadline = asyncio.get_running_loop().time() + LIMIT
        found: list[dict[str, Any]] = []
        while not found:
            assert asyncio.get_running_loop().time() < deadline
            found = (await admin("GET", "/sessions", params={"search": "ELSEWHERE"})).json()["sessions"]
        assert found[0]["user"] == running.bob


async def test_a_start_that_fails_says_why(running: ServiceHub) -> None:
    ann = await running.api(running.ann)
    refused = await ann("POST", "/sessions", json={"app": "absent", "name": "no-such-program"})
    # Refused at once, or failed a little later: either way the reason arrives.
    if refused.status_code == 202:
        failed = await ann.until(f"/sessions/{running.ann}/no-such-program", "failed")
        assert "Absent" in failed["message"]
    else:
        assert "Absent" in refused.json()["detail"]
    await ann("DELETE", f"/sessions/{running.ann}/no-such-program")


async def test_rights_are_denied_by_default_and_every_attempt_is_noted(running: ServiceHub) -> None:
    bob = await running.api(running.bob)
    for method, path, action in (
        ("GET", f"/sessions/{running.ann}/one", "session.read"),
        ("POST", f"/sessions/{running.ann}/one/stop", "session.stop"),
        ("DELETE", f"/sessions/{running.ann}/one", "session.delete"),
        ("GET", f"/sessions/{running.ann}/one/events", "session.read"),
        ("GET", f"/users/{running.ann}/settings", "settings.read"),
        ("GET", "/audit", "audit.read"),
        ("GET", "/audit/export", "audit.read"),
        ("GET", "/audit/verify", "audit.read"),
        ("GET", f"/usage?user={running.ann}", "usage.read"),
    ):
        denied = await bob(method, path)
        assert (denied.status_code, kind(denied)) == (403, "forbidden"), path
        # Sessions of the tests before go on changing meanwhile, and have lines of their own.
        lines = await audit(running, limit=50)
        (line,) = [line for line in lines if line["request_id"] == denied.headers["x-request-id"]]
        assert (line["actor"], line["action"], line["outcome"]) == (f"user:{running.bob}", action, "denied")
    other = await bob("POST", "/sessions", json=APP | {"user": running.ann})
    assert other.status_code == 403
    assert (await bob("GET", "/sessions", params={"user": running.ann})).json()["total"] == 0


async def test_a_token_can_do_what_its_scopes_say_and_no_more(running: ServiceHub) -> None:
    entry = "access:services!service=streamspace"
    no_entry = await running.api(running.ann, scopes=["custom:streamspace:control!user"])
    assert (await no_entry("GET", "/user")).status_code == 403
    looker = await running.api(running.ann, scopes=[entry, "custom:streamspace:view!user"])
    assert (await looker("GET", "/sessions")).status_code == 200
    assert (await looker("POST", "/sessions", json=APP)).status_code == 403
    # Ours alone do not start a server: the hub is asked in the caller's name.
    without_the_hubs = await running.api(running.ann, scopes=[entry, "custom:streamspace:control!user"])
    refused = await without_the_hubs("POST", "/sessions", json=APP)
    assert refused.status_code in (403, 404), refused.text
    assert (await audit(running, action="session.create", limit=1))[0]["outcome"] == "denied"


async def test_an_administrator_lists_and_stops_what_is_others(running: ServiceHub) -> None:
    admin = await running.api(ADMIN)
    assert (await admin("GET", "/user")).json() == {"name": ADMIN, "kind": "user", "admin": True}
    async with running.hub.session(running.bob, "two"):
        assert (await admin("GET", f"/sessions/{running.bob}/two")).json()["state"] == "running"
        assert (await admin("POST", f"/sessions/{running.bob}/two/stop")).status_code in (200, 202)
        await admin.until(f"/sessions/{running.bob}/two", "stopped")


async def test_a_licence_to_stop_is_none_to_look(running: ServiceHub) -> None:
    async with running.hub.session(running.bob, "three") as model:
        page = f"{model['url']}streamspace/"
        assert (await running.hub.get(page, token=await running.token(running.bob))).status_code == 200
        assert (await running.hub.get(page, token=await running.token(ADMIN))).status_code == 403


@pytest.mark.parametrize(
    ("header", "noted"),
    [({}, False), ({"Authorization": "Basic eA=="}, False), ({"Authorization": "Bearer nonsense"}, True)],
)
async def test_without_a_good_token_there_is_nothing(running: ServiceHub, header: dict[str, str], noted: bool) -> None:
    before = (await audit(running, limit=1))[0]["seq"]
    nobody = await running.api(None)
    refused = await nobody("GET", "/sessions", headers=header)
    assert (refused.status_code, kind(refused)) == (401, "unauthenticated")
    assert refused.headers["www-authenticate"] == "Bearer"
    lines = [line for line in await audit(running, action="authenticate") if line["seq"] > before]
    assert [line["outcome"] for line in lines] == (["denied"] if noted else [])
    assert "nonsense" not in json.dumps(lines)


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"app": "test-app", "colour": 1}, "colour", "there is no such field"),
        ({}, "app", "is missing"),
        ({"app": "Not A Name"}, "app", "lower-case letters"),
        ({"app": "test-app", "open": "../secret"}, "open", "not accepted"),
        ([], "body", "JSON object"),
    ],
)
async def test_bad_bodies_name_the_field(running: ServiceHub, body: Any, field: str, said: str) -> None:
    ann = await running.api(running.ann)
    refused = await ann("POST", "/sessions", json=body)
    assert (refused.status_code, kind(refused)) == (422, "invalid")
    assert refused.json()["errors"][0]["field"] == field
    assert said in refused.json()["errors"][0]["message"]


async def test_other_bad_requests_are_told_apart(running: ServiceHub) -> None:
    ann = await running.api(running.ann)
    unknown = await ann("GET", "/sessions", params={"colour": "red"})
    assert (unknown.status_code, kind(unknown)) == (422, "invalid")
    assert "state" in unknown.json()["detail"], "it says what is accepted"
    broken = await ann("POST", "/sessions", content=b"{", headers={"Content-Type": "application/json"})
    assert (broken.status_code, kind(broken)) == (400, "bad-request")
    large = await ann("POST", "/sessions", content=b" " * 100_000, headers={"Content-Type": "application/json"})
    assert (large.status_code, kind(large)) == (413, "too-large")
    method = await ann("PATCH", f"/sessions/{running.ann}/one")
    assert (method.status_code, kind(method), method.headers["allow"]) == (405, "method-not-allowed", "DELETE, GET")
    nowhere = await ann("GET", "/nowhere")
    assert (nowhere.status_code, kind(nowhere)) == (404, "not-found")
    no_app = await ann("POST", "/sessions", json={"app": "no-such-app"})
    assert (no_app.status_code, kind(no_app)) == (404, "not-found")


async def test_another_app_is_not_replaced(running: ServiceHub) -> None:
    ann = await running.api(running.ann)
    async with running.hub.session(running.ann, "mine"):
        other = await ann("POST", "/sessions", json={"app": "terminal", "name": "mine"})
        assert (other.status_code, kind(other)) == (409, "conflict")
        assert "another app" in other.json()["detail"]
        assert (await ann("GET", f"/sessions/{running.ann}/mine")).json()["state"] == "running"
    await ann("DELETE", f"/sessions/{running.ann}/mine")


async def test_apps_are_listed_filtered_and_searched(running: ServiceHub) -> None:
    ann = await running.api(running.ann)
    everything = await ann("GET", "/apps")
    assert {"gimp", "desktop", "test-app"} <= {app["name"] for app in everything.json()["apps"]}
    found = (await ann("GET", "/apps", params={"search": "GIM"})).json()["apps"]
    assert "gimp" in {app["name"] for app in found}
    assert {app["name"] for app in (await ann("GET", "/apps", params={"mime_type": "image/png"})).json()["apps"]}
    graphics = (await ann("GET", "/apps", params={"category": "Graphics"})).json()["apps"]
    assert all("Graphics" in app["categories"] for app in graphics)
    assert (await ann("GET", "/apps/gimp")).json()["icon"].startswith("data:image/svg+xml;base64,")
    assert (await ann("GET", "/apps/nope")).status_code == 404


async def test_what_is_known_already_is_not_sent_again(running: ServiceHub) -> None:
    ann = await running.api(running.ann)
    first = await ann("GET", "/apps")
    again = await ann("GET", "/apps", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_settings_are_changed_only_by_who_has_seen_them(running: ServiceHub) -> None:
    ann, path = await running.api(running.ann), f"/users/{running.ann}/settings"
    seen = await ann("GET", path)
    nothing = {"freeze_after": None, "hibernate_after": None, "stop_after": None}
    assert seen.json() == {"favorites": [], "sleep": nothing}
    blind = await ann("PUT", path, json={"favorites": ["gimp"]})
    assert blind.status_code == 422, "If-Match is required"
    tag = {"If-Match": seen.headers["etag"]}
    tried = await asyncio.gather(
        *(ann("PUT", path, json={"favorites": [app]}, headers=tag) for app in ("gimp", "terminal", "desktop"))
    )
    assert sorted(reply.status_code for reply in tried) == [200, 412, 412], "one wins, no change is lost"
    winner = next(reply for reply in tried if reply.status_code == 200)
    now = await ann("GET", path)
    assert (now.json(), now.headers["etag"]) == (winner.json(), winner.headers["etag"])
    first = (await ann("GET", "/apps")).json()["apps"][0]
    assert (first["name"], first["favorite"]) == (winner.json()["favorites"][0], True)


async def test_lists_come_in_pages(running: ServiceHub) -> None:
    ann = await running.api(running.ann)
    names = ["page-a", "page-b", "page-c"]
    for name in names:
        await running.hub.start_server(running.ann, name, APP)
    await asyncio.gather(*(running.hub.stop_server(running.ann, name) for name in names))
    seen, after = [], None
    for _ in range(5):
        query = {"limit": "1", "search": "page-"} | ({"after": after} if after else {})
        page = (await ann("GET", "/sessions", params=query)).json()
        assert page["total"] == 3
        seen += [one["name"] for one in page["sessions"]]
        after = page["next"]
        if after is None:
            break
    assert seen == names
    stopped = await ann("GET", "/sessions", params={"state": "stopped", "search": "page-"})
    assert stopped.json()["total"] == 3
    assert (await ann("GET", "/sessions", params={"state": "running", "search": "page-"})).json()["total"] == 0
    for name in names:
        assert (await ann("DELETE", f"/sessions/{running.ann}/{name}")).status_code == 204


async def test_a_key_makes_a_post_safe_to_repeat(running: ServiceHub) -> None:
    ann, key = await running.api(running.ann), {"Idempotency-Key": "one-start"}
    first = await ann("POST", "/sessions", json=APP | {"name": "keyed"}, headers=key)
    again = await ann("POST", "/sessions", json=APP | {"name": "keyed"}, headers=key)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    other = await ann("POST", "/sessions", json=APP | {"name": "other"}, headers=key)
    assert (other.status_code, kind(other)) == (422, "idempotency-key-reused")
    await ann.until(f"/sessions/{running.ann}/keyed", "running")
    await ann("DELETE", f"/sessions/{running.ann}/keyed")
    creates = await audit(running, action="session.create", target=f"{running.ann}/keyed")
    assert len(creates) == 1


async def test_events_tell_each_change_once_and_go_on_where_they_ended(running: ServiceHub) -> None:
    ann, path = await running.api(running.ann), f"/sessions/{running.ann}/watched"
    seen: list[tuple[int, str, str]] = []
    connected = asyncio.Event()

    async def watch(last: str | None, until: str) -> None:
        headers = {"Last-Event-ID": last} if last else {}
        async with ann.client.stream("GET", f"{path}/events", headers=headers) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            event: dict[str, str] = {}
            async for line in stream.aiter_lines():
                connected.set()
                name, _, value = line.partition(": ")
                if line:
                    event[name] = value
                    continue
                if "data" in event:
                    seen.append((int(event["id"]), event["event"], json.loads(event["data"])["state"]))
                    if seen[-1][2] == until:
                        return
                event = {}

    watching = asyncio.create_task(watch(None, "running"))
    await asyncio.wait_for(connected.wait(), LIMIT)
    await ann("POST", "/sessions", json=APP | {"name": "watched"})
    await asyncio.wait_for(watching, LIMIT)
    assert [state for _, _, state in seen] == ["starting", "running"]
    # While nobody watches:
    await ann("POST", f"{path}/stop")
    await ann.until(path, "stopped")
    await asyncio.wait_for(watch(str(seen[-1][0]), "stopped"), LIMIT)
    assert [state for _, _, state in seen if state != "stopping"] == ["starting", "running", "stopped"]
    numbers = [number for number, _, _ in seen]
    assert numbers == sorted(set(numbers))
    await ann("DELETE", path)
    lost = await ann("GET", f"{path}/events", params={"wait": 0}, headers={"Last-Event-ID": "999999999"})
    assert "event: reset" in lost.text


async def test_a_revoked_token_ends_its_stream_of_events(running: ServiceHub) -> None:
    base = f"/users/{running.ann}/tokens"
    scopes = {"scopes": ["access:services!service=streamspace", "custom:streamspace:view!user"]}
    made = (await running.hub.api("POST", base, json=scopes)).json()
    ann = Api(running.hub.url, made["token"])
    try:
        async with ann.client.stream("GET", "/events", params={"wait": 3600}) as stream:
            lines = stream.aiter_lines()
            assert (await anext(lines)).startswith("id: ")
            await running.hub.api("DELETE", f"{base}/{made['id']}")
            async with asyncio.timeout(LIMIT):
                _ = [line async for line in lines]
        assert (await ann("GET", "/user")).status_code == 401
    finally:
        await ann.client.aclose()


async def test_the_copy_of_the_audit_log_is_whole_and_so_is_the_log(running: ServiceHub) -> None:
    admin = await running.api(ADMIN)
    copy = await admin("GET", "/audit/export")
    verdict = check_lines(copy.text.splitlines())
    assert verdict.intact, verdict.problem
    assert verdict.checked > 10
    shown = (await admin("GET", "/audit/verify")).json()
    assert shown["intact"]
    assert shown["checked"] >= verdict.checked
    for token in running.tokens.values():
        assert token not in copy.text
        assert token not in running.hub.log


async def test_policies_and_quotas_say_where_each_value_comes_from(running: ServiceHub) -> None:
    ann, bob = await running.api(running.ann), await running.api(running.bob)
    policy = (await ann("GET", "/policies/test-app")).json()
    values = {one["name"]: (one["value"], one["source"]) for one in policy["values"]}
    assert values["max_fps"] == (25, "hub")
    assert values["clipboard"] == ("both", "built-in")
    assert (await ann("GET", "/policies/no-such-app")).status_code == 404
    of_ann = f"/policies/test-app?user={running.ann}"
    assert (await bob("GET", of_ann)).status_code == 403
    assert (await (await running.api(ADMIN))("GET", of_ann)).json() == policy
    async with running.hub.session(running.ann, "counted"):
        quota = (await ann("GET", f"/users/{running.ann}/quota")).json()
        (limit,) = quota["limits"]
        assert (limit["kind"], limit["limit"], limit["used"]) == ("sessions", 9.0, 1.0)
        assert (limit["source"], limit["group"]) == ("hub", None)
    assert (await bob("GET", f"/users/{running.ann}/quota")).status_code == 403
    assert (await (await running.api(ADMIN))("GET", "/users/nobody-such/quota")).status_code == 404


HURRY = """
import asyncio
from streamspace_spawner import mixin

c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
quick = mixin.current_catalog


async def slow(*arguments):
    await asyncio.sleep(1)
    return await quick(*arguments)


mixin.current_catalog = slow
"""
"""Lines of a hub's configuration: it answers a start at once, and looks at it when it is asked how that goes."""


@pytest.mark.parametrize("hurry", [pytest.param("", id="before"), pytest.param(HURRY, id="after")])
async def test_a_start_beyond_the_quota_is_refused_with_the_hubs_sentence(hurry: str) -> None:
    """Also where the hub answers before it has looked at the start."""
    async with service_hub(config=f'c.StreamSpace.quotas = {{"default": {{"sessions": 0}}}}\n{hurry}') as strict:
        ann = await strict.api(strict.ann)
        refused = await ann("POST", "/sessions", json=APP)
        assert (refused.status_code, kind(refused)) == (409, "conflict")
        said = refused.json()["detail"]
        assert said.startswith("Test app needs 1 session; the quota of this hub is 0 sessions")
        (line,) = await audit(strict, action="session.create", outcome="denied")
        assert (line["actor"], line["reason"]) == (f"user:{strict.ann}", said)


async def test_metrics_and_health(running: ServiceHub) -> None:
    ann, admin, nobody = await running.api(running.ann), await running.api(ADMIN), await running.api(None)
    address = f"{running.hub.url}/services/streamspace/metrics"
    assert (await ann.client.get(address)).status_code == 403
    text = (await admin.client.get(address)).text
    assert 'streamspace_sessions{state="running"}' in text
    assert 'streamspace_service_audit_events_total{outcome="denied"}' in text
    assert 'route="/sessions"' in text
    health = (await nobody("GET", "/health")).json()
    assert (health["status"], health["database"], health["hub"]) == ("ok", True, True)


async def test_it_ends_with_a_hub_that_is_killed_and_comes_back_with_it() -> None:
    async with service_hub() as mortal:
        ann = await mortal.api(mortal.ann)
        assert mortal.hub.process is not None
        service = child_of(mortal, "streamspace_hub.service")
        mortal.hub.kill()
        await asyncio.to_thread(service.wait, LIMIT)
        await mortal.hub.start()
        await until_up(mortal.hub.url, lambda: mortal.hub.log)
        assert (await ann("GET", "/sessions")).status_code == 200


async def test_too_many_requests_are_told_when_to_come_back() -> None:
    async with service_hub(rate_limit=5) as small:
        ann, bob = await small.api(small.ann), await small.api(small.bob)
        replies = [await ann("GET", "/user") for _ in range(6)]
        assert [reply.status_code for reply in replies] == [200] * 5 + [429]
        assert kind(replies[-1]) == "too-many-requests"
        assert 1 <= int(replies[-1].headers["retry-after"]) <= 60
        assert (await bob("GET", "/user")).status_code == 200, "each token by itself"


async def test_a_picture_of_a_session_is_for_those_who_may_see_its_screen(running: ServiceHub) -> None:
    ann, bob, admin = [await running.api(user) for user in (running.ann, running.bob, ADMIN)]
    path = f"/sessions/{running.ann}/picture"
    async with running.hub.session(running.ann, "picture"):
        await ann.until(path, "running")
        deadline = asyncio.get_running_loop().time() + LIMIT
        while (shown := await ann("GET", f"{path}/thumbnail")).status_code == 503:
            assert asyncio.get_running_loop().time() < deadline, running.hub.log[-3000:]
            await asyncio.sleep(0.2)
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
        assert shown.content.startswith(b"\xff\xd8")
        for other in (bob, admin):
            denied = await other("GET", f"{path}/thumbnail")
            assert (denied.status_code, kind(denied)) == (403, "forbidden"), "not from what was fetched before either"
            (line,) = [
                line
                for line in await audit(running, action="session.look")
                if line["request_id"] == denied.headers["x-request-id"]
            ]
            assert (line["outcome"], line["target"]) == ("denied", f"{running.ann}/picture")
        scopes = [
            "access:services!service=streamspace", f"custom:streamspace:view!user={running.ann}",
        ]  # fmt: skip
        without_access = await running.api(running.ann, scopes=scopes)
        assert (await without_access("GET", f"{path}/thumbnail")).status_code == 403
    await ann.until(path, "stopped")
    assert (await ann("GET", f"{path}/thumbnail")).status_code == 503, "the last picture is not shown for ever"


async def test_what_the_hub_knows_is_told_at_once(running: ServiceHub) -> None:
    """Between two looks of the watcher there are two seconds; what is told does not wait for one."""
    ann = await running.api(running.ann)
    async with ann.client.stream("GET", "/events") as stream:
        lines = stream.aiter_lines()
        await anext(lines)
        async with running.hub.session(running.ann, "told"):
            seen: list[str] = []
            async with asyncio.timeout(LIMIT):
                async for line in lines:
                    if line.startswith("data:") and (session := json.loads(line[5:]))["name"] == "told":
                        seen.append(session["state"])
                        if session["state"] == "running":
                            break
            assert seen == ["starting", "running"]


async def test_nobody_is_signed_in_who_did_not_begin_it_here(running: ServiceHub) -> None:
    base = f"{running.hub.url}/services/streamspace/"
    async with httpx.AsyncClient() as client:
        begun = await client.get(base)
        assert begun.status_code == 302
        assert "/hub/api/oauth2/authorize?client_id=service-streamspace&" in begun.headers["location"]
        cookie = begun.headers["set-cookie"]
        assert {"HttpOnly", "Path=/services/streamspace/", "SameSite=lax"} <= set(cookie.split("; "))
        for query in ("", "?code=c", "?code=c&state=another", "?state="):
            back = await client.get(f"{base}oauth_callback{query}")
            assert back.status_code == 400, query
            assert "streamspace-token" not in back.headers.get("set-cookie", "")
        state = httpx.URL(begun.headers["location"]).params["state"]
        refused = await client.get(f"{base}oauth_callback", params={"state": state, "code": "made-up"})
        assert refused.status_code == 403
        assert "Traceback" not in refused.text
        secure = await client.get(base, headers={"X-Forwarded-Proto": "https"})
        assert "Secure" in secure.headers["set-cookie"]


async def test_files_of_the_pages_are_sent_and_nothing_else(running: ServiceHub) -> None:
    base = f"{running.hub.url}/services/streamspace/static"
    async with httpx.AsyncClient() as client:
        script = await client.get(f"{base}/pages.js")
        assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
        for path in ("/no.js", "/..%2fapp.py", "/%2e%2e/app.py", "/..%5capp.py"):
            assert (await client.get(base + path)).status_code == 404, path


async def test_what_a_session_used_is_written_to_the_second(running: ServiceHub) -> None:
    admin, ann, bob = [await running.api(user) for user in (ADMIN, running.ann, running.bob)]
    query = {"app": "test-app", "by": "user", "user": running.ann}
    before = (await ann("GET", "/usage", params=query)).json()["total"]
    async with running.hub.session(running.ann, "billed") as model:
        await ann.until(f"/sessions/{running.ann}/billed", "running")
        during = (await ann("GET", "/usage", params=query)).json()["total"]
        assert during["sessions"] == before["sessions"] + 1
        await asyncio.sleep(2)
    await ann.until(f"/sessions/{running.ann}/billed", "stopped")
    servers = (await running.hub.api("GET", f"/users/{running.ann}?include_stopped_servers=1")).json()["servers"]
    ran = when(servers["billed"]["last_activity"]) - when(model["started"])
    report = (await ann("GET", "/usage", params=query)).json()
    after = report["total"]
    assert after["seconds"] - before["seconds"] == pytest.approx(ran, abs=1), "as the hub has it"
    assert (report["currency"], report["totals"][0]["key"]) == ("EUR", running.ann)
    assert after["cost"] == pytest.approx(after["seconds"] / 3600 * 3600, rel=0.01), "a euro each second"
    table = (await admin("GET", "/usage/export", params={"user": running.ann})).text
    (row,) = [row for row in csv.DictReader(io.StringIO(table)) if row["session"] == "billed"]
    assert (row["user"], row["app"], row["currency"]) == (running.ann, "test-app", "EUR")
    assert float(row["seconds"]) == pytest.approx(ran, abs=1)
    assert when(row["started"]) == pytest.approx(when(model["started"]), abs=1)
    for path in ("/usage", "/usage/export"):
        denied = await bob("GET", path, params={"user": running.ann})
        assert (denied.status_code, kind(denied)) == (403, "forbidden"), path
    own = (await bob("GET", "/usage", params={"by": "user"})).json()
    assert {one["key"] for one in own["totals"]} <= {running.bob}, "without being asked, one's own"
    wrong = await ann("GET", "/usage", params={"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"})
    assert (wrong.status_code, kind(wrong)) == (422, "invalid")


def when(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


async def test_the_ledger_is_right_although_hub_and_service_were_killed_meanwhile(running: ServiceHub) -> None:
    ann = await running.api(running.ann)
    model = await running.hub.start_server(running.ann, "through", {"app": "test-app"})
    await ann.until(f"/sessions/{running.ann}/through", "running")
    running.hub.kill()
    await running.hub.start()
    await until_up(running.hub.url, lambda: running.hub.log)
    session = await ann.until(f"/sessions/{running.ann}/through", "running")
    assert session["started"] == model["started"], "it went on"
    await running.hub.stop_server(running.ann, "through")
    await ann.until(f"/sessions/{running.ann}/through", "stopped")
    servers = (await running.hub.api("GET", f"/users/{running.ann}?include_stopped_servers=1")).json()["servers"]
    ran = when(servers["through"]["last_activity"]) - when(model["started"])
    table = (await ann("GET", "/usage/export")).text
    (row,) = [row for row in csv.DictReader(io.StringIO(table)) if row["session"] == "through"]
    assert float(row["seconds"]) == pytest.approx(ran, abs=1), "one entry, from its start to its end"


def child_of(running: ServiceHub, module: str) -> psutil.Process:
    """Return the one process of a module that the hub has started."""
    assert running.hub.process is not None
    children = psutil.Process(running.hub.process.pid).children()
    (found,) = [child for child in children if module in child.cmdline()]
    return found


async def test_runs_that_nobody_looked_at_are_in_the_ledger_to_the_second(running: ServiceHub) -> None:
    ann, name = await running.api(running.ann), "unseen"
    path = f"/users/{running.ann}?include_stopped_servers=1"
    real: list[tuple[float, float]] = []
    service = child_of(running, "streamspace_hub.service")
    service.suspend()
    for _ in range(2):
        model = await running.hub.start_server(running.ann, name, APP)
        await running.hub.stop_server(running.ann, name)
        stopped = (await running.hub.api("GET", path)).json()["servers"][name]["last_activity"]
        real.append((when(model["started"]), when(stopped)))
    model = await running.hub.start_server(running.ann, name, APP)
    first = child_of(running, "streamspace_proxy.local")
    running.hub.kill()
    service.kill()
    first.terminate()
    with suppress(psutil.NoSuchProcess):
        while first.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.02)
    real.append((when(model["started"]), time.time()))
    await asyncio.sleep(3)  # by then it is wrong to take the end for now
    await running.hub.start()
    await until_up(running.hub.url, lambda: running.hub.log)
    async with asyncio.timeout(LIMIT):
        rows: list[dict[str, str]] = []
        while len(rows) < 3 or not all(row["ended"] for row in rows):
            table = (await ann("GET", "/usage/export")).text
            rows = [row for row in csv.DictReader(io.StringIO(table)) if row["session"] == name]
            await asyncio.sleep(0.2)
    written = sorted((when(row["started"]), when(row["ended"])) for row in rows)
    # A second that is written without its fraction, and one for the processes to end.
    assert written == [pytest.approx(run, abs=2) for run in real]
    for method, body in (("GET", None), ("PUT", {"taken": []})):
        denied = await running.hub.api(method, "/streamspace/runs", json=body)
        assert denied.status_code == 403, "an administrator's script is not the service"


async def test_an_announcement_has_its_time_and_two_who_change_it_get_a_conflict(running: ServiceHub) -> None:
    admin, ann = await running.api(ADMIN), await running.api(running.ann)
    read = await ann("GET", "/announcement")
    assert read.json() == {"text": "", "until": None, "maintenance": None}
    denied = await ann("PUT", "/announcement", json={"text": "x"}, headers={"If-Match": read.headers["etag"]})
    assert (denied.status_code, kind(denied)) == (403, "forbidden")
    news = {"text": "Closed on Friday.", "until": "2100-01-01T00:00:00Z"}
    written = await admin("PUT", "/announcement", json=news, headers={"If-Match": read.headers["etag"]})
    assert written.status_code == 200, written.text
    assert (await ann("GET", "/announcement")).json() == {**news, "maintenance": None}
    late = await admin("PUT", "/announcement", json={"text": "y"}, headers={"If-Match": read.headers["etag"]})
    assert (late.status_code, kind(late)) == (412, "changed")
    over = {"text": "Closed last year.", "until": "2020-01-01T00:00:00Z"}
    await admin("PUT", "/announcement", json=over, headers={"If-Match": written.headers["etag"]})
    assert (await ann("GET", "/announcement")).json()["text"] == "", "its time is over"
    naive = await admin("PUT", "/announcement", json={"text": "z", "until": "2100-01-01"}, headers={"If-Match": "*"})
    assert (naive.status_code, naive.json()["errors"][0]["field"]) == (422, "until")


async def test_each_line_of_the_audit_log_was_emitted_as_an_event(running: ServiceHub) -> None:
    admin = await running.api(ADMIN)
    lines = [json.loads(line) for line in (await admin("GET", "/audit/export")).text.splitlines()]
    emitted = (running.hub.folder / "events.jsonl").read_text().splitlines()
    events = {event["seq"]: event for event in map(json.loads, emitted)}
    for line in lines:
        event = events[line["seq"]]
        assert event["__schema__"].startswith("urn:streamspace:event:")
        assert {name: event[name] for name in line} == line
    assert {event["__schema__"] for event in events.values()} >= {
        f"urn:streamspace:event:{name}" for name in ("session-action", "session-state", "report")
    }
