"""What a pod gets in order to sleep with its memory, and what it may say at its end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from kubernetes_asyncio.client import V1OwnerReference
from kubespawner.objects import make_pod
from streamspace_spawner.pod import strict_security
from streamspace_spawner.pod_sleep import (
    CAPABILITIES,
    KEY_FOLDER,
    KEY_MOUNT,
    PodSleep,
    is_kept,
    kept,
    key_secret,
    removal,
)

from streamspace_hub.model.asleep import image_folder, image_paths
from tests.unit.test_spawner_pod import SESSION, containers, mounts, pod, variables

SLEEPS = replace(SESSION, sleep=PodSleep("jupyter-ann-sleep", 120))
HOME = {"name": "home", "mountPath": "/home/jovyan"}
FAREWELL = ["python3", "-P", "-s", "-m", "streamspace_proxy.desktop.farewell"]


def test_the_desktop_begins_as_root_with_what_criu_needs_and_the_streamer_with_nothing() -> None:
    notebook, desktop = containers(pod(SLEEPS))
    assert notebook.security_context == strict_security({}, 1001, 100)
    assert desktop.security_context == {
        "runAsUser": 0,
        "runAsGroup": 100,
        "runAsNonRoot": False,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": ["CHECKPOINT_RESTORE", "SETPCAP", "SETUID", "SYS_PTRACE"]},
        "seccompProfile": {"type": "Unconfined"},
    }
    assert variables(desktop)["STREAMSPACE_DESKTOP_UID"] == "1000"
    assert desktop.command == ["python3", "-P", "-s", "-m", "streamspace_proxy.desktop"]


def test_what_criu_needs_wins_over_what_an_admin_says_of_security() -> None:
    given = {"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": True, "readOnlyRootFilesystem": True}
    notebook, desktop = containers(pod(SLEEPS, container_security_context=given))
    assert desktop.security_context["capabilities"]["add"] == list(CAPABILITIES)
    assert desktop.security_context["allowPrivilegeEscalation"] is False
    assert desktop.security_context["readOnlyRootFilesystem"] is True
    assert "add" not in notebook.security_context["capabilities"]


def test_the_key_is_the_desktops_below_a_folder_of_roots() -> None:
    made = pod(SLEEPS)
    notebook, desktop = containers(made)
    assert mounts(desktop)[KEY_MOUNT] == "streamspace-sleep"
    assert mounts(desktop)[KEY_FOLDER] == "streamspace-sleep-key"
    assert variables(desktop)["STREAMSPACE_SLEEP_KEY_FILE"] == f"{KEY_FOLDER}/key"
    assert not [path for path in mounts(notebook) if path.startswith(KEY_MOUNT)]
    assert not [name for name in variables(notebook) if "KEY" in name]
    volumes = {volume.name: volume for volume in made.spec.volumes}
    assert volumes["streamspace-sleep-key"].secret.secret_name == "jupyter-ann-sleep"
    assert volumes["streamspace-sleep"].empty_dir.medium == "Memory"
    owner = V1OwnerReference(api_version="v1", kind="Pod", name="jupyter-ann", uid="1")
    secret = key_secret("jupyter-ann-sleep", bytes(32), owner, {"app": "jupyterhub"})
    assert secret.string_data == {"key": 64 * "0"}
    assert secret.metadata.owner_references == [owner]


@pytest.mark.parametrize(("given", "grace"), [(None, 120), (5, 120), (600, 600)])
def test_it_has_time_to_keep_its_memory(given: int | None, grace: int) -> None:
    more = {} if given is None else {"extra_pod_config": {"terminationGracePeriodSeconds": given}}
    made = pod(SLEEPS, lifecycle_hooks={}, **more)  # as KubeSpawner has it, where nobody sets any
    assert made.spec.termination_grace_period_seconds == grace
    assert containers(made)[1].lifecycle.pre_stop == {"exec": {"command": FAREWELL}}
    assert containers(made)[0].lifecycle is None
    assert pod().spec.termination_grace_period_seconds is None
    assert containers(pod())[1].lifecycle is None


def test_an_admins_hooks_run_as_the_programs_user_and_theirs_comes_first() -> None:
    mine = {"postStart": {"exec": {"command": ["gitpuller", "x"]}}, "preStop": {"exec": {"command": ["sync"]}}}
    lifecycle = containers(pod(SLEEPS, lifecycle_hooks=mine))[1].lifecycle
    run = ["python3", "-P", "-s", "-m", "streamspace_proxy.desktop.container"]
    assert lifecycle.post_start == {"exec": {"command": [*run, "gitpuller", "x"]}}
    assert lifecycle.pre_stop == {"exec": {"command": [*run, "sync"]}}
    only = {"postStart": {"httpGet": {"port": 1}}}
    lifecycle = containers(pod(SLEEPS, lifecycle_hooks=only))[1].lifecycle
    assert (lifecycle.post_start, lifecycle.pre_stop) == (only["postStart"], {"exec": {"command": FAREWELL}})


@pytest.mark.parametrize(
    ("volume", "mount", "lasts"),
    [
        ({"persistentVolumeClaim": {"claimName": "claim"}}, "/home/jovyan", True),
        ({"nfs": {"server": "files"}}, "/home", True),
        ({"emptyDir": {}}, "/home/jovyan", False),
        ({"persistentVolumeClaim": {"claimName": "claim"}}, "/home/jov", False),
        ({"persistentVolumeClaim": {"claimName": "claim"}}, "/home/jovyan/work", False),
    ],
)
def test_only_a_home_that_outlives_the_pod_can_keep_memory(volume: dict[str, Any], mount: str, lasts: bool) -> None:
    volumes, mounted = [{"name": "home", **volume}], [{"name": "home", "mountPath": mount}]
    assert is_kept(volumes, mounted, "/home/jovyan") is lasts
    assert not is_kept([], [], "/home/jovyan")


def test_the_nearest_mount_says_whether_the_home_outlives_the_pod() -> None:
    volumes = [{"name": "all", "nfs": {}}, {"name": "home", "emptyDir": {}}]
    assert not is_kept(volumes, [{"name": "all", "mountPath": "/home"}, HOME], "/home/jovyan")


def test_an_image_is_removed_by_a_pod_that_has_nothing_but_the_home() -> None:
    paths = image_paths(image_folder("/home/jovyan", "gimp"))
    volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": "claim"}}, {"name": "course", "nfs": {}}]
    given = make_pod(
        name="jupyter-ann",
        cmd=["x"],
        port=8888,
        image="lab:1",
        env={"JUPYTERHUB_API_TOKEN": "secret"},
        volumes=volumes,
        volume_mounts=[HOME, {"name": "course", "mountPath": "/course"}],
        init_containers=[{"name": "block", "image": "tools:1"}],
        node_selector={"zone": "a"},
        labels={"component": "singleuser-server"},
    )
    security = strict_security({}, 1000, 100)
    made = removal(given, paths, "gimp:1", security, "jupyter-ann-forget")
    (container,) = made.spec.containers
    assert container.command[:3] == ["rm", "-rf", "--"]
    assert container.command[3:] == [
        f"/home/jovyan/.streamspace/sleep/gimp{suffix}" for suffix in ("", ".part", ".old", ".last")
    ]
    assert (container.env, container.args, made.spec.init_containers) == (None, None, None)
    assert [mount.name for mount in container.volume_mounts] == ["home"]
    assert [volume.name for volume in made.spec.volumes] == ["home"]
    assert container.security_context == security
    assert (made.metadata.name, made.spec.restart_policy) == ("jupyter-ann-forget", "Never")
    assert made.spec.node_selector == {"zone": "a"}


def ended(message: object, name: str = "desktop") -> dict[str, Any]:
    said = message if isinstance(message, str) else json.dumps(message)
    statuses = [{"name": name, "state": {"terminated": {"exitCode": 0, "message": said}}}]
    return {"status": {"containerStatuses": statuses}}


def test_the_last_words_say_since_when_it_sleeps_and_how_large_it_is() -> None:
    word = kept(ended({"asleep": {"since": "2026-11-30T03:00:00.25+01:00", "bytes": 7}}))
    assert word is not None
    assert (word.since, word.bytes) == ("2026-11-30T02:00:00+00:00", 7)


@pytest.mark.parametrize(
    "pod",
    [
        {"status": {}},
        {"status": {"containerStatuses": [{"name": "desktop", "state": {"running": {}}}]}},
        ended(""),
        ended("killed"),
        ended({"asleep": {"since": "2026-11-30T02:00:00+00:00", "bytes": 7}}, "notebook"),
        ended({"asleep": {"since": "2026-11-30T02:00:00", "bytes": 7}}),
        ended({"asleep": {"since": "<b>", "bytes": 7}}),
        ended({"asleep": {"since": "2026-11-30T02:00:00+00:00", "bytes": -1}}),
        ended({"asleep": {"since": "2026-11-30T02:00:00+00:00", "bytes": 1 << 50}}),
        ended({"asleep": {"since": "2026-11-30T02:00:00+00:00", "bytes": 7, "more": 1}}),
        ended({"asleep": None}),
    ],
)
def test_what_is_none_of_them_is_nothing(pod: dict[str, Any]) -> None:
    assert kept(pod) is None
