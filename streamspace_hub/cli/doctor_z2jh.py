"""What the values of a Zero-to-JupyterHub say of StreamSpace. Pure functions of plain data.

The chart keeps all its values in the hub's Secret, which is where they are read from. Nothing but names is repeated in
what is said.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from streamspace_hub.cli.check import Check
from streamspace_hub.cli.kubectl import Object
from streamspace_hub.model.gpus import GPU_KINDS, GPU_RESOURCE

SPAWNER = "StreamSpaceSpawner"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
HOW = "Add helm-values/streamspace.yaml after your own values (docs/how-to/kubernetes.md)."


@dataclass(frozen=True)
class Hub:
    """An installed hub."""

    name: str
    """Of its Deployment."""
    namespace: str
    service_account: str
    values: Mapping[str, Any]
    """The chart's; empty for a hub that no chart has installed."""
    files: Mapping[str, bytes]
    """What the hub's Secrets hold."""

    @classmethod
    def read(cls, deployment: Object, secrets: Sequence[Object]) -> Hub:
        """Return the hub of a Deployment and of the Secrets that it mounts, of which later ones win."""
        files: dict[str, bytes] = {}
        values: dict[str, Any] = {}
        for secret in secrets:
            held = {key: _decoded(text) for key, text in (secret.get("data") or {}).items()}
            files |= held
            values = _merged(values, _mapping(held.get("values.yaml", b"")))
        spec = deployment["spec"]["template"]["spec"]
        metadata = deployment["metadata"]
        account = spec.get("serviceAccountName") or "default"
        return cls(metadata["name"], metadata["namespace"], account, values, files)

    def value(self, path: str, default: Any = None) -> Any:
        """Return a value of the chart by its path, e.g. `hub.baseUrl`."""
        found: Any = self.values
        for part in path.split("."):
            if not isinstance(found, Mapping) or found.get(part) is None:
                return default
            found = found[part]
        return found

    @property
    def chart(self) -> str:
        """Version of the chart; empty for none."""
        return str(self.value("Chart.Version", ""))

    @property
    def base_url(self) -> str:
        """With slashes at both ends."""
        inner = str(self.value("hub.baseUrl", "/")).strip("/")
        return f"/{inner}/" if inner else "/"

    @property
    def code(self) -> str:
        """All of `hub.extraConfig`: Python that the hub runs."""
        return "\n".join(str(text) for text in self.value("hub.extraConfig", {}).values())

    @property
    def turned_on(self) -> bool:
        """Whether anything of StreamSpace is set."""
        return "streamspace_hub" in self.code or SPAWNER in self._spawner_class or SPAWNER in self.code

    @property
    def _spawner_class(self) -> str:
        return str(self.value("hub.config.JupyterHub.spawner_class", ""))

    def lacks(self) -> Iterator[tuple[str, str]]:
        """Yield the keys that a hub with StreamSpace needs and this one has not, and what they must be."""
        if SPAWNER not in self._spawner_class + self.code:
            yield "hub.config.JupyterHub.spawner_class", "streamspace_spawner.StreamSpaceSpawner"
        if not re.search(r"^\s*streamspace_hub\.install\(", self.code, re.MULTILINE):
            yield "hub.extraConfig", "a piece that calls streamspace_hub.install(c)"
        if not self.value("hub.allowNamedServers", False) and "allow_named_servers" not in self.code:
            yield "hub.allowNamedServers", "true"
        if not self.value(f"hub.config.{SPAWNER}.session_image") and "session_image" not in self.code:
            yield f"hub.config.{SPAWNER}.session_image", "the images of the apps, unless each template names its own"


def check_installation(hub: Hub) -> Iterator[Check]:
    """Say whether the hub's values turn StreamSpace on."""
    if not hub.turned_on:
        yield Check("StreamSpace", "grey", "not turned on yet", HOW)
        return
    missing = list(hub.lacks())
    if missing:
        found = "; ".join(f"{key} must be {what}" for key, what in missing)
        yield Check("StreamSpace", "red", found, HOW)
    else:
        yield Check("StreamSpace", "green", "turned on in the hub's values")


def check_turn(hub: Hub) -> Iterator[Check]:
    """Say whether the hub finds the TURN server's secret, where it is told of one."""
    path = hub.value("hub.config.StreamSpace.turn_secret_file")
    if not hub.value("hub.config.StreamSpace.turn_urls") or not path:
        return
    advice = "Give it: --set-file hub.extraFiles.streamspace-turn.stringData=FILE (helm-values/turn.yaml)."
    for name, file in hub.value("hub.extraFiles", {}).items():
        if file.get("mountPath") == path:
            if hub.files.get(name, b"").strip():
                yield Check("TURN secret", "green", f"hub.extraFiles.{name}")
            else:
                yield Check("TURN secret", "red", f"hub.extraFiles.{name} is empty; the hub does not start", advice)
            return
    if any(str(path).startswith(str(one.get("mountPath"))) for one in hub.value("hub.extraVolumeMounts", []) or []):
        yield Check("TURN secret", "grey", f"{path} is of a volume of your own")
    else:
        yield Check("TURN secret", "red", f"nothing puts {path} into the hub's pod", advice)


