"""An API server that is busy, out of order or forgetful: what the user is told, and what the hub asks again."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.kube.test_faults import last_word, until
from tests.support.faulty_api import FaultyApi
from tests.support.hub import TempHub
from tests.support.kube import Namespace, kube_hub, until_no_pods

pytestmark = [pytest.mark.kube, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

RETRIES = 15
"""Seconds for which the hub asks again: more than what a busy machine takes, since an outage has no other end here."""
SETTINGS = f"""
c.KubeSpawner.k8s_api_request_retry_timeout = {RETRIES}
c.KubeSpawner.mem_guarantee = "64M"
c.StreamSpaceSpawner.streamer_mem_guarantee = "64M"
"""
TERMINAL = {"app": "terminal"}
ALWAYS = (500,) * 1000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(namespace: Namespace) -> AsyncIterator[FaultyApi]:
    """The way to the API server."""
    config = json.loads(namespace.kubectl("config", "view", "--raw", "--minify", "-o", "json"))["clusters"][0][
        "cluster"
    ]
    authority = base64.b64decode(config["certificate-authority-data"]).decode()
    async with FaultyApi(config["server"], authority) as way:
        yield way


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(
    namespace: Namespace, image: str, api: FaultyApi, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TempHub]:
    """A hub that knows of no other way."""
    folder = tmp_path_factory.mktemp("hub")
    async with kube_hub(namespace, image, folder, extra=SETTINGS, api_server=api.url) as running:
        yield running


async def told_of_start(hub: TempHub, server: str) -> list[str]:
    """Start a session; return what the user is told meanwhile."""
    start = asyncio.create_task(hub.request_start(hub.users[0], server, TERMINAL))
    reply = None
    while reply is None or reply.status_code != 200:  # until the hub has begun
        reply = await hub.api("GET", f"/users/{hub.users[0]}/servers/{server}/progress")
    assert (await start).status_code in (201, 202)
    lines = (line for line in reply.text.splitlines() if line.startswith("data: "))
    return [json.loads(line.removeprefix("data: "))["message"] for line in lines]


async def test_a_busy_api_server_is_asked_again_to_start_and_to_stop(
    hub: TempHub, namespace: Namespace, api: FaultyApi
) -> None:
    user = hub.users[0]
    api.fail("POST", "/pods", 429, 500, 503)
    said = await told_of_start(hub, "one")
    assert any(line.startswith("The cluster cannot take Terminal for the moment (HTTP 429") for line in said), said
    await hub.until_ready(user, "one")
    (pod,) = namespace.pods()
    api.fail("DELETE", f"/pods/{pod['metadata']['name']}", 500, 429)
    await hub.stop_server(user, "one")
    until_no_pods(namespace)
    assert api.failed == [429, 500, 503, 500, 429]
    assert namespace.left() == []


async def test_one_that_stays_out_of_order_is_told_and_nothing_stays(
    hub: TempHub, namespace: Namespace, api: FaultyApi
) -> None:
    user = hub.users[0]
    api.fail("POST", "/pods", *ALWAYS)
    reply = await hub.request_start(user, "one", TERMINAL)
    said = reply.json()["message"] if reply.status_code >= 400 else await last_word(hub, "one")
    api.mend()
    assert "The cluster did not take Terminal" in said
    assert "HTTP 500" in said
    await hub.until_gone(user, "one")
    assert namespace.left() == []


async def test_watches_that_are_cut_and_forgotten_are_begun_anew(
    hub: TempHub, namespace: Namespace, api: FaultyApi
) -> None:
    user = hub.users[0]
    async with hub.session(user, "before", TERMINAL):
        before = len(api.failed)
        api.fail("GET", "/pods", 410, watch=True)
        api.fail("GET", "/pods", 500, 429)
        assert api.cut_watches() >= 1
        assert (await hub.request_start(user, "one", TERMINAL)).status_code in (201, 202)
        await until(lambda: len(api.failed) == before + 3, "the hub to have read all pods again")
        await hub.until_ready(user, "one")
        assert await hub.server(user, "before") is not None, "what ran has not been taken for ended"
        namespace.kubectl("delete", "pod", "-l", "hub.jupyter.org/servername=before", "--wait=true")
        await hub.until_gone(user, "before")
        await hub.stop_server(user, "one")
    until_no_pods(namespace)


async def test_a_hub_that_starts_while_pods_cannot_be_listed_keeps_its_sessions(
    hub: TempHub, namespace: Namespace, api: FaultyApi
) -> None:
    user = hub.users[0]
    await hub.start_server(user, "one", TERMINAL)
    uid = namespace.pod()["metadata"]["uid"]
    hub.kill()
    api.fail("GET", "/pods", 503, 500, 429)
    await hub.start()
    await hub.until_ready(user, "one")
    assert namespace.pod()["metadata"]["uid"] == uid
    await hub.stop_server(user, "one")
    assert namespace.left() == []
