"""What the doctor makes of a cluster and of a Zero-to-JupyterHub's values, before and after StreamSpace is added."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamspace_hub.cli import main
from streamspace_hub.cli.check import Check
from streamspace_hub.cli.doctor_cluster import (
    read_hub,
    read_image,
    read_permissions,
    read_plugin,
    read_policies,
    read_refusal,
    read_service,
    read_version,
    session_pod,
)
from streamspace_hub.cli.doctor_z2jh import (
    Hub,
    check_gpus,
    check_homes,
    check_installation,
    check_turn,
    kept_from_metadata_by_iptables,
)

HELM_VALUES = Path(__file__).parents[2] / "helm-values"
DEPLOYMENT: dict[str, Any] = {
    "metadata": {"name": "hub", "namespace": "jhub"},
    "spec": {"template": {"spec": {"serviceAccountName": "hub"}}},
    "status": {"readyReplicas": 1},
}


def hub(*values: dict[str, Any], **files: str) -> Hub:
    """Return a hub whose Secrets hold these values, the later ones on top, and these files."""
    secrets = [{"data": {"values.yaml": encoded(yaml.safe_dump(one))}} for one in values]
    return Hub.read(DEPLOYMENT, [*secrets, {"data": {name: encoded(text) for name, text in files.items()}}])


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def overlay(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((HELM_VALUES / f"{name}.yaml").read_text())
    return found


def storage_class(name: str, *, default: bool = False) -> dict[str, Any]:
    marks = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": marks}}


STANDARD = [storage_class("standard", default=True), storage_class("fast")]
BEFORE = {"Chart": {"Version": "4.4.0"}, "hub": {"baseUrl": "/"}}


@pytest.mark.parametrize(
    ("version", "status"), [("v1.34.4", "green"), ("v1.28.0+k3s1", "green"), ("v1.27.9-gke.1", "red")]
)
def test_versions_of_kubernetes(version: str, status: str) -> None:
    assert read_version(version).status == status


def test_before_anything_is_there_nothing_is_wrong() -> None:
    line = read_hub([], None)
    assert (line.status, "--namespace" in line.advice) == ("grey", True)


@pytest.mark.parametrize(
    ("chart", "ready", "status", "advice"),
    [("4.4.0", 1, "green", ""), ("3.3.8", 1, "red", "upgrade it first"), ("4.2.0", 0, "red", "kubectl describe")],
)
def test_the_hub_that_is_there(chart: str, ready: int, status: str, advice: str) -> None:
    deployment = {**DEPLOYMENT, "status": {"readyReplicas": ready}}
    line = read_hub([deployment], hub({"Chart": {"Version": chart}}))
    assert line.status == status
    assert advice in line.advice


def test_two_hubs_in_a_namespace_are_named() -> None:
    other = {**DEPLOYMENT, "metadata": {"name": "other", "namespace": "jhub"}}
    assert "hub, other" in read_hub([DEPLOYMENT, other], None).found


def test_what_the_service_account_lacks_is_named() -> None:
    line = read_permissions("hub", [("pods", "create"), ("pods", "delete"), ("events", "watch")])
    assert line.status == "red"
    assert line.found == "the service account hub may not create, delete pods; watch events"
    assert read_permissions("hub", []).status == "green"


@pytest.mark.parametrize(
    ("said", "iptables", "status", "advice"),
    [
        ('pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged', True, "red", "network.yaml"),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": x', False, "red", "webhook"),
        ('pods "x" is forbidden: exceeded quota: small', False, "red", "ResourceQuota"),
        ('(Forbidden): pods is forbidden: User "u" cannot create resource "pods"', False, "grey", "may create pods"),
        ("admission webhook denied the request", False, "red", "component=singleuser-server"),
    ],
)
def test_a_refused_pod_says_what_to_do(said: str, iptables: bool, status: str, advice: str) -> None:
    line = read_refusal(said, "Pod Security baseline", iptables=iptables)
    assert (line.status, advice in line.advice) == (status, True), line


def test_the_pod_that_is_tried_has_the_charts_init_container_where_the_chart_adds_it() -> None:
    assert session_pod(iptables=True)["spec"]["initContainers"][0]["securityContext"]["privileged"]
    assert session_pod(iptables=False)["spec"]["initContainers"] == []
    assert kept_from_metadata_by_iptables(hub(BEFORE).values), "the chart's default"
    assert not kept_from_metadata_by_iptables(hub(BEFORE, overlay("network")).values)
    assert not kept_from_metadata_by_iptables(hub().values), "no chart, no init container"


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ({"podSelector": {}}, "green"),
        ({"podSelector": {"matchLabels": {"component": "singleuser-server", "release": "x"}}}, "green"),
        ({"podSelector": {"matchLabels": {"component": "hub"}}}, "red"),
        ({"podSelector": {"matchLabels": {"component": "singleuser-server"}}, "policyTypes": ["Egress"]}, "red"),
    ],
)  # fmt: skip
def test_a_policy_that_keeps_sessions_apart(spec: dict[str, Any], status: str) -> None:
    assert read_policies([{"metadata": {"name": "p"}, "spec": spec}]).status == status


def test_the_policy_of_the_documentation_is_one() -> None:
    text = (HELM_VALUES.parent / "docs/how-to/session-network-policy.yaml").read_text()
    assert read_policies(list(yaml.safe_load_all(text))).status == "green"
    assert read_policies([]).status == "red"


@pytest.mark.parametrize(("names", "status"), [(["kube-flannel-ds"], "grey"), (["cilium", "kube-proxy"], "green")])
def test_network_plugins(names: list[str], status: str) -> None:
    assert read_plugin(names).status == status


@pytest.mark.parametrize(
    ("values", "classes", "nodes", "statuses"),
    [
        ({}, STANDARD, 1, ["green", "green"]),
        ({}, STANDARD, 3, ["green", "grey"]),
        ({"storageClass": "fast", "storageAccessModes": ["ReadWriteMany"]}, STANDARD, 3, ["green", "green"]),
        ({"storageClass": "slow"}, STANDARD, 1, ["red", "green"]),
        ({}, [storage_class("fast")], 1, ["red", "green"]),
    ],
)
def test_homes(values: dict[str, Any], classes: list[dict[str, Any]], nodes: int, statuses: list[str]) -> None:
    given = {"singleuser": {"storage": {"type": "dynamic", "dynamic": values}}}
    assert [line.status for line in check_homes(hub(BEFORE, given), classes, nodes)] == statuses


def test_a_home_for_each_session_is_red_once_there_are_sessions() -> None:
    before, after = hub(BEFORE), hub(BEFORE, overlay("streamspace"))
    each = hub(BEFORE, overlay("streamspace"), {"singleuser": {"storage": {"dynamic": {"pvcNameTemplate": None}}}})
    assert [line.status for line in check_homes(before, STANDARD, 1)] == ["green", "green"]
    assert [line.status for line in check_homes(after, STANDARD, 1)] == ["green", "green"]
    assert [line.status for line in check_homes(each, STANDARD, 1)] == ["green", "red"]
    assert [line.status for line in check_homes(hub({"singleuser": {"storage": {"type": "static"}}}), [], 1)] == [
        "green"
    ]


@pytest.mark.parametrize(
    ("wanted", "nodes", "status", "found"),
    [
        ("", [{"cpu": "4"}], "grey", "none; the hub is told of none"),
        ("", [{"nvidia.com/gpu": "2"}, {"nvidia.com/gpu": "1"}], "grey", "3 nvidia.com/gpu"),
        ("nvidia", [{"nvidia.com/gpu": "2"}], "green", "2 n"),
        ("nvidia", [{"nvidia.com/mig-1g.5gb": "7"}], "red", "offered: 7 nvidia.com/mig-1g.5gb"),
        ("example.org/slice", [{"example.org/slice": "1"}], "green", "example.org/slice"),
        ("amd", [{"amd.com/gpu": "0"}], "red", "no node offers amd.com/gpu"),
    ],
)
def test_gpus(wanted: str, nodes: list[dict[str, str]], status: str, found: str) -> None:
    line = check_gpus(hub({"hub": {"config": {"StreamSpaceSpawner": {"gpu_resource": wanted}}}}), nodes)
    assert (line.status, found in line.found) == (status, True), line
    assert bool(line.advice) == (status == "red" or "nvidia" in found)


def test_an_installation_before_with_the_overlay_and_with_half_of_it() -> None:
    (before,) = check_installation(hub(BEFORE))
    (after,) = check_installation(hub(BEFORE, overlay("streamspace")))
    half = {"hub": {"extraConfig": {"mine": "import streamspace_hub\nstreamspace_hub.install(c)\n"}}}
    (broken,) = check_installation(hub(BEFORE, half))
    assert (before.status, after.status, broken.status) == ("grey", "green", "red")
    for key in ("spawner_class must be", "hub.allowNamedServers must be true", "session_image must be"):
        assert key in broken.found
    assert "extraConfig" not in broken.found


def test_settings_made_in_python_count_as_well() -> None:
    code = """
        import streamspace_hub
        c.JupyterHub.spawner_class = "streamspace_spawner.StreamSpaceSpawner"
        c.StreamSpaceSpawner.session_image = "registry.test/{app}"
        c.JupyterHub.allow_named_servers = True
        streamspace_hub.install(c)
    """
    (line,) = check_installation(hub(BEFORE, {"hub": {"extraConfig": {"all": code}}}))
    assert line.status == "green"


def test_the_secret_of_turn() -> None:
    values = [BEFORE, overlay("streamspace"), overlay("turn")]
    (blank,) = check_turn(hub(*values, **{"streamspace-turn": " "}))
    (given,) = check_turn(hub(*values, **{"streamspace-turn": "of-this-test"}))
    assert (blank.status, given.status) == ("red", "green")
    assert "of-this-test" not in given.found
    without = {"hub": {"config": overlay("turn")["hub"]["config"]}}
    (nowhere,) = check_turn(hub(BEFORE, without))
    assert "nothing puts /etc/streamspace/turn-secret" in nowhere.found
    assert list(check_turn(hub(BEFORE))) == []


@pytest.mark.parametrize(
    ("ours", "on", "status"), [("0.1.0", True, "green"), (None, True, "red"), (None, False, "grey")]
)
def test_the_hubs_image(ours: str | None, on: bool, status: str) -> None:
    inside = {"jupyterhub": "5.5.0", "jupyterhub-kubespawner": "7.1.0", "streamspace-hub": ours}
    assert read_image(hub(BEFORE, overlay("streamspace")) if on else hub(BEFORE), inside).status == status


@pytest.mark.parametrize(
    ("answer", "status", "advice"), [(200, "green", ""), (503, "red", "database"), ("timed out", "red", "port 10202")]
)
def test_the_companions_service(answer: int | str, status: str, advice: str) -> None:
    line = read_service(Check("service", "green", "2 of 2 replicas are ready"), answer)
    assert (line.status, advice in line.advice) == (status, True)


def test_without_kubectl_the_doctor_says_where_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["doctor", "--cluster", "--json"]) == 1
    (line,) = json.loads(capsys.readouterr().out)["checks"]
    assert (line["status"], "Install it" in line["advice"]) == ("red", True)


def test_a_namespace_without_the_cluster_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--namespace", "jhub"]) == 2
    assert "--cluster" in capsys.readouterr().err
