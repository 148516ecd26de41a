"""What a session's pod needs in order to sleep with its memory, and what it has said at its end. Pure functions.

CRIU needs capabilities, which Kubernetes gives to root alone: the desktop's container begins as root, reads the key of
memory images, and becomes the programs' user before anything runs (`streamspace_proxy.desktop.container`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from kubernetes_asyncio.client import (
    V1Container,
    V1EmptyDirVolumeSource,
    V1EnvVar,
    V1KeyToPath,
    V1Lifecycle,
    V1ObjectMeta,
    V1OwnerReference,
    V1Pod,
    V1ResourceRequirements,
    V1Secret,
    V1SecretVolumeSource,
    V1Volume,
    V1VolumeMount,
)
from pydantic import BaseModel, ConfigDict, ValidationError

from streamspace_hub.model.asleep import Kept

CAPABILITIES = ("CHECKPOINT_RESTORE", "SETPCAP", "SETUID", "SYS_PTRACE")
"""What CRIU runs with, and what it takes to become another user; that one is gone with the change."""
PYTHON = ["python3", "-P", "-s", "-m"]
"""-s: it begins as root, and the user's own packages are in a folder of theirs."""
KEY_MOUNT = "/run/streamspace/sleep"
"""Root closes it to everybody else. The Secret below it can be read by the pod's group, whatever its mode says."""
KEY_FOLDER, KEY = f"{KEY_MOUNT}/secret", "key"
KEY_VOLUME = "streamspace-sleep-key"
LAST_WORDS = "/dev/termination-log"
DEFAULT_GRACE = 30
"""Kubernetes' own, in seconds."""
REMOVAL = {"cpu": "50m", "memory": "64Mi"}
REMOVAL_LIMIT = 120
"""Seconds after which nobody waits for an image's removal any more."""

Security = dict[str, Any]


@dataclass(frozen=True)
class PodSleep:
    """What a pod whose desktop can keep its memory is given."""

    secret: str
    """Name of the Secret with the key of its user's memory images."""
    grace: int
    """Seconds that it gets to keep its memory when it is taken away."""


class _LastWords(BaseModel):
    model_config = ConfigDict(extra="forbid")

    asleep: Kept


def is_kept(volumes: Iterable[Mapping[str, Any]], mounts: Iterable[Mapping[str, Any]], home: str) -> bool:
    """Return whether the user's home outlives a pod with such volumes and mounts, as Kubernetes writes them."""
    gone = {volume.get("name") for volume in volumes if "emptyDir" in volume or "empty_dir" in volume}
    places = {mount.get("mountPath") or mount.get("mount_path"): mount.get("name") for mount in mounts}
    covering = [place for place in places if place and PurePosixPath(home).is_relative_to(place)]
    return bool(covering) and places[max(covering, key=len)] not in gone


def let_sleep(pod: V1Pod, desktop: V1Container, sleep: PodSleep, user: int) -> None:
    """Give a session's pod what its desktop needs, whose programs are `user`'s."""
    desktop.command = [*PYTHON, "streamspace_proxy.desktop"]
    desktop.security_context = {
        **desktop.security_context,
        "runAsUser": 0,
        "runAsNonRoot": False,
        # Nothing that its programs run gives them any of it.
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)},
        # CRIU cannot work under a filter.
        "seccompProfile": {"type": "Unconfined"},
    }
    desktop.env = [
        *desktop.env,
        V1EnvVar(name="STREAMSPACE_DESKTOP_UID", value=str(user)),
        V1EnvVar(name="STREAMSPACE_SLEEP_KEY_FILE", value=f"{KEY_FOLDER}/{KEY}"),
        V1EnvVar(name="STREAMSPACE_LAST_WORDS", value=LAST_WORDS),
    ]
    desktop.volume_mounts = [
        *desktop.volume_mounts,
        V1VolumeMount(name="streamspace-sleep", mount_path=KEY_MOUNT),
        V1VolumeMount(name=KEY_VOLUME, mount_path=KEY_FOLDER, read_only=True),
    ]
    desktop.lifecycle = _lifecycle(desktop.lifecycle)
    key = V1SecretVolumeSource(
        secret_name=sleep.secret, default_mode=0o400, items=[V1KeyToPath(key=KEY, path=KEY)], optional=False
    )
    pod.spec.volumes = [
        *(pod.spec.volumes or []),
        V1Volume(name="streamspace-sleep", empty_dir=V1EmptyDirVolumeSource(medium="Memory", size_limit="1Mi")),
        V1Volume(name=KEY_VOLUME, secret=key),
    ]
    given = pod.spec.termination_grace_period_seconds
    pod.spec.termination_grace_period_seconds = max(DEFAULT_GRACE if given is None else given, sleep.grace)


