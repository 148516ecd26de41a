"""From KubeSpawner's pod to a session's: what goes where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kubernetes_asyncio.client import V1EnvVar, V1Pod
from kubespawner.objects import make_pod
from streamspace_spawner.pod import (
    DESKTOP_DIR,
    STREAMER_DIR,
    Gpus,
    SessionPod,
    as_session,
    desktop_exit_code,
    ended_at,
    without_secrets,
)

TOKEN = "0123456789abcdef"
SESSION = SessionPod(
    image="registry.test/streamspace/gimp:1",
    home="/home/jovyan",
    desktop_user=1000,
    streamer_user=1001,
    group=100,
    shm_size=2**30,
    requests={"cpu": 0.1},
    limits={"memory": 2**30},
)
GPUS = Gpus("nvidia.com/gpu", 2, {"pool": "gpu"}, ({"key": "gpu", "operator": "Exists"},), "nvidia")


def pod(session: SessionPod = SESSION, **given: Any) -> V1Pod:
    """Return a session's pod, made from KubeSpawner's with the traits `given`."""
    traits: dict[str, Any] = {
        "env": {"JUPYTERHUB_API_TOKEN": TOKEN, "JPY_API_TOKEN": TOKEN, "COPY": f"x{TOKEN}", "EDITOR": "vi"},
        "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "claim-ann"}}],
        "volume_mounts": [{"name": "home", "mountPath": "/home/jovyan"}],
        "mem_limit": 2**31,
        "cpu_guarantee": 0.5,
        **given,
    }
    cmd, image = ["jupyterhub-singleuser"], "quay.io/jupyter/base:1"
    return as_session(make_pod(name="jupyter-ann", cmd=cmd, port=8888, image=image, **traits), session)


def containers(made: V1Pod) -> tuple[Any, Any]:
    notebook, desktop = made.spec.containers[:2]
    assert (notebook.name, desktop.name) == ("notebook", "desktop")
    return notebook, desktop


def variables(container: Any) -> dict[str, str]:
    return {variable.name: variable.value for variable in container.env}


def mounts(container: Any) -> dict[str, str]:
    return {mount.mount_path: mount.name for mount in container.volume_mounts}


def test_the_users_programs_see_their_files_and_no_token() -> None:
    _, desktop = containers(pod())
    assert mounts(desktop) == {
        "/home/jovyan": "home",
        "/run/streamspace/desktop": "streamspace-desktop",
        "/dev/shm": "streamspace-shm",
    }
    assert variables(desktop) == {
        "EDITOR": "vi",
        "HOME": "/home/jovyan",
        "STREAMSPACE_RUNTIME_DIR": DESKTOP_DIR,
        "STREAMSPACE_DESKTOP_DIR": DESKTOP_DIR,
    }
    assert desktop.resources.limits == {"memory": 2**31}
    assert desktop.resources.requests == {"cpu": 0.5}


def test_the_streamer_sees_the_token_and_none_of_the_users_files() -> None:
    notebook, _ = containers(pod())
    assert mounts(notebook) == {
        "/run/streamspace/streamer": "streamspace-streamer",
        "/run/streamspace/desktop": "streamspace-desktop",
    }
    assert variables(notebook)["JUPYTERHUB_API_TOKEN"] == TOKEN
    assert variables(notebook)["STREAMSPACE_RUNTIME_DIR"] == STREAMER_DIR
    assert variables(notebook)["STREAMSPACE_DESKTOP_DIR"] == DESKTOP_DIR
    assert (notebook.resources.requests, notebook.resources.limits) == ({"cpu": 0.1}, {"memory": 2**30})


def test_the_certificates_of_internal_tls_stay_the_servers() -> None:
    made = pod(
        replace(SESSION, keep_mounts=("/etc/jupyterhub/ssl/",)),
        ssl_secret_name="s",
        ssl_secret_mount_path="/etc/jupyterhub/ssl/",
    )
    notebook, desktop = containers(made)
    assert "/etc/jupyterhub/ssl/" in mounts(notebook)
    assert "/etc/jupyterhub/ssl/" not in mounts(desktop)


@pytest.mark.parametrize("given", [{}, {"uid": 5, "gid": 6}, {"container_security_context": {"runAsUser": 1001}}])
def test_two_users_of_one_group_without_any_privilege(given: dict[str, Any]) -> None:
    made = pod(**given)
    for container, user in zip(containers(made), (1001, 1000), strict=True):
        assert container.security_context == {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
            "runAsUser": user,
            "runAsGroup": 100,
        }
    assert made.spec.security_context["fsGroup"] == 100
    assert made.spec.automount_service_account_token is False


def test_the_admins_init_containers_may_be_root() -> None:
    made = pod(init_containers=[{"name": "block", "image": "tools:1", "securityContext": {"runAsUser": 0}}])
    assert "runAsNonRoot" not in made.spec.security_context
    assert made.spec.init_containers[0].security_context == {"runAsUser": 0}


def test_what_an_admin_says_of_security_holds() -> None:
    made = pod(fs_gid=7, container_security_context={"readOnlyRootFilesystem": True})
    assert made.spec.security_context["fsGroup"] == 7
    assert all(container.security_context["readOnlyRootFilesystem"] for container in containers(made))


def test_gpus_go_to_the_users_programs_and_their_nodes() -> None:
    made = pod(replace(SESSION, gpus=GPUS), node_selector={"zone": "a"}, tolerations=[{"key": "x"}])
    notebook, desktop = containers(made)
    assert desktop.resources.limits["nvidia.com/gpu"] == desktop.resources.requests["nvidia.com/gpu"] == 2
    assert "nvidia.com/gpu" not in notebook.resources.limits
    assert made.spec.node_selector == {"zone": "a", "pool": "gpu"}
    assert [getattr(item, "key", None) or item["key"] for item in made.spec.tolerations] == ["x", "gpu"]
    assert made.spec.runtime_class_name == "nvidia"
    assert variables(desktop)["NVIDIA_DRIVER_CAPABILITIES"] == "all", "OpenGL, not only computing"
    assert "NVIDIA_DRIVER_CAPABILITIES" not in variables(notebook)


def test_the_streamer_gets_a_share_of_a_gpu_to_encode_on() -> None:
    gpus = replace(GPUS, encoder="nvidia.com/gpu.shared")
    notebook, desktop = containers(pod(replace(SESSION, gpus=gpus)))
    asked = notebook.resources
    assert asked.limits == {"memory": 2**30, "nvidia.com/gpu.shared": 1}
    assert asked.requests == {"cpu": 0.1, "nvidia.com/gpu.shared": 1}
    assert variables(notebook)["NVIDIA_DRIVER_CAPABILITIES"] == "all"
    assert "nvidia.com/gpu.shared" not in desktop.resources.limits


def test_what_an_admin_says_of_the_drivers_holds() -> None:
    env = {"NVIDIA_DRIVER_CAPABILITIES": "graphics,utility"}
    _, desktop = containers(pod(replace(SESSION, gpus=GPUS), env=env))
    assert variables(desktop)["NVIDIA_DRIVER_CAPABILITIES"] == "graphics,utility"
    _, desktop = containers(pod(replace(SESSION, gpus=replace(GPUS, resource="gpu.intel.com/i915"))))
    assert "NVIDIA_DRIVER_CAPABILITIES" not in variables(desktop)


def test_other_containers_and_the_port_stay_as_they_are() -> None:
    made = pod(extra_containers=[{"name": "side", "image": "side:1"}])
    assert [container.name for container in made.spec.containers] == ["notebook", "desktop", "side"]
    notebook, desktop = containers(made)
    assert [port.name for port in notebook.ports] == ["notebook-port"]
    assert desktop.ports == []
    assert notebook.args is None
    assert desktop.args is None


def test_a_reference_to_the_token_is_no_way_around() -> None:
    given = [V1EnvVar(name="A", value="$(JUPYTERHUB_API_TOKEN)"), V1EnvVar(name="B", value="b"), V1EnvVar(name="C")]
    assert [variable.name for variable in without_secrets(given)] == ["B", "C"]


@pytest.mark.parametrize(
    ("policy", "state", "code"),
    [
        ("OnFailure", {"running": {}}, None),
        ("OnFailure", {"terminated": {"exitCode": 0}}, 0),
        ("OnFailure", {"terminated": {"exitCode": 137}}, None),  # the kubelet starts it again
        ("Never", {"terminated": {"exitCode": 137}}, 137),
    ],
)
def test_the_desktop_has_ended_once_nobody_starts_it_again(
    policy: str, state: dict[str, Any], code: int | None
) -> None:
    statuses = [{"name": "notebook", "state": {"running": {}}}, {"name": "desktop", "state": state}]
    assert desktop_exit_code({"spec": {"restartPolicy": policy}, "status": {"containerStatuses": statuses}}) == code
    assert desktop_exit_code({"spec": {}, "status": {}}) is None


@pytest.mark.parametrize(
    ("states", "at"),
    [
        ([], None),
        ([{"terminated": {"finishedAt": "2026-11-29T10:00:00Z"}}, {"running": {}}], None),
        ([{"terminated": {"finishedAt": "1970-01-01T00:00:09Z"}}, {"terminated": {"exitCode": 1}}], 9),
        ([{"terminated": {"finishedAt": "1970-01-01T00:01:00Z"}}, {"terminated": {"finishedAt": None}}], 60),
    ],
)
def test_a_pod_has_ended_when_the_last_of_its_containers_has(states: list[dict[str, Any]], at: float | None) -> None:
    assert ended_at({"status": {"containerStatuses": [{"state": state} for state in states]}}) == at
