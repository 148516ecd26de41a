"""What an admin can set of a session's pod, what is refused, and that a refused start leaves nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.hub import TempHub
from tests.support.kube import Cluster, Namespace, kube_hub

pytestmark = [pytest.mark.kube, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

SETTINGS = """
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_capacity = "1Gi"
c.KubeSpawner.pvc_name_template = "claim-{username}"
c.KubeSpawner.volumes = {"home": {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}}
c.KubeSpawner.volume_mounts = {"home": {"name": "home", "mountPath": "/home/jovyan"}}
c.KubeSpawner.environment = {"COURSE": "drawing", "COURSE_KEY": "a-key-of-the-course"}

def note_token(spawner, pod):
    with open("tokens", "a") as file:
        print(spawner.api_token, file=file)
    return pod

c.KubeSpawner.modify_pod_hook = note_token
c.StreamSpaceSpawner.shm_size = "96M"
c.StreamSpaceSpawner.gpu_resource = "nvidia"
c.StreamSpaceSpawner.gpu_node_selector = {"pool": "gpu"}
c.KubeSpawner.mem_guarantee = "256M"
c.KubeSpawner.start_timeout = 60
"""
TEMPLATES = {
    "needs-gpu": "resources: {gpu: {count: 1, required: true}}",
    "no-such-image": "image: registry.test/no/such:image",
    "too-large": "resources: {mem_limit: 100G, mem_guarantee: 100G}",
}


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """A namespace with a quota."""
    with cluster.namespace() as made:
        spec = {"hard": {"requests.memory": "10Gi"}}
        made.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "all"}, "spec": spec})
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(namespace: Namespace, image: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TempHub]:
    """A hub with homes on volumes, and apps that are hard to please."""
    async with kube_hub(namespace, image, tmp_path_factory.mktemp("hub"), extra=SETTINGS) as running:
        for name, more in TEMPLATES.items():
            text = f"name: {name}\ntitle: Thing\ncommand: [xterm]\n{more}\n"
            Path(running.folder, "apps", f"{name}.yaml").write_text(text)
        yield running


async def test_a_home_outlives_its_session(hub: TempHub, namespace: Namespace) -> None:
    user = hub.users[0]
    async with hub.session(user, options={"app": "terminal"}):
        namespace.run("desktop", "sh", "-c", "echo drawn > ~/picture")
        assert namespace.run("desktop", "sh", "-c", "echo $HOME $COURSE").split() == ["/home/jovyan", "drawing"]
        mounts = {container: namespace.run(container, "cat", "/proc/mounts") for container in ("desktop", "notebook")}
        assert " /home/jovyan " in mounts["desktop"]
        assert " /home/jovyan " not in mounts["notebook"], "what faces the network sees no files of the user"
        size = namespace.run("desktop", "sh", "-c", "df --output=size -B1M /dev/shm | tail -1")
        assert int(size) == 96
    async with hub.session(user, options={"app": "terminal"}):
        assert namespace.run("desktop", "cat", "/home/jovyan/picture").strip() == "drawn"
    assert namespace.left() == [f"persistentvolumeclaim/claim-{user}"]


async def test_a_gpu_that_is_not_there_is_waited_for_and_the_user_told(hub: TempHub, namespace: Namespace) -> None:
    user = hub.users[0]
    assert (await hub.request_start(user, "one", {"app": "needs-gpu"})).status_code in (201, 202)
    pod = namespace.pod()
    desktop = next(container for container in pod["spec"]["containers"] if container["name"] == "desktop")
    assert desktop["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["spec"]["nodeSelector"] == {"pool": "gpu"}
    assert await told(hub, "one", "Waiting for a machine that fits what is asked for.")
    await hub.stop_server(user, "one")
    assert namespace.pods() == []


async def test_an_image_that_is_not_there_is_told(hub: TempHub, namespace: Namespace) -> None:
    user = hub.users[0]
    assert (await hub.request_start(user, "one", {"app": "no-such-image"})).status_code in (201, 202)
    assert await told(hub, "one", "The image of Thing cannot be fetched")
    await hub.stop_server(user, "one")
    assert namespace.pods() == []


async def test_a_quota_that_is_used_up_is_told_and_nothing_stays(hub: TempHub, namespace: Namespace) -> None:
    reply = await hub.request_start(hub.users[0], "one", {"app": "too-large"})
    assert reply.status_code == 503, reply.text
    assert "There is no room for Thing at present" in reply.json()["message"]
    assert "Traceback" not in reply.text
    assert namespace.pods() == []


async def test_a_refused_pod_is_in_the_log_without_its_secrets(hub: TempHub, namespace: Namespace) -> None:
    assert (await hub.request_start(hub.users[0], "one", {"app": "too-large"})).status_code == 503
    log, token = hub.log, (hub.folder / "tokens").read_text().split()[-1]
    assert "'name': 'JUPYTERHUB_API_TOKEN'" in log, "KubeSpawner still says what was refused"
    assert "exceeded quota" in log
    assert token not in log
    assert "a-key-of-the-course" not in log


async def told(hub: TempHub, server: str, beginning: str) -> bool:
    """Follow a start's progress until it says something that begins so."""
    path = f"{hub.url}/hub/api/users/{hub.users[0]}/servers/{server}/progress"
    headers = {"Authorization": f"token {hub.token}"}
    async with hub.client.stream("GET", path, headers=headers) as reply:
        async for line in reply.aiter_lines():
            if f'"message": "{beginning}' in line:
                return True
    return False