def _lifecycle(theirs: Any) -> V1Lifecycle:
    """Return the hooks of a desktop's container: an administrator's run as the programs' user, as they always did."""
    keep = {"exec": {"command": [*PYTHON, "streamspace_proxy.desktop.farewell"]}}
    if not theirs:  # KubeSpawner gives an empty mapping for none
        return V1Lifecycle(pre_stop=keep)
    # There can be one of each. Who has something to do before a pod's end has reason to.
    return V1Lifecycle(post_start=_as_user(theirs.post_start), pre_stop=_as_user(theirs.pre_stop) or keep)


def _as_user(handler: Any) -> Any:
    if not isinstance(handler, Mapping) or not isinstance(handler.get("exec"), Mapping):
        return handler
    command = [*PYTHON, "streamspace_proxy.desktop.container", *handler["exec"].get("command", [])]
    return {**handler, "exec": {"command": command}}


def key_secret(name: str, key: bytes, owner: V1OwnerReference, labels: Mapping[str, str]) -> V1Secret:
    """Return the Secret with a user's key, which goes with the pod that is its owner."""
    metadata = V1ObjectMeta(name=name, labels=dict(labels), owner_references=[owner])
    return V1Secret(metadata=metadata, type="Opaque", string_data={KEY: key.hex()})


def removal(pod: V1Pod, paths: Sequence[str], image: str, security: Security, name: str) -> V1Pod:
    """Return KubeSpawner's `pod`, changed into one that removes `paths`, which are of one folder, and ends.

    It has nothing of the pod's but the volumes that hold that folder.
    """
    container = next(one for one in pod.spec.containers if one.name == "notebook")
    folder = PurePosixPath(paths[0]).parent
    mounts = [mount for mount in container.volume_mounts or [] if folder.is_relative_to(mount.mount_path)]
    names = {mount.name for mount in mounts}
    pod.metadata.name = name
    pod.spec.containers = [
        V1Container(
            name="notebook",
            image=image,
            image_pull_policy=container.image_pull_policy,
            command=["rm", "-rf", "--", *paths],
            working_dir="/",
            ports=[],
            volume_mounts=mounts,
            resources=V1ResourceRequirements(requests=REMOVAL, limits={"memory": REMOVAL["memory"]}),
            security_context=security,
        )
    ]
    pod.spec.init_containers = None
    pod.spec.volumes = [volume for volume in pod.spec.volumes or [] if _name(volume) in names]
    pod.spec.restart_policy = "Never"
    pod.spec.active_deadline_seconds = REMOVAL_LIMIT
    return pod


def _name(volume: Any) -> str:
    return str(volume["name"] if isinstance(volume, Mapping) else volume.name)


def kept(pod: Mapping[str, Any]) -> Kept | None:
    """Return what a pod's desktop (as the API says it) has said at its end of its memory; None: nothing.

    Its programs may have said it: what does not fit is nothing.
    """
    for status in pod["status"].get("containerStatuses") or []:
        ended = status["state"].get("terminated") or {}
        if status["name"] == "desktop" and ended.get("message"):
            try:
                return _LastWords.model_validate_json(ended["message"]).asleep
            except ValidationError:
                return None
    return None
