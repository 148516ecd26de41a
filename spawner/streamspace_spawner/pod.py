"""From KubeSpawner's pod with one container to a session's pod with two. Pure functions of plain data.

The container that KubeSpawner calls `notebook` holds the streamer and the Jupyter server, `desktop` the user's
programs: two users of one group, of one image. They share a folder of sockets in memory, the pod's network (X's
abstract socket) and its IPC namespace (the screen's shared memory). What enforces roles and policy, and knows the hub's
token, is out of reach of the programs: another process namespace, another user, a folder that is not mounted there.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubernetes_asyncio.client import (
    V1Container,
    V1EmptyDirVolumeSource,
    V1EnvVar,
    V1Pod,
    V1ResourceRequirements,
    V1Volume,
    V1VolumeMount,
)

from streamspace_spawner.pod_sleep import PodSleep, let_sleep

NOTEBOOK, DESKTOP = "notebook", "desktop"
PYTHON = ["python3", "-P", "-m"]
STREAMER_MOUNT, DESKTOP_MOUNT = "/run/streamspace/streamer", "/run/streamspace/desktop"
# One level deeper: what the kubelet mounts belongs to root and is open to all.
STREAMER_DIR, DESKTOP_DIR = f"{STREAMER_MOUNT}/run", f"{DESKTOP_MOUNT}/run"
NVIDIA, CAPABILITIES = "nvidia.com/", "NVIDIA_DRIVER_CAPABILITIES"
SECRET_PREFIXES = ("JUPYTERHUB_", "JPY_", "JUPYTER_TOKEN", "JUPYTER_SERVER_", "CONFIGPROXY_")
"""Names of variables that are the Jupyter server's alone; as in `streamspace_proxy.desktop.settings`."""

Security = dict[str, Any]


@dataclass(frozen=True)
class Gpus:
    """What a session asks of the cluster's GPUs."""

    resource: str
    """Extended resource, e.g. `nvidia.com/gpu`."""
    count: int
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()
    runtime_class: str = ""
    encoder: str = ""
    """Extended resource of which the streamer gets one, to encode on; empty: it encodes on the CPU."""


@dataclass(frozen=True)
class SessionPod:
    """What is particular to a session's pod."""

    image: str
    home: str
    """Absolute path of the user's home in the desktop's container."""
    desktop_user: int
    streamer_user: int
    group: int
    """Primary group of both users, by which the streamer reaches the desktop's sockets."""
    shm_size: int
    """Bytes of the programs' `/dev/shm`."""
    requests: Mapping[str, Any]
    """The streamer's."""
    limits: Mapping[str, Any]
    gpus: Gpus | None = None
    keep_mounts: Sequence[str] = ()
    """Mount paths of the notebook's container that stay the Jupyter server's: its certificates."""
    sleep: PodSleep | None = None
    """What it needs in order to sleep with its memory, if it does."""


def as_session(pod: V1Pod, session: SessionPod) -> V1Pod:
    """Return `pod`, changed into a session's."""
    notebook = next(container for container in pod.spec.containers if container.name == NOTEBOOK)
    desktop = copy.deepcopy(notebook)
    _make_desktop(desktop, session)
    _make_notebook(notebook, session)
    at = pod.spec.containers.index(notebook)
    pod.spec.containers.insert(at + 1, desktop)
    pod.spec.volumes = [
        *(pod.spec.volumes or []),
        _memory("streamspace-streamer", "32Mi"),
        _memory("streamspace-desktop", "64Mi"),
        _memory("streamspace-shm", str(session.shm_size)),
    ]
    pod.spec.security_context = _pod_security(_as_dict(pod.spec.security_context), session)
    if session.gpus is not None:
        _ask_for_gpus(pod, notebook, desktop, session.gpus)
    if session.sleep is not None:
        let_sleep(pod, desktop, session.sleep, session.desktop_user)
    return pod


def _make_notebook(container: V1Container, session: SessionPod) -> None:
    container.image = session.image
    container.command, container.args = [*PYTHON, "streamspace_proxy.local", "--no-desktop"], None
    container.working_dir = "/"
    container.lifecycle = None  # the admin's hooks are for the user's files
    container.volume_mounts = [
        *(mount for mount in container.volume_mounts or [] if mount.mount_path in session.keep_mounts),
        V1VolumeMount(name="streamspace-streamer", mount_path=STREAMER_MOUNT),
        V1VolumeMount(name="streamspace-desktop", mount_path=DESKTOP_MOUNT),
    ]
    container.env = _with(
        container.env,
        HOME=STREAMER_MOUNT,
        STREAMSPACE_RUNTIME_DIR=STREAMER_DIR,
        STREAMSPACE_DESKTOP_DIR=DESKTOP_DIR,
    )
    container.resources = V1ResourceRequirements(requests=dict(session.requests), limits=dict(session.limits))
    container.security_context = strict_security(
        _as_dict(container.security_context), session.streamer_user, session.group
    )


