"""A namespace of a real cluster for a test, and a real hub that starts pods in it."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from tests.kube.cluster.pki import write_kubeconfig
from tests.support.hub import TempHub, free_ports, temp_hub
from tests.support.waiting import eventually

HUB_RULES = [
    # What z2jh's hub may do, and nothing else.
    {
        "apiGroups": [""],
        "resources": ["pods", "persistentvolumeclaims", "secrets", "services"],
        "verbs": ["get", "watch", "list", "create", "delete"],
    },
    {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "watch", "list"]},
]

CONFIG = """\
import os
os.environ["KUBECONFIG"] = {kubeconfig!r}
c.JupyterHub.spawner_class = "streamspace_spawner.StreamSpaceSpawner"
c.JupyterHub.hub_bind_url = "http://0.0.0.0:{port}"
c.JupyterHub.hub_connect_url = "http://{address}:{port}"
c.KubeSpawner.namespace = {namespace!r}
c.KubeSpawner.image = {image!r}.replace("{{app}}", "terminal")
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
c.KubeSpawner.start_timeout = 180
c.KubeSpawner.http_timeout = 60
c.StreamSpaceSpawner.session_image = {image!r}
{extra}
"""


class Cluster:
    """A cluster, seen as its administrator sees it."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl; return what it says."""
        done = subprocess.run(
            ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0 or not check, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def apply(self, *objects: dict[str, Any]) -> None:
        """Create or change objects."""
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    @property
    def address(self) -> str:
        """The address under which pods reach us: that of the machine in the cluster's network."""
        return os.environ.get("STREAMSPACE_TEST_ADDRESS", "10.240.0.1")

    @property
    def api_server(self) -> tuple[str, int]:
        """Where the API server listens."""
        config = json.loads(self.kubectl("config", "view", "--minify", "-o", "json"))
        url = urlparse(config["clusters"][0]["cluster"]["server"])
        return str(url.hostname), url.port or 443

    @contextmanager
    def namespace(self, level: str = "restricted") -> Iterator[Namespace]:
        """Give a namespace with Pod Security enforced at `level`; it is gone afterwards, with all in it."""
        name = f"ss-{secrets.token_hex(4)}"
        labels = {"pod-security.kubernetes.io/enforce": level}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        try:
            yield Namespace(self, name)
        finally:
            self.kubectl("delete", "namespace", name, "--wait=true", "--timeout=110s")


class Namespace:
    """One namespace of the cluster."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """Run kubectl in the namespace."""
        return self.cluster.kubectl("-n", self.name, *arguments, check=check)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Create or change objects of the namespace."""
        self.cluster.apply(*({**o, "metadata": {"namespace": self.name, **o["metadata"]}} for o in objects))

    def pods(self) -> list[dict[str, Any]]:
        """Return all pods."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", "pods", "-o", "json"))["items"]
        return found

    def pod(self) -> dict[str, Any]:
        """Return the one pod that there is."""
        (pod,) = self.pods()
        return pod

    def run(self, container: str, *command: str, check: bool = True) -> str:
        """Run a command in a container of the one pod, as its own user."""
        return self.kubectl("exec", self.pod()["metadata"]["name"], "-c", container, "--", *command, check=check)

    @contextmanager
    def forward(self, target: str, port: int) -> Iterator[int]:
        """Give a port of 127.0.0.1 that leads to `port` of `target`, e.g. `service/proxy-public`."""
        (local,) = free_ports(1)
        command = ["kubectl", f"--kubeconfig={self.cluster.kubeconfig}", "-n", self.name, "port-forward", target]
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen([*command, f"{local}:{port}"], stdout=said, stderr=said)

            def text() -> str:
                said.seek(0)
                return said.read()

            try:
                eventually(lambda: "Forwarding from" in text(), f"a way to {target}", log=text)
                yield local
            finally:
                process.terminate()
                process.wait()

    def left(self) -> list[str]:
        """Return the pods, claims, secrets and services that there are."""
        return self.kubectl("get", "pods,pvc,secrets,services", "-o", "name").split()

    def hub_kubeconfig(self, folder: Path, api_server: str = "") -> Path:
        """Make the hub's service account with z2jh's rights, and a kubeconfig of it (`api_server`: another way)."""
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "hub"}
        self.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "hub"}},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": {"name": "hub"},
                "rules": HUB_RULES,
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": "hub"},
                "roleRef": role,
                "subjects": [{"kind": "ServiceAccount", "name": "hub", "namespace": self.name}],
            },
        )
        config = json.loads(self.kubectl("config", "view", "--raw", "--minify", "-o", "json"))["clusters"][0]["cluster"]
        authority = config.get("certificate-authority-data")
        if authority is None:
            authority = base64.b64encode(Path(config["certificate-authority"]).read_bytes()).decode()
        token = self.kubectl("create", "token", "hub").strip()
        path = folder / f"{self.name}.kubeconfig"
        write_kubeconfig(path, api_server or config["server"], authority, {"token": token}, self.name)
        return path


def kube_config(namespace: Namespace, image: str, folder: Path, *, extra: str = "", api_server: str = "") -> str:
    """Return the lines of a hub's configuration whose servers are pods of `namespace`."""
    return CONFIG.format(
        kubeconfig=str(namespace.hub_kubeconfig(folder, api_server)),
        port=free_ports(1)[0],
        address=namespace.cluster.address,
        namespace=namespace.name,
        image=image,
        extra=extra,
    )


@asynccontextmanager
async def kube_hub(
    namespace: Namespace, image: str, folder: Path, *, extra: str = "", api_server: str = ""
) -> AsyncIterator[TempHub]:
    """Run a hub whose servers are pods of `namespace`; what a failing test left of them is ended."""
    config = kube_config(namespace, image, folder, extra=extra, api_server=api_server)
    async with temp_hub(extra=config) as hub:
        yield hub


def until_no_pods(namespace: Namespace) -> None:
    """Wait until the namespace has no pods."""
    eventually(lambda: not namespace.pods(), "the pods to be gone", 60)


def doctor(namespace: Namespace, kubeconfig: str | Path = "") -> dict[str, dict[str, str]]:
    """Return what `streamspace doctor --cluster` says of a namespace, by name. `kubeconfig`: of whoever asks."""
    command = [sys.executable, "-m", "streamspace_hub.cli", "doctor", "--cluster", "--json", "--namespace"]
    variables = {**os.environ, "KUBECONFIG": str(kubeconfig or namespace.cluster.kubeconfig)}
    done = subprocess.run(
        [*command, namespace.name], env=variables, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode in (0, 1), done.stderr
    return {line["name"]: line for line in json.loads(done.stdout)["checks"]}
