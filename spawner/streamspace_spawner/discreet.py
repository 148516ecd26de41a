"""Objects for the API server that do not tell their secrets when they are written into a log.

KubeSpawner logs what the cluster refuses, whole: a pod with the hub's token in its environment, a Secret with keys in
it. The one who reads the log to find out why needs names, and no values.
"""

from __future__ import annotations

import pprint
from typing import Any, TypeVar

from kubernetes_asyncio.client import V1Pod, V1Secret

HIDDEN = "***"
Resource = TypeVar("Resource")


class _Discreet:
    """Says what it is without the values of environment variables and without the contents of secrets."""

    def to_str(self) -> str:
        """Return what a log may hold."""
        return pprint.pformat(hidden(self.to_dict()))  # type: ignore[attr-defined]

    __repr__ = to_str


class DiscreetPod(_Discreet, V1Pod):  # type: ignore[misc]
    """A pod."""


class DiscreetSecret(_Discreet, V1Secret):  # type: ignore[misc]
    """A Secret."""


class DiscreetRequests:
    """For a KubeSpawner: what it asks the API server to create says nothing secret of itself."""

    async def _make_create_pod_request(self, pod: V1Pod, request_timeout: float) -> Any:
        return await super()._make_create_pod_request(discreet(pod), request_timeout)  # type: ignore[misc]

    async def _make_create_resource_request(self, kind: str, manifest: Any) -> Any:
        return await super()._make_create_resource_request(kind, discreet(manifest))  # type: ignore[misc]


DISCREET = {V1Pod: DiscreetPod, V1Secret: DiscreetSecret}


def discreet(resource: Resource) -> Resource:
    """Return a pod or Secret that says nothing secret of itself, and is the same to the API server; else `resource`."""
    kind: Any = DISCREET.get(type(resource))
    if kind is None:
        return resource
    same: Resource = kind(**{name: getattr(resource, name) for name in type(resource).openapi_types})  # type: ignore[attr-defined]
    return same


def hidden(described: Any) -> Any:
    """Return `described` (a Kubernetes object as dictionaries) with the values of environments and Secrets hidden.

    All of them, and not only those that are called so: who can tell what an administrator's variables hold?
    """
    if isinstance(described, list):
        return [hidden(item) for item in described]
    if not isinstance(described, dict):
        return described
    return {key: _hidden_field(key, value) for key, value in described.items()}


def _hidden_field(key: str, value: Any) -> Any:
    if key == "env" and isinstance(value, list):
        return [{**hidden(variable), "value": HIDDEN if variable.get("value") else None} for variable in value]
    if key in ("data", "string_data", "stringData") and isinstance(value, dict):
        return dict.fromkeys(value, HIDDEN)
    return hidden(value)
