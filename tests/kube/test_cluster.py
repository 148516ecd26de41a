"""What the tests rely on the cluster for: that it does what a real one does."""

from __future__ import annotations

import pytest

from tests.support.kube import Cluster
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kube, pytest.mark.timeout(300)]


def pod(image: str, **spec: object) -> dict[str, object]:
    container = {"name": "main", "image": image.replace("{app}", "terminal"), "command": ["sleep", "infinity"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": {"containers": [container], **spec}}


def test_its_nodes_are_ready(cluster: Cluster) -> None:
    ready = 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'
    assert set(cluster.kubectl("get", "nodes", "-o", ready).split()) == {"True"}


def test_pod_security_is_enforced(cluster: Cluster, image: str) -> None:
    with cluster.namespace("restricted") as namespace:
        with pytest.raises(AssertionError, match="violates PodSecurity"):
            namespace.apply(pod(image))
        assert namespace.pods() == []


def test_a_service_account_may_do_what_its_role_says_and_no_more(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with cluster.namespace() as namespace:
        hub = Cluster(str(namespace.hub_kubeconfig(tmp_path_factory.mktemp("hub"))))
        assert hub.kubectl("get", "pods") == ""
        for beyond in (("get", "nodes"), ("get", "pods", "-n", "kube-system"), ("get", "configmaps")):
            assert "Forbidden" in hub.kubectl(*beyond, check=False)


def test_a_claim_gets_a_volume_and_a_pod_gets_both(cluster: Cluster, image: str) -> None:
    with cluster.namespace("privileged") as namespace:
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        volume = {"name": "home", "persistentVolumeClaim": {"claimName": "home"}}
        namespace.apply(
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "home"}, "spec": claim},
            pod(image, volumes=[volume]),
        )
        eventually(lambda: namespace.pod()["status"]["phase"] == "Running", "the pod to run", 120)
        namespace.kubectl("delete", "pod", "one", "--grace-period=1")