def kept_from_metadata_by_iptables(values: Mapping[str, Any]) -> bool:
    """Return whether the chart adds a privileged init container to each server."""
    blocking = ((values.get("singleuser") or {}).get("cloudMetadata") or {}).get("blockWithIptables", True)
    return bool(values) and bool(blocking)


def check_homes(hub: Hub | None, classes: Sequence[Object], nodes: int) -> Iterator[Check]:
    """Say where homes are kept, and whether all sessions of a user see the same one.

    Args:
        hub: the hub, where there is one.
        classes: the cluster's StorageClasses.
        nodes: how many machines pods may run on.
    """
    kind = "dynamic" if hub is None else hub.value("singleuser.storage.type", "dynamic")
    if hub is not None and kind != "dynamic":
        yield Check("homes", "green" if kind == "static" else "grey", f"singleuser.storage.type is {kind}")
        return
    names = {one["metadata"]["name"] for one in classes}
    default = [
        one["metadata"]["name"]
        for one in classes
        if (one["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"
    ]
    wanted = hub.value("singleuser.storage.dynamic.storageClass") if hub else None
    if wanted is not None and wanted not in names:
        advice = f"Name one of those that there are: {', '.join(sorted(names)) or 'none'}."
        yield Check(
            "homes", "red", f"there is no StorageClass {wanted} (singleuser.storage.dynamic.storageClass)", advice
        )
    elif wanted is None and not default:
        advice = "Make one the default, or set singleuser.storage.dynamic.storageClass."
        yield Check("homes", "red", "the cluster has no default StorageClass", advice)
    else:
        yield Check("homes", "green", f"StorageClass {wanted or default[0]}")
    if hub is not None:
        yield from _sharing_of_homes(hub, nodes)


def _sharing_of_homes(hub: Hub, nodes: int) -> Iterator[Check]:
    template = str(hub.value("singleuser.storage.dynamic.pvcNameTemplate") or "claim-{user_server}")
    if hub.turned_on and "server" in template:
        found = f"singleuser.storage.dynamic.pvcNameTemplate {template} gives each session an empty home of its own"
        yield Check("shared homes", "red", found, "Set it to claim-{username}, as helm-values/streamspace.yaml does.")
        return
    modes = hub.value("singleuser.storage.dynamic.storageAccessModes", ["ReadWriteOnce"])
    if nodes > 1 and "ReadWriteMany" not in modes:
        found = f"access mode {', '.join(modes)} on {nodes} nodes: all servers of a user run on one node, or wait"
        yield Check("shared homes", "grey", found, "A StorageClass with ReadWriteMany lets them run anywhere.")
    else:
        yield Check("shared homes", "green", "all servers of a user see the same files")


def check_gpus(hub: Hub | None, allocatable: Sequence[Mapping[str, str]]) -> Check:
    """Compare the GPUs that nodes offer (`allocatable` of each) with what the hub is told of them."""
    offered: dict[str, int] = {}
    for node in allocatable:
        for resource, count in node.items():
            if GPU_RESOURCE.fullmatch(resource) and count.isdecimal() and int(count):
                offered[resource] = offered.get(resource, 0) + int(count)
    there = ", ".join(f"{count} {resource}" for resource, count in sorted(offered.items()))
    said = hub.value(f"hub.config.{SPAWNER}.gpu_resource", "") if hub else ""
    wanted = GPU_KINDS.get(said, said)
    if not wanted:
        advice = "To have apps use them: helm-values/gpu.yaml." if offered else ""
        return Check("GPUs", "grey", f"{there or 'none'}; the hub is told of none", advice)
    available = any(int(node.get(wanted, "0")) for node in allocatable if str(node.get(wanted, "0")).isdecimal())
    if not available:
        advice = (
            "Install the vendor's device plugin, or set gpu_resource to what nodes offer. Where machines with GPUs are "
            "added only when they are asked for, this is as it should be."
        )
        found = f"no node offers {wanted}, which {SPAWNER}.gpu_resource names (offered: {there or 'none'})"
        return Check("GPUs", "red", found, advice)
    return Check("GPUs", "green", there or wanted)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""


def _mapping(text: bytes) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with what `above` says otherwise, as the chart merges its Secrets."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result
