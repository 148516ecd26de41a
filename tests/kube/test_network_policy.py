"""The network policy of the documentation: sessions reach what they need, and not each other or the cluster."""

from __future__ import annotations

import json
import time

import pytest
import yaml

from tests.kube.cluster.settings import API_SERVICE_ADDRESS, ROOT
from tests.support.hub import TempHub
from tests.support.kube import Namespace

pytestmark = [pytest.mark.kube, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

POLICY = ROOT / "docs" / "how-to" / "session-network-policy.yaml"
TRY = """
import json, socket, sys
reached = {}
for name, host, port in json.loads(sys.argv[1]):
    try:
        socket.create_connection((host, port), timeout=3).close()
        reached[name] = True
    except OSError:
        reached[name] = False
print(json.dumps(reached))
"""


async def test_sessions_reach_the_hub_and_nothing_of_each_other_or_the_cluster(
    hub: TempHub, namespace: Namespace
) -> None:
    user, options = hub.users[0], {"app": "terminal"}
    async with hub.session(user, "one", options), hub.session(user, "two", options):
        pods = {pod["metadata"]["labels"]["hub.jupyter.org/servername"]: pod for pod in namespace.pods()}
        api_server, other = namespace.cluster.api_server, pods["two"]["status"]["podIP"]
        address, port = hub_address(pods["one"])
        wanted = [
            ("the hub", address, port),
            ("the other session", other, 8888),
            ("the API server", *api_server),
            ("the API server's service", API_SERVICE_ADDRESS, 443),
        ]
        everything = dict.fromkeys((name for name, *_ in wanted), True)
        assert reached(namespace, pods["one"], wanted) == everything, "the attempts can succeed"
        # The hub of this test is no pod, and so no label leads to it.
        own = {"metadata": {"name": "hub-of-the-test"}, "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
        to_hub = {"to": [{"ipBlock": {"cidr": f"{address}/32"}}], "ports": [{"port": port}]}
        sessions = {"matchLabels": {"component": "singleuser-server"}}
        own["spec"] = {"podSelector": sessions, "policyTypes": ["Egress"], "egress": [to_hub]}
        namespace.apply(yaml.safe_load(POLICY.read_text()), own)
        deadline = time.monotonic() + 30
        allowed = {name: name == "the hub" for name in everything}
        while (now := reached(namespace, pods["one"], wanted)) != allowed:
            assert time.monotonic() < deadline, now
        # And the way of a viewer is still open.
        reply = await hub.get(f"/user/{user}/one/streamspace/api/v1/status", token=await hub.user_token(user))
        assert reply.status_code == 200


def reached(namespace: Namespace, pod: dict[str, object], wanted: list[tuple[str, str, int]]) -> dict[str, bool]:
    """Return what the programs of a session's pod can connect to."""
    name = pod["metadata"]["name"]  # type: ignore[index]
    said = namespace.kubectl("exec", name, "-c", "desktop", "--", "python3", "-c", TRY, json.dumps(wanted))
    found: dict[str, bool] = json.loads(said)
    return found


def hub_address(pod: dict[str, object]) -> tuple[str, int]:
    """Return where a session's pod is told that the hub is."""
    notebook = next(item for item in pod["spec"]["containers"] if item["name"] == "notebook")  # type: ignore[index]
    url = next(item["value"] for item in notebook["env"] if item["name"] == "JUPYTERHUB_API_URL")
    host, _, port = url.partition("//")[2].partition("/")[0].partition(":")
    return host, int(port)
