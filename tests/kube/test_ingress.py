"""Pictures through what an ingress controller is, by TLS alone, to a Chromium that reaches the node and no pod."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page

from tests.kube.cluster.settings import NODE_ADDRESS
from tests.support.certificates import make_certificate
from tests.support.chromium import chromium
from tests.support.kube import Cluster, Namespace
from tests.support.outside import NODE, Outside, outside
from tests.support.viewer import SURFACE, wait_for_app, wait_for_transport
from tests.support.waiting import PATIENCE, eventually
from tests.support.z2jh import Release

pytestmark = [
    pytest.mark.kube,
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine outside of the cluster needs root (network namespaces)"),
]

HOST, USER, PASSWORD = "hub.test", "ann", "z2jh"
NGINX = """
pid /tmp/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  server {
    listen 8443 ssl;
    ssl_certificate /tls/tls.crt;
    ssl_certificate_key /tls/tls.key;
    location / {
      proxy_pass http://proxy-public;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_read_timeout 3600s;
    }
  }
}
"""
START = """async () => {
  const url = `${jhdata.base_url}api/users/${jhdata.user}/servers/terminal?_xsrf=${jhdata.xsrf_token}`;
  const headers = {'Content-Type': 'application/json'};
  return (await fetch(url, {method: 'POST', headers, body: JSON.stringify({app: 'terminal'})})).status;
}"""
READY = """async () => {
  const url = `${jhdata.base_url}api/users/${jhdata.user}?_xsrf=${jhdata.xsrf_token}`;
  return (await (await fetch(url)).json()).servers.terminal?.ready ?? false;
}"""


@pytest.fixture(scope="module")
def machine(cluster: Cluster) -> Iterator[Outside]:
    """A machine outside of the cluster, which has to be one that was made here."""
    if cluster.address != NODE_ADDRESS or "STREAMSPACE_TEST_ADDRESS" in os.environ:
        pytest.skip("the node of a cluster that was given cannot be given another network")
    with outside() as made:
        yield made


def node_port(namespace: Namespace, service: str, name: str) -> int:
    """Return the port of every node that leads to a port of a Service."""
    ports = json.loads(namespace.kubectl("get", "service", service, "-o", "json"))["spec"]["ports"]
    return next(int(port["nodePort"]) for port in ports if port["name"] == name)


def tls_proxy(namespace: Namespace, image: str, folder: Path) -> None:
    """Put what an ingress controller is into the cluster: nginx, which ends TLS and passes on to the hub's proxy."""
    certificate, key = (base64.b64encode(file.read_bytes()).decode() for file in make_certificate(folder, HOST, [NODE]))
    named = {"metadata": {"name": "ingress", "labels": {"app": "ingress"}}}
    ports = [{"name": "https", "port": 443, "targetPort": 8443}]
    container = {
        "name": "nginx",
        "image": image,
        "command": ["nginx", "-c", "/etc/ingress/nginx.conf", "-g", "daemon off;"],
        "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
        "volumeMounts": [{"name": "conf", "mountPath": "/etc/ingress"}, {"name": "tls", "mountPath": "/tls"}],
    }
    volumes = [{"name": "conf", "configMap": {"name": "ingress"}}, {"name": "tls", "secret": {"secretName": "ingress"}}]
    data = {"tls.crt": certificate, "tls.key": key}
    reached = {"type": "NodePort", "selector": {"app": "ingress"}, "ports": ports}
    namespace.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", **named, "data": {"nginx.conf": NGINX}},
        {"apiVersion": "v1", "kind": "Secret", **named, "type": "kubernetes.io/tls", "data": data},
        {"apiVersion": "v1", "kind": "Pod", **named, "spec": {"containers": [container], "volumes": volumes}},
        {"apiVersion": "v1", "kind": "Service", **named, "spec": reached},
    )
    namespace.kubectl("wait", "--for=condition=Ready", "pod/ingress", "--timeout=110s")


@pytest.fixture(scope="module")
def release(cluster: Cluster, chart: str, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Zero-to-JupyterHub, and a proxy that ends TLS before it."""
    with cluster.namespace("baseline") as namespace:
        edge, _, tag = image.replace("{app}", "edge").rpartition(":")
        made = Release(namespace, chart, image, ("streamspace", "network"))
        made.install()
        tls_proxy(namespace, f"{edge}:{tag}", tmp_path_factory.mktemp("tls"))
        yield made


@pytest.fixture(scope="module")
def browser(machine: Outside) -> Iterator[Browser]:
    """Chromium, outside."""
    with machine.entered():
        started = chromium("--ignore-certificate-errors")
        browser = started.__enter__()
    try:
        yield browser
    finally:
        started.__exit__(None, None, None)


@pytest.fixture(scope="module")
def page(browser: Browser, release: Release) -> Iterator[Page]:
    """A tab of a user who has signed in, and whose session runs."""
    page = browser.new_page(viewport={"width": 900, "height": 600})
    login = f"{address(release)}/hub/login?next=%2Fhub%2Fhome"
    eventually(lambda: opened(page, login), "the node's port to lead to the hub", log=release.said)
    page.fill("#username_input", USER)
    page.fill("#password_input", PASSWORD)
    page.click("#login_submit")
    page.wait_for_url("**/hub/home")
    assert page.evaluate(START) in (201, 202)
    eventually(lambda: page.evaluate(READY), "the session to run", 2 * PATIENCE, release.said)
    yield page
    print(page.url, page.inner_text("body")[:2000], release.said(), sep="\n")


def opened(page: Page, url: str) -> bool:
    """Return whether there is a page at an address: kube-proxy takes a moment to lead a new port anywhere."""
    try:
        reply = page.goto(url)
    except Error:
        return False
    return reply is not None and reply.ok


def address(release: Release) -> str:
    """Return where the hub is for those outside."""
    return f"https://{NODE}:{node_port(release.namespace, 'ingress', 'https')}"


def test_pictures_come_by_websocket_through_tls_alone(page: Page, release: Release) -> None:
    page.goto(f"{address(release)}/user/{USER}/terminal/streamspace/")
    wait_for_transport(page, "websocket", 2 * PATIENCE)
    wait_for_app(page)
    page.click(SURFACE)
    frames = "window.streamspace.stats().frames"
    before = page.evaluate(frames)

    def more() -> bool:
        page.keyboard.type("x")
        return bool(page.evaluate(frames) > before + 5)

    eventually(more, "further pictures when something is typed")
    assert page.evaluate("window.streamspace.transport") == "websocket", "there is no other way"
