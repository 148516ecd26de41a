"""Sleep with memory in pods: a session wakes in another pod as it was, by order of the service and after a drain."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image, ImageChops

from tests.support.kube import Cluster, Namespace, kube_config, until_no_pods
from tests.support.service import Api, ServiceHub, service_hub, until_up
from tests.support.waiting import PATIENCE, eventually

pytestmark = [pytest.mark.kube, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

KEEPER = """
import os, pathlib, time
kept = []
while True:
    if (heard := pathlib.Path("say")).exists():
        kept.append(heard.read_text())
        print(kept[-1], flush=True)
        heard.unlink()
    if (asked := pathlib.Path("tell")).exists():
        pathlib.Path("told.part").write_text(f"{os.getpid()} {kept}")
        os.rename("told.part", "told")
        asked.unlink()
    time.sleep(0.05)
"""
"""An app that remembers what it is told, and shows it; nothing of that is ever on disk."""
SETTINGS = """
c.StreamSpace.memory_sleep = True
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_capacity = "1Gi"
c.KubeSpawner.pvc_name_template = "claim-{username}"
c.KubeSpawner.volumes = {"home": {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}}
c.KubeSpawner.volume_mounts = {"home": {"name": "home", "mountPath": "/home/jovyan"}}
"""
KEY = "/run/streamspace/sleep/secret/key"
NOTE = "correct horse battery staple"
AS_USER = ("setpriv", "--reuid=1000", "--inh-caps=-all")
"""From a container's root, whom `kubectl exec` is there, to the user of its programs."""
LOOK = f"""
import os
found = []
for name in ("{KEY}", "/proc/1/environ", "/proc/1/mem", "/proc/1/fd"):
    try:
        os.listdir(name) if name.endswith("fd") else os.open(name, os.O_RDONLY)
        found.append(name)
    except OSError:
        pass
print(os.getuid(), found)
"""


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """A namespace at the level that the capabilities of such a pod need."""
    with cluster.namespace("privileged") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    namespace: Namespace, image: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServiceHub]:
    """A hub with the service, whose users' homes are on volumes."""
    command = ["xfce4-terminal", "--disable-server", "-x", "python3", "-c", KEEPER]
    named = {"name": "keeper", "title": "Keeper", "image": image.replace("{app}", "terminal")}
    template = json.dumps({**named, "command": command, "sleep": {"memory": "yes"}})
    app = f'with open(run["folder"] + "/apps/keeper.yaml", "w") as file:\n    file.write({template!r})\n'
    config = kube_config(namespace, image, tmp_path_factory.mktemp("hub"), extra=SETTINGS + app)
    async with service_hub(config=config) as found:
        yield found


