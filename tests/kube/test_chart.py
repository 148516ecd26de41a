"""The overlays for Zero-to-JupyterHub and the companion chart: rendered, taken by the API server, and run."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.kube.cluster.binaries import prometheus_operator
from tests.support.kube import Cluster, Namespace, doctor
from tests.support.postgres import Postgres
from tests.support.waiting import eventually
from tests.support.z2jh import COMPANION, Release, overlay, render

pytestmark = [pytest.mark.kube, pytest.mark.timeout(600)]

OVERLAYS = ("streamspace", "gpu", "turn", "postgres", "network", "sleep", "ha", "monitoring", "ingress")
COMBINATIONS = [(name,) for name in OVERLAYS] + [("streamspace", name) for name in OVERLAYS[1:]] + [OVERLAYS]
VERSIONS = ("4.4.0", "4.2.0")
COMPANIONS = {
    "service": [],
    "service-told-more": ["--set=service.replicas=1", "--set-string=service.env.STREAMSPACE_MAX=1"],
    "turn": ["--set=service.enabled=false", "--set=turn.enabled=true"],
    "turn-on-a-node": ["--set=service.enabled=false,turn.enabled=true,turn.hostPort=true,turn.service.type=ClusterIP"],
    "monitoring": [
        "--set=service.enabled=false,monitoring.serviceMonitor.enabled=true",
        "--set=monitoring.prometheusRule.enabled=true,monitoring.prometheusRule.labels.release=stack",
        "--set=monitoring.dashboards.enabled=true",
    ],
    "both-without-policies": ["--set=turn.enabled=true", "--set=networkPolicy.enabled=false"],
}
PROMETHEUS = r"{.data.hub\.services\.streamspace-prometheus\.apiToken}"
GOLDEN = Path(__file__).with_name("golden")


def red(namespace: Namespace) -> set[str]:
    """Return what the doctor finds wrong."""
    return {name for name, line in doctor(namespace).items() if line["status"] == "red"}


def dry_run(namespace: Namespace, objects: str) -> None:
    """Have the API server take `objects`, without keeping them."""
    arguments = ("-n", namespace.name, "apply", "--dry-run=server", "-f", "-")
    said = namespace.cluster.kubectl(*arguments, stdin=objects)
    assert said.count("(server dry run)") == objects.count("\nkind: ") + objects.startswith("kind: ")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("names", COMBINATIONS, ids="+".join)
def test_overlays_are_taken_alone_and_together(
    namespace: Namespace, chart: str, names: tuple[str, ...], version: str
) -> None:
    given = Path(chart).with_name(f"jupyterhub-{version}.tgz")
    done = render(given, f"--namespace={namespace.name}", *(f"--values={overlay(name)}" for name in names))
    assert done.returncode == 0, done.stderr
    dry_run(namespace, done.stdout)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("hub.allowNamedServer=true", "allowNamedServer"),
        ("singleuser.storage.dynamic.pvcNameTemplat=x", "pvcNameTemplat"),
    ],
)
def test_a_typo_in_an_overlay_is_refused_by_its_path(cluster: Cluster, chart: str, setting: str, said: str) -> None:
    done = render(chart, f"--values={overlay('streamspace')}", f"--set={setting}")
    assert done.returncode != 0
    assert setting.rpartition(".")[0].replace(".", "/") in done.stderr.replace(".", "/")
    assert said in done.stderr


@pytest.fixture(scope="module")
def operator(cluster: Cluster) -> Iterator[None]:
    """The kinds of the Prometheus operator, where the cluster has them not."""
    files = [f"--filename={file}" for file in sorted(prometheus_operator().glob("*.yaml"))]
    there = "servicemonitors.monitoring.coreos.com" in cluster.kubectl("get", "crd", "-o", "name")
    if not there:
        cluster.kubectl("create", *files)
        cluster.kubectl("wait", "--for=condition=Established", *files, "--timeout=60s")
    yield
    if not there:
        cluster.kubectl("delete", "--wait=false", *files)


@pytest.mark.parametrize("name", COMPANIONS)
def test_the_companion_chart_renders_what_it_did_and_the_api_server_takes_it(
    cluster: Cluster, namespace: Namespace, operator: None, name: str
) -> None:
    done = render(COMPANION, *COMPANIONS[name])
    assert done.returncode == 0, done.stderr
    golden = GOLDEN / f"companion-{name}.yaml"
    if os.environ.get("STREAMSPACE_UPDATE_GOLDEN"):
        golden.write_text(done.stdout)
    assert done.stdout == golden.read_text(), "if it was meant: STREAMSPACE_UPDATE_GOLDEN=1"
    dry_run(namespace, done.stdout)


def test_the_companion_chart_passes_lint(cluster: Cluster) -> None:
    done = subprocess.run(["helm", "lint", "--strict", COMPANION], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("service.replica=3", "replica"),
        ("service.replicas=0", "service"),
        ("service.image.name=a;b", "image"),
        ("service.env.PATH=/tmp", "PATH"),
        ("service.hubUrl=hub:8081", "hubUrl"),
        ("monitoring.serviceMonitor.interval=often", "interval"),
        ("monitoring.dashboard.enabled=true", "dashboard"),
        ("turn.peers={10.0.0.0/8}", "peers"),
        ("turn.service.type=Loadbalancer", "type"),
        ("turn.ports.relayLast=1,turn.enabled=true", "turn.ports.relayLast must not be smaller"),
    ],
)
def test_bad_values_of_the_companion_chart_are_named(cluster: Cluster, setting: str, said: str) -> None:
    done = render(COMPANION, f"--set={setting}")
    assert done.returncode != 0
    assert said in done.stderr


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Postgres]:
    """PostgreSQL where pods reach it, with a database for the hub beside the service's."""
    server = Postgres(cluster.address)
    try:
        server.start()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE hub")
        yield server
    finally:
        server.remove()


