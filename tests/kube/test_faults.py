"""What goes wrong in a cluster: what the user is told, and that nothing half-made stays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.hub import TempHub
from tests.support.kube import Namespace, kube_hub, until_no_pods

pytestmark = [pytest.mark.kube, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

SETTINGS = """
c.KubeSpawner.mem_guarantee = "64M"
c.KubeSpawner.start_timeout = 40
c.KubeSpawner.http_timeout = 40
c.StreamSpaceSpawner.streamer_mem_guarantee = "64M"
"""
TEMPLATES = {
    "no-such-image": "image: registry.test/no/such:image",
    "too-large": "resources: {mem_limit: 900G, mem_guarantee: 900G}",
}
LIMIT = 120.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(namespace: Namespace, image: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TempHub]:
    """A hub that has not much patience, and apps that try it."""
    async with kube_hub(namespace, image, tmp_path_factory.mktemp("hub"), extra=SETTINGS) as running:
        for name, more in TEMPLATES.items():
            text = f"name: {name}\ntitle: Thing\ncommand: [xterm]\n{more}\n"
            Path(running.folder, "apps", f"{name}.yaml").write_text(text)
        yield running


async def last_word(hub: TempHub, server: str) -> str:
    """Follow a start's progress to its end; return what is said last."""
    path = f"{hub.url}/hub/api/users/{hub.users[0]}/servers/{server}/progress"
    said: dict[str, Any] = {}
    headers = {"Authorization": f"token {hub.token}"}
    async with hub.client.stream("GET", path, headers=headers, timeout=LIMIT) as reply:
        async for line in reply.aiter_lines():
            if line.startswith("data: "):
                said = json.loads(line.removeprefix("data: "))
    assert said["failed"], said
    return str(said["message"])


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        ("no-such-image", "The image of Thing cannot be fetched; it is being tried again."),
        ("too-large", "Waiting for a machine with enough free processors and memory."),
    ],
)
async def test_a_start_that_is_given_up_says_what_it_waited_for(
    hub: TempHub, namespace: Namespace, app: str, reason: str
) -> None:
    user = hub.users[0]
    assert (await hub.request_start(user, "one", {"app": app})).status_code in (201, 202)
    said = await last_word(hub, "one")
    assert "Thing did not start within 40 seconds, and was given up." in said
    assert reason in said
    await hub.until_gone(user, "one")
    until_no_pods(namespace)
    assert namespace.left() == []


async def test_a_session_whose_pod_is_taken_away_has_ended(hub: TempHub, namespace: Namespace) -> None:
    """As by a drain, an eviction, or the loss of a machine that costs less."""
    user = hub.users[0]
    await hub.start_server(user, "one", {"app": "terminal"})
    namespace.kubectl("delete", "pod", namespace.pod()["metadata"]["name"], "--wait=true")
    await hub.until_gone(user, "one")
    assert namespace.left() == []
    async with hub.session(user, options={"app": "terminal"}):
        assert namespace.pod()["status"]["phase"] == "Running", "and another one starts"


async def test_a_hub_that_is_killed_amid_starts_keeps_or_ends_each_of_them(hub: TempHub, namespace: Namespace) -> None:
    user, names = hub.users[0], ["a", "b", "c", "d", "e", "f"]
    apps = {name: "no-such-image" if name in "ef" else "terminal" for name in names}
    starts = [asyncio.create_task(hub.request_start(user, name, {"app": app})) for name, app in apps.items()]
    await until(lambda: len(namespace.pods()) == len(names), "all pods to be made")
    hub.kill()
    await asyncio.gather(*starts, return_exceptions=True)
    await hub.start()

    async def settled() -> bool:
        servers = [await hub.server(user, name) for name in names]
        return all(server is None or server["ready"] for server in servers)

    for _ in range(240):
        if await settled():
            break
        await asyncio.sleep(0.5)
    kept = {name for name in names if await hub.server(user, name) is not None}
    assert kept <= {"a", "b", "c", "d"}, "those that never had an image are given up"
    for name in names:  # whatever became of it, the user can have it
        if apps[name] == "terminal":
            if name not in kept:
                await hub.start_server(user, name, {"app": "terminal"})
            await hub.stop_server(user, name)
    until_no_pods(namespace)
    assert namespace.left() == []


async def until(condition: Any, what: str) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"waited for {what}")
