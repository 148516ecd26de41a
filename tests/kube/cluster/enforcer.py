"""Keeps the node's nftables in step with the cluster's NetworkPolicies. `policies` says what the rules are.

`python -m tests.kube.cluster.enforcer KUBECONFIG`, one of the cluster's processes.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys

import aiohttp
from kubernetes_asyncio import client, config

from tests.kube.cluster.policies import pods_of, ruleset

INTERVAL = 0.3
"""Seconds between looks: three lists from the API server's own memory."""


async def enforce(kubeconfig: str) -> None:
    """Enforce until ended."""
    await config.load_kube_config(kubeconfig)
    async with client.ApiClient() as api:
        applied: str | None = None
        while True:
            try:
                wanted = await _wanted(api)
            except (client.ApiException, aiohttp.ClientError, TimeoutError) as error:
                print(f"The API server does not answer: {error}", file=sys.stderr, flush=True)
                wanted = applied  # what was decided goes on to hold
            if wanted is not None and wanted != applied:
                subprocess.run(["nft", "-f", "-"], input=wanted, text=True, check=True)
                applied = wanted
            await asyncio.sleep(INTERVAL)


async def _wanted(api: client.ApiClient) -> str:
    core, networking = client.CoreV1Api(api), client.NetworkingV1Api(api)
    # resource_version 0: whatever the API server has at hand
    policies, pods, namespaces = await asyncio.gather(
        networking.list_network_policy_for_all_namespaces(resource_version="0"),
        core.list_pod_for_all_namespaces(resource_version="0"),
        core.list_namespace(resource_version="0"),
    )
    plain = api.sanitize_for_serialization
    labels = {item.metadata.name: item.metadata.labels or {} for item in namespaces.items}
    return ruleset(plain(policies)["items"], pods_of(plain(pods)["items"]), labels)


if __name__ == "__main__":
    asyncio.run(enforce(sys.argv[1]))
