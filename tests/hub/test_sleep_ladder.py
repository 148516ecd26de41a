"""Sleep by hand, over REST and with the `streamspace` command's SDK: rights, refusals, audit, choices within limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
from streamspace_proxy.extension.bridge import SLEEP_ORDERS

from tests.support.hub import ROOT
from tests.support.service import ADMIN, ServiceHub, replicas, service_hub
from tests.support.session_paths import PAGES, REQUESTS

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]

RULES = {"default": {"freeze_after": 3600, "stop_after": 7200}, "longest": {"freeze_after": 5400}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ServiceHub]:
    config = f"""
c.StreamSpace.sleep = {RULES!r}
c.Spawner.environment = {{"JUPYTER_CONFIG_PATH": run["folder"] + "/etc"}}
"""
    async with service_hub(config=config) as found:
        folder = found.hub.folder / "etc" / "jupyter_server_config.d"
        folder.mkdir(parents=True)
        source = ROOT / "proxy" / "jupyter_server_config.d" / "streamspace_proxy.json"
        (folder / source.name).write_text(source.read_text())
        yield found


async def activity(running: ServiceHub, name: str) -> dict[str, Any]:
    token = await running.token(running.ann)
    reply = await running.hub.get(f"/user/{running.ann}/{name}/streamspace/api/v1/activity", token=token)
    return dict(reply.json())


async def test_freeze_thaw_and_resume(running: ServiceHub) -> None:
    ann, path = await running.api(running.ann), f"/sessions/{running.ann}/one"
    async with running.hub.session(running.ann, "one"):
        told = (await ann("GET", f"/users/{running.ann}/ahead")).json()["sessions"]
        assert [(one["name"], [step["step"] for step in one["steps"]]) for one in told] == [("one", ["freeze", "stop"])]
        freeze, stop = (datetime.fromisoformat(step["at"]) for step in told[0]["steps"])
        assert (stop - freeze).total_seconds() == 3600
        assert (await (await running.api(running.bob))("GET", f"/users/{running.ann}/ahead")).status_code == 403
        # The session answers before its screen is up.
        while (frozen := await ann("POST", f"{path}/freeze")).status_code == 409:
            assert "desktop is not running" in frozen.json()["detail"], frozen.text
        assert (frozen.status_code, frozen.json()["state"]) == (200, "frozen"), frozen.text
        assert frozen.json()["asleep_since"] is not None
        assert (await ann("GET", "/sessions", params={"state": "frozen"})).json()["total"] == 1
        assert (await activity(running, "one"))["sleep"] == "frozen"
        resumed = await ann("POST", f"{path}/resume")
        assert (resumed.status_code, resumed.json()["state"]) == (200, "running")
        assert (await activity(running, "one"))["sleep"] == "awake"
        key = {"Idempotency-Key": "one-freeze"}
        assert (await ann("POST", f"{path}/freeze", headers=key)).json()["state"] == "frozen"
        assert (await ann("POST", f"{path}/thaw")).json()["state"] == "running"
        again = await ann("POST", f"{path}/freeze", headers=key)
        assert (again.json()["state"], again.headers["idempotency-replayed"]) == ("frozen", "true")
        assert (await ann("GET", path)).json()["state"] == "running"
    await ann.until(path, "stopped")
    refused = await ann("POST", f"{path}/freeze")
    assert (refused.status_code, "`resume` starts it again" in refused.json()["detail"]) == (409, True)
    again = await ann("POST", f"{path}/resume")
    assert (again.status_code, again.json()["app"]) == (202, "test-app")
    await ann.until(path, "running")
    await running.hub.stop_server(running.ann, "one")
    admin = await running.api(ADMIN)
    lines = (await admin("GET", "/audit", params={"target": f"{running.ann}/one", "limit": 100})).json()["events"]
    asked = {line["action"] for line in lines if line["actor"] == f"user:{running.ann}"}
    assert asked == {"session.freeze", "session.thaw", "session.create"}


async def test_jupyterlab_shows_a_session_as_frozen(running: ServiceHub) -> None:
    hub, user = running.hub, running.ann
    ann, token = await running.api(user), await running.token(user)
    async with hub.session(user, "shown"), hub.session(user, "", {}):
        while (await ann("POST", f"/sessions/{user}/shown/freeze")).status_code != 200:
            pass  # its screen is not up yet
        listed = await hub.get(f"/user/{user}/streamspace/api/v1/sessions", token=token)
        assert listed.status_code == 200, listed.text
        (session,) = listed.json()["sessions"]
        assert (session["state"], session["asleep_since"] is not None) == ("frozen", True)


async def test_only_whoever_controls_a_session_puts_it_to_sleep(running: ServiceHub) -> None:
    bob, path = await running.api(running.bob), f"/sessions/{running.ann}/two"
    entry = "access:services!service=streamspace"
    looker = await running.api(running.ann, scopes=[entry, "custom:streamspace:view!user"])
    async with running.hub.session(running.ann, "two"):
        for api in (bob, looker):
            for verb in ("freeze", "thaw", "resume", "extend"):
                body = {"seconds": 60} if verb == "extend" else None
                assert (await api("POST", f"{path}/{verb}", json=body)).status_code == 403, verb


async def test_extending_keeps_a_session_active_until_it_is_taken_back(running: ServiceHub) -> None:
    ann, path = await running.api(running.ann), f"/sessions/{running.ann}/three"
    async with running.hub.session(running.ann, "three"):
        assert (await ann("POST", f"{path}/extend", json={"seconds": -1})).status_code == 422
        while (await ann("POST", f"{path}/extend", json={"seconds": 3600})).status_code != 200:
            pass  # the streamer is not up yet
        assert (await activity(running, "three"))["busy"] == f"{running.ann} keeps it awake"
        assert (await ann("POST", f"{path}/extend", json={"seconds": 0})).status_code == 200
        assert (await activity(running, "three"))["busy"] is None


async def test_the_services_token_opens_nothing_of_a_session_but_its_orders() -> None:
    async with replicas(1) as (found, (replica,)):
        hub, user = found.hub, found.ann
        token = {"Authorization": f"token {replica.token}"}
        async with hub.session(user, "four"):
            page = f"{hub.url}/user/{user}/four/streamspace/"
            for method, path in (*PAGES, *REQUESTS, ("GET", "ws"), ("GET", "rfb"), ("POST", "api/v1/stop")):
                if path in SLEEP_ORDERS:
                    continue
                reply = await hub.client.request(method, page + path, headers=token)
                assert reply.status_code == 403, (method, path, reply.text)
            assert (await hub.client.get(f"{hub.url}/user/{user}/four/api/status", headers=token)).status_code == 403
            seen = await hub.client.get(f"{page}api/v1/activity", headers=token)
            assert (seen.status_code, seen.json()["sleep"]) == (200, "awake")
            warned = await hub.client.post(f"{page}api/v1/warn", headers=token, json={"step": "stop", "seconds": 600})
            assert warned.status_code == 200


async def test_users_choose_within_limits(running: ServiceHub) -> None:
    ann, path = await running.api(running.ann), f"/users/{running.ann}/settings"
    seen = await ann("GET", path)
    settings, tag = seen.json(), {"If-Match": seen.headers["etag"]}
    for sleep, field, said in (
        ({"freeze_after": 6000}, "sleep.freeze_after", "at most 5400 seconds"),
        ({"stop_after": 0}, "sleep.stop_after", "never is not accepted; at most 7200"),
        ({"stop_after": 5}, "sleep.stop_after", "use 0 (never) or 30 to"),
        ({"max_duration": 60}, "sleep.max_duration", "there is no such field"),
    ):
        refused = await ann("PUT", path, json={**settings, "sleep": sleep}, headers=tag)
        assert refused.status_code == 422, refused.text
        assert refused.json()["errors"][0]["field"] == field
        assert said in refused.json()["errors"][0]["message"]
    chosen = {**settings, "sleep": {"freeze_after": 5400, "stop_after": 600}}
    assert (await ann("PUT", path, json=chosen, headers=tag)).status_code == 200
    ladder = {one["name"]: one for one in (await ann("GET", "/policies/test-app")).json()["sleep"]}
    assert (ladder["freeze_after"]["value"], ladder["freeze_after"]["source"]) == (5400, "own choice")
    assert (ladder["stop_after"]["value"], ladder["stop_after"]["longest"]) == (600, 7200)
    assert (ladder["max_duration"]["value"], ladder["max_duration"]["longest"]) == (0, None)