def test_the_service_in_two_replicas_beside_a_hub_with_all_overlays_outlives_one(
    cluster: Cluster, chart: str, image: str, database: Postgres
) -> None:
    with cluster.namespace("baseline") as namespace:
        named, url = {"name": "streamspace-database"}, {"url": database.url}
        namespace.apply({"apiVersion": "v1", "kind": "Secret", "metadata": named, "stringData": url})
        release = Release(namespace, chart, image, OVERLAYS)
        hub = f"postgresql+psycopg2://streamspace@{database.host}:{database.port}/hub"
        release.install(
            "--set-string", "hub.extraFiles.streamspace-turn.stringData=of-this-test",
            "--set-string", f"hub.db.url={hub},hub.db.password={database.password}",
        )  # fmt: skip
        name, tag = f"service.image.name={release.prefix}/hub", f"service.image.tag={release.tag}"
        release.helm("install", "streamspace", str(COMPANION), "--set", name, "--set", tag, "--wait", "--timeout", "3m")
        replicas = [pod["metadata"]["name"] for pod in namespace.pods() if pod["metadata"]["name"].startswith("stream")]
        assert len(replicas) == 2
        with namespace.forward("service/proxy-public", 80) as port:
            health = f"http://127.0.0.1:{port}/services/streamspace/api/v1/health"

            def answers() -> bool:
                return httpx.get(health, timeout=10).status_code == 200

            eventually(answers, "the service to answer through the hub's proxy", log=release.said)
            token = base64.b64decode(namespace.kubectl("get", "secret", "hub", f"-o=jsonpath={PROMETHEUS}")).decode()
            told = httpx.get(f"{health.partition('/api/')[0]}/metrics", headers={"Authorization": f"Bearer {token}"})
            assert "streamspace_sessions{" in told.text, told
            namespace.kubectl("delete", "pod", replicas[0], "--wait=true")
            eventually(answers, "the other replica to answer", log=release.said)
        log = namespace.kubectl("logs", "deployment/hub")
        assert database.password not in log
        eventually(lambda: red(namespace) == {"GPUs"}, "the doctor to find nothing wrong but that there are no GPUs")
        said = json.dumps(doctor(namespace))
        assert "the hub reaches it" in said
        assert database.password not in said
        assert "of-this-test" not in said
        namespace.kubectl("delete", "rolebinding", "hub")
        assert red(namespace) == {"GPUs", "permissions"}
        release.helm("uninstall", "streamspace", "--wait")
