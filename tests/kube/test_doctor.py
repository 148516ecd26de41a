"""`streamspace doctor --cluster` before anything is installed; with a hub, the tests of the charts ask it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kube import Namespace, doctor

pytestmark = [pytest.mark.kube, pytest.mark.timeout(200)]


def test_in_an_empty_namespace_nothing_is_wrong_until_its_quota_is_used_up(namespace: Namespace) -> None:
    lines = doctor(namespace)
    assert {name for name, line in lines.items() if line["status"] == "red"} == set(), lines
    assert lines["Kubernetes"]["found"].startswith("v1.")
    assert lines["session pods"]["found"] == "the API server takes them (Pod Security restricted)"
    assert lines["hub"]["status"] == "grey"
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    namespace.apply(quota)
    refused = doctor(namespace)["session pods"]
    assert (refused["status"], "ResourceQuota" in refused["advice"]) == ("red", True), refused
    assert namespace.left() == []


def test_who_may_not_look_is_told_what_it_takes(namespace: Namespace, tmp_path: Path) -> None:
    lines = doctor(namespace, namespace.hub_kubeconfig(tmp_path))
    assert list(lines) == ["Kubernetes", "hub"]
    assert "cannot list resource" in lines["hub"]["found"]
    assert "Deployments and Secrets" in lines["hub"]["advice"]
