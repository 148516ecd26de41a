"""Servers without an app, which are KubeSpawner's, from a hub that also starts sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support.hub import TempHub
from tests.support.kube import Cluster, Namespace, kube_hub

pytestmark = [pytest.mark.kube, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

PROFILES = """
c.KubeSpawner.profile_list = [
    {"display_name": "Small", "default": True, "kubespawner_override": {"mem_limit": "512M"}},
    {"display_name": "Large", "slug": "large", "kubespawner_override": {"mem_limit": "1G", "cpu_limit": 2}},
]
c.KubeSpawner.extra_labels = {"course": "drawing"}
"""


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """A namespace that takes the pods that KubeSpawner makes by default."""
    with cluster.namespace("baseline") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(namespace: Namespace, image: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TempHub]:
    """A hub with the admin's own profiles."""
    async with kube_hub(namespace, image, tmp_path_factory.mktemp("hub"), extra=PROFILES) as running:
        yield running


@pytest.mark.parametrize(("options", "limit"), [({}, 512 * 2**20), ({"profile": "large"}, 2**30)])
async def test_it_is_the_profile_that_was_chosen(
    hub: TempHub, namespace: Namespace, options: dict[str, str], limit: int
) -> None:
    user = hub.users[0]
    await hub.start_server(user, "", options)
    pod = namespace.pod()
    (container,) = pod["spec"]["containers"]
    assert container["name"] == "notebook"
    assert container["resources"]["limits"]["memory"] == str(limit)
    assert pod["metadata"]["labels"]["course"] == "drawing"
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert environment["STREAMSPACE_LAUNCH"] == "hub"
    reply = await hub.get(f"/user/{user}/api/status", token=await hub.user_token(user))
    assert reply.status_code == 200
    # Its tiles are those of the catalog: what is in this image says nothing of the sessions'.
    tiles = (await hub.get(f"/user/{user}/streamspace/api/v1/apps", token=await hub.user_token(user))).json()["apps"]
    assert {tile["name"] for tile in tiles if tile["installed"]} >= {"gimp", "terminal", "blender"}
    await hub.stop_server(user, "")
    assert namespace.left() == []


async def test_a_session_beside_profiles_is_its_template(hub: TempHub, namespace: Namespace) -> None:
    async with hub.session(hub.users[0], options={"app": "terminal"}):
        pod = namespace.pod()
        desktop = next(container for container in pod["spec"]["containers"] if container["name"] == "desktop")
        assert desktop["resources"]["limits"]["memory"] == str(2 * 2**30)
        assert pod["metadata"]["labels"]["course"] == "drawing"
    assert namespace.left() == []