class Session:
    """Ann's session of the app, from its beginning."""

    def __init__(self, running: ServiceHub, namespace: Namespace, name: str, ann: Api, image: str) -> None:
        self.running, self.namespace, self.name, self.ann, self.image = running, namespace, name, ann, image
        self.path = f"/sessions/{running.ann}/{name}"

    def in_desktop(self, *command: str, check: bool = True) -> str:
        """Run a command in the desktop's container, as the user."""
        return self.namespace.run("desktop", *AS_USER, *command, check=check)

    def say(self, text: str) -> None:
        """Tell the app something, and wait until it knows it."""
        self.in_desktop("sh", "-c", f"printf %s '{text}' > /home/jovyan/heard; mv /home/jovyan/heard /home/jovyan/say")
        eventually(lambda: "no" in self.in_desktop("sh", "-c", "[ -e ~/say ] || echo no"), "the app to hear it")

    def told(self) -> str:
        """Ask the app who it is and what it knows."""
        ask = "cd ~; rm -f told; touch tell; until [ -e told ]; do sleep 0.05; done; cat told; rm told"
        return self.in_desktop("timeout", str(int(PATIENCE)), "sh", "-c", ask)

    async def picture(self) -> Image.Image:
        """Return what its screen shows, once that stays as it is."""
        token = await self.running.hub.user_token(self.running.ann)
        url = f"/user/{self.running.ann}/{self.name}/streamspace/api/v1/thumbnail"
        deadline, last = time.monotonic() + PATIENCE, None
        while time.monotonic() < deadline:
            reply = await self.running.hub.get(url, token=token)
            if reply.status_code == 200:
                now = Image.open(io.BytesIO(reply.content)).convert("L")
                if last is not None and len(now.getcolors() or []) > 5 and not differs(last, now):
                    return now
                last = now
            await asyncio.sleep(2.1)  # it is made anew every two seconds
        raise AssertionError(f"no picture: {reply.status_code}")

    def pod(self) -> dict[str, Any]:
        """Return its pod."""
        return self.namespace.pod()

    def on_volume(self) -> tuple[list[str], list[str]]:
        """Return all files of memory images on the user's volume, and all files there that hold the note."""
        look = f"cd ~; find .streamspace -type f 2> /dev/null; echo --; grep -rlF '{NOTE}' . || true"
        container = {
            "name": "look",
            "image": self.image,
            "command": ["sh", "-c", look],
            "env": [{"name": "HOME", "value": "/home/jovyan"}],
            "securityContext": {"runAsUser": 1000, "runAsGroup": 100},
            "volumeMounts": [{"name": "home", "mountPath": "/home/jovyan"}],
        }
        volume = {"name": "home", "persistentVolumeClaim": {"claimName": f"claim-{self.running.ann}"}}
        spec = {"restartPolicy": "Never", "containers": [container], "volumes": [volume]}
        self.namespace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "look"}, "spec": spec})
        self.namespace.kubectl("wait", "pod/look", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
        images, _, notes = self.namespace.kubectl("logs", "look").partition("--\n")
        self.namespace.kubectl("delete", "pod", "look", "--grace-period=1")
        return images.split(), notes.split()

    async def hibernated(self) -> dict[str, Any]:
        """Have the service put it to sleep with its memory; return it as it is then."""
        reply = await self.ann("POST", f"{self.path}/hibernate")
        assert reply.status_code in (200, 202), f"{reply.text}\n{self.logs()}"
        return await self.ann.until(self.path, "sleeping")

    async def woken(self) -> None:
        """Wake it."""
        assert (await self.ann("POST", f"{self.path}/resume")).status_code == 202
        await self.ann.until(self.path, "running")

    async def stopped(self) -> None:
        """Stop it, for good."""
        assert (await self.ann("POST", f"{self.path}/stop")).status_code in (200, 202)
        assert (await self.ann.until(self.path, "stopped"))["asleep_bytes"] is None

    async def removed(self) -> None:
        """Take it off the list, and wait until nothing of it is left but the user's volume."""
        assert (await self.ann("DELETE", self.path)).status_code in (202, 204)
        deadline = time.monotonic() + PATIENCE
        while (await self.ann("GET", self.path)).status_code != 404:
            assert time.monotonic() < deadline, self.running.hub.log
            await asyncio.sleep(0.1)
        claim = f"persistentvolumeclaim/claim-{self.running.ann}"
        eventually(lambda: self.namespace.left() == [claim], "the pods and their secrets to be gone")

    def logs(self) -> str:
        """Return what its containers have logged."""
        name = self.pod()["metadata"]["name"]
        return self.namespace.kubectl("logs", name, "--all-containers", "--prefix", check=False)


def differs(one: Image.Image, other: Image.Image) -> bool:
    """Return whether more has changed than a pixel here and there."""
    box = ImageChops.difference(one, other).point(lambda value: 255 if value > 32 else 0)
    return one.size != other.size or box.histogram()[255] > 20


async def started(running: ServiceHub, namespace: Namespace, image: str, name: str) -> Session:
    """Start a session, and tell it something."""
    session = Session(running, namespace, name, await running.api(running.ann), image.replace("{app}", "terminal"))
    await running.hub.start_server(running.ann, name, {"app": "keeper"})
    token = await running.hub.user_token(running.ann)
    deadline = time.monotonic() + PATIENCE
    while True:
        reply = await running.hub.get(f"/user/{running.ann}/{name}/streamspace/api/v1/status", token=token)
        if reply.status_code == 200 and reply.json()["desktop"]["app"]["state"] == "running":
            break
        assert time.monotonic() < deadline, f"{reply.text}\n{session.logs()}"
        await asyncio.sleep(0.1)
    sleep = reply.json()["desktop"]["sleep"]
    assert sleep["memory"], sleep["why_not"]
    session.say(NOTE)
    return session


async def test_a_session_wakes_in_another_pod_as_it_was(running: ServiceHub, namespace: Namespace, image: str) -> None:
    session = await started(running, namespace, image, "one")
    assert session.in_desktop("python3", "-c", LOOK).strip() == "1000 []", "its programs find the key"
    before, knows, first = await session.picture(), session.told(), session.pod()["metadata"]["uid"]
    assert NOTE in knows
    asleep = await session.hibernated()
    until_no_pods(namespace)
    files, notes = session.on_volume()
    assert [name for name in files if not name.endswith(".sealed")] == [".streamspace/sleep/one/manifest.json"]
    assert notes == [], "it is not encrypted"
    assert asleep["asleep_bytes"] > 0

    await session.woken()
    assert session.pod()["metadata"]["uid"] != first
    assert session.told() == knows, "the same process, which knows the same"
    assert not differs(before, await session.picture())
    session.say("and it goes on")
    assert differs(before, await session.picture())
    await session.removed()
    assert session.on_volume() == ([], [])


async def test_a_node_that_is_drained_has_its_sessions_keep_their_memory(
    running: ServiceHub, namespace: Namespace, image: str, cluster: Cluster
) -> None:
    name = namespace.name  # a label of no other pod's
    session = await started(running, namespace, image, name)
    knows, pod = session.told(), session.pod()
    node = pod["spec"]["nodeName"]
    drain = ("--force", "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=110s")
    try:
        cluster.kubectl("drain", node, f"--pod-selector=hub.jupyter.org/servername={name}", *drain)
    finally:
        cluster.kubectl("uncordon", node)
    asleep = await session.ann.until(session.path, "sleeping")
    assert asleep["asleep_bytes"] > 0
    await session.woken()
    assert session.pod()["metadata"]["uid"] != pod["metadata"]["uid"]
    assert session.told() == knows
    running.hub.kill()
    namespace.kubectl("delete", "pod", session.pod()["metadata"]["name"], "--wait=true")
    await running.hub.start()
    await until_up(running.hub.url, lambda: running.hub.log)
    await session.ann.until(session.path, "sleeping")
    await session.woken()
    assert session.told() == knows, "a pod that went while the hub was away has kept its memory, too"
    await session.removed()
    assert session.on_volume() == ([], [])


async def test_a_stop_gives_memory_up(running: ServiceHub, namespace: Namespace, image: str) -> None:
    session = await started(running, namespace, image, "one")
    await session.picture()
    await session.hibernated()
    until_no_pods(namespace)
    assert session.on_volume()[0]
    await session.stopped()
    assert session.on_volume() == ([], []), "of one that sleeps"

    await running.hub.start_server(running.ann, "one", {"app": "keeper"})
    session.say(NOTE)
    await session.stopped()
    assert session.on_volume() == ([], []), "of one that runs"
    await session.removed()