def _make_desktop(container: V1Container, session: SessionPod) -> None:
    container.name, container.image = DESKTOP, session.image
    container.command, container.args = [*PYTHON, "streamspace_proxy.desktop"], None
    container.working_dir = None
    container.ports = []  # and not None: KubeSpawner looks for its port in every container
    container.liveness_probe = container.readiness_probe = container.startup_probe = None
    container.volume_mounts = [
        *(mount for mount in container.volume_mounts or [] if mount.mount_path not in session.keep_mounts),
        V1VolumeMount(name="streamspace-desktop", mount_path=DESKTOP_MOUNT),
        V1VolumeMount(name="streamspace-shm", mount_path="/dev/shm"),  # noqa: S108 - where POSIX shared memory is
    ]
    container.env = _with(
        without_secrets(container.env or []),
        HOME=session.home,
        STREAMSPACE_RUNTIME_DIR=DESKTOP_DIR,
        STREAMSPACE_DESKTOP_DIR=DESKTOP_DIR,
    )
    user = _as_dict(container.security_context)
    container.security_context = strict_security(user, session.desktop_user, session.group)


def without_secrets(variables: Sequence[V1EnvVar]) -> list[V1EnvVar]:
    """Return the variables that the user's programs may see: neither the hub's nor copies of its token."""
    kept = [variable for variable in variables if not variable.name.startswith(SECRET_PREFIXES)]
    secrets = {
        variable.value
        for variable in variables
        if variable not in kept and "TOKEN" in variable.name and len(variable.value or "") >= 8
    }
    # `$(NAME)` is the kubelet's way of copying one variable into another.
    copies = [f"$({prefix}" for prefix in SECRET_PREFIXES]
    return [v for v in kept if not any(text in (v.value or "") for text in [*secrets, *copies])]


def _with(variables: Sequence[V1EnvVar] | None, **ours: str) -> list[V1EnvVar]:
    others = [variable for variable in variables or [] if variable.name not in ours]
    return [*others, *(V1EnvVar(name=name, value=value) for name, value in ours.items())]


def _memory(name: str, size: str) -> V1Volume:
    return V1Volume(name=name, empty_dir=V1EmptyDirVolumeSource(medium="Memory", size_limit=size))


def strict_security(given: Security, user: int, group: int) -> Security:
    """Return a container's security context: Pod Security's `restricted`, unless the admin says otherwise."""
    strict = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {**strict, **given, "runAsUser": user, "runAsGroup": group}


def _pod_security(given: Security, session: SessionPod) -> Security:
    # The group of new volumes, so that the user can write to a home that has just been made. Nothing about root, which
    # is said of each container: the admin's init containers may have to be root, as z2jh's is that blocks an address.
    return {"seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": session.group, **given}


def _as_dict(context: Any) -> Security:
    return dict(context) if isinstance(context, Mapping) else {}


def _ask_for_gpus(pod: V1Pod, notebook: V1Container, desktop: V1Container, gpus: Gpus) -> None:
    _ask_for(desktop, gpus.resource, gpus.count)
    if gpus.encoder:
        _ask_for(notebook, gpus.encoder, 1)
    pod.spec.node_selector = {**(pod.spec.node_selector or {}), **gpus.node_selector} or None
    pod.spec.tolerations = [*(pod.spec.tolerations or []), *gpus.tolerations] or None
    if gpus.runtime_class:
        pod.spec.runtime_class_name = gpus.runtime_class


def _ask_for(container: V1Container, resource: str, count: int) -> None:
    # Extended resources know no overcommitment: request and limit are the same number.
    container.resources.limits = {**container.resources.limits, resource: count}
    container.resources.requests = {**container.resources.requests, resource: count}
    if resource.startswith(NVIDIA) and all(variable.name != CAPABILITIES for variable in container.env):
        # By default its runtime brings computing alone: neither OpenGL nor the encoder.
        container.env = _with(container.env, **{CAPABILITIES: "all"})


def desktop_exit_code(pod: Mapping[str, Any]) -> int | None:
    """Return with which code the desktop of a pod (as the API says it) has ended for good; None while it has not."""
    for status in pod["status"].get("containerStatuses") or []:
        ended = status["state"].get("terminated")
        if status["name"] == DESKTOP and ended is not None:
            code = int(ended["exitCode"])
            stays = pod["spec"].get("restartPolicy") == "Never" or code == 0
            return code if stays else None
    return None


def is_leaving(pod: Mapping[str, Any]) -> bool:
    """Return whether the pod is asked to end, and something of it has not ended yet."""
    states = [status["state"] for status in pod["status"].get("containerStatuses") or []]
    return "deletionTimestamp" in pod["metadata"] and any("running" in state for state in states)


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Return whether a container of the pod has ended, whatever becomes of it afterwards."""
    if pod["status"]["phase"] in ("Failed", "Succeeded"):
        return True
    return any("terminated" in status["state"] for status in pod["status"].get("containerStatuses") or [])


def ended_at(pod: Mapping[str, Any]) -> float | None:
    """Return when the last container of the pod ended, in seconds since 1970; None: not all of them have."""
    states = [status["state"] for status in pod["status"].get("containerStatuses") or []]
    if not states or any("terminated" not in state for state in states):
        return None
    times = [state["terminated"].get("finishedAt") for state in states]
    return max((datetime.fromisoformat(time).timestamp() for time in times if time), default=None)
