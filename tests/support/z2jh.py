"""Zero-to-JupyterHub with overlays of ours, installed by Helm into a namespace of the tests' cluster."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.kube import Namespace
from tests.support.running import ROOT

COMPANION = ROOT / "helm-values" / "streamspace"
VALUES = ROOT / "tests" / "kube" / "z2jh-values.yaml"


def overlay(name: str) -> Path:
    """Return the path of one of our values files."""
    return ROOT / "helm-values" / f"{name}.yaml"


def render(chart: str | Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `helm template`."""
    command = ["helm", "template", "hub", str(chart), "--kube-version=1.34.4", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


class Release:
    """One installation."""

    def __init__(
        self, namespace: Namespace, chart: str, image: str, overlays: Sequence[str] = ("streamspace",)
    ) -> None:
        self.namespace, self._chart, self._overlays = namespace, chart, overlays
        repository, _, self.tag = image.rpartition(":")
        self._image, self.prefix = image, repository.rpartition("/")[0]

    def install(self, *more: str) -> None:
        """Install or upgrade, and wait until all of it is up."""
        values = {
            "hub.image.name": f"{self.prefix}/hub",
            "proxy.chp.image.name": f"{self.prefix}/proxy",
            "singleuser.image.name": f"{self.prefix}/lab",
            "hub.image.tag": self.tag,
            "proxy.chp.image.tag": self.tag,
            "singleuser.image.tag": self.tag,
            "hub.config.StreamSpaceSpawner.session_image": self._image,
        }
        settings = [argument for name, value in values.items() for argument in ("--set-literal", f"{name}={value}")]
        files = [f"--values={file}" for file in (VALUES, *(overlay(name) for name in self._overlays))]
        command = ["upgrade", "--install", "hub", self._chart, *files]
        self.helm(*command, *settings, *more, "--wait", "--timeout", "5m")

    def helm(self, *arguments: str) -> None:
        """Run helm in the namespace."""
        cluster = [f"--kubeconfig={self.namespace.cluster.kubeconfig}", f"--namespace={self.namespace.name}"]
        done = subprocess.run(["helm", *arguments, *cluster], check=False, capture_output=True, text=True)
        state = "" if done.returncode == 0 else self.namespace.kubectl("get", "pods,events", check=False)
        assert done.returncode == 0, f"{done.stderr}\n{state}"

    def session(self) -> dict[str, Any]:
        """Return the pod of GIMP."""
        selector = "hub.jupyter.org/servername=gimp"
        (pod,) = json.loads(self.namespace.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        found: dict[str, Any] = pod
        return found

    def said(self) -> str:
        """Return the end of the hub's log."""
        return self.namespace.kubectl("logs", "deployment/hub", "--tail=60", check=False)
