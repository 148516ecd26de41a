"""Names, versions and addresses of the cluster, and where it keeps its files. Plain data."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

KUBERNETES = "1.34.4"
"""The last minor version whose kubelet still likes cgroup v1."""
ETCD = "3.5"
COREDNS = "1.13.2"
HELM = "3.22.0"
PROMETHEUS_OPERATOR = "0.85.0"
"""Whose kinds the companion chart makes objects of; not run."""
PAUSE_IMAGE = "streamspace.test/pause:1"

NODE = "node"
NODE_ADDRESS = "10.240.0.1"
POD_NETWORK = "10.88.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
REGISTRY = "127.0.0.1:5000"
"""Where the node finds every image, whatever registry its name says."""
STORAGE_CLASS = "standard"
VOLUMES = 20

ROOT = Path(__file__).parents[3]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "streamspace", "kube")
"""What takes long to make, by version; kept between checkouts."""


@dataclass(frozen=True)
class Layout:
    """Where one cluster keeps its files."""

    folder: Path
    name: str

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "admin.kubeconfig"

    @property
    def record(self) -> Path:
        """Which process is the cluster."""
        return self.folder / "process.json"

    @property
    def ready(self) -> Path:
        """Made once the node takes pods."""
        return self.folder / "ready"

    @property
    def registry(self) -> Path:
        """What the registry holds; it outlives the cluster."""
        return CACHE / f"registry-{self.name}"

    @property
    def volumes(self) -> Path:
        """What the persistent volumes hold."""
        return self.folder / "volumes"

    def log(self, process: str) -> Path:
        """Return the log of one of the cluster's processes."""
        return self.folder / "logs" / f"{process}.log"


def layout() -> Layout:
    """Return the cluster of this checkout: two never share one. `STREAMSPACE_TEST_CLUSTER` names others."""
    whose = f"{ROOT}{os.environ.get('STREAMSPACE_TEST_CLUSTER', '')}"
    name = f"streamspace-kube-{hashlib.sha256(whose.encode()).hexdigest()[:8]}"
    return Layout(Path("/var/tmp") / name, name)


def why_not() -> str | None:
    """Return why no cluster can be made here, or None."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return "a Kubernetes of the tests' own needs Linux on x86-64"
    if os.geteuid() != 0:
        return "a Kubernetes of the tests' own needs root; name another one in STREAMSPACE_TEST_KUBECONFIG"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--mount-proc", "true"],
        check=False,
        capture_output=True,
        text=True,
    )
    if tried.returncode != 0:
        return f"namespaces of a cluster's own are not allowed here ({tried.stderr.strip()})"
    return None
