"""A cluster comes up by itself, and goes down without a trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kube.cluster.settings import CACHE, KUBERNETES, ROOT, layout, why_not

pytestmark = [pytest.mark.kube, pytest.mark.timeout(600)]

WRITTEN = ("/etc/cni", "/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers")
"""Where kubelets and network plugins write on an ordinary node."""


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "STREAMSPACE_TEST_KUBECONFIG"}
    whole = [sys.executable, "-m", "tests.kube.cluster", *arguments]
    return subprocess.run(whole, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)


def trace(name: str) -> list[str]:
    """Return what of the machine knows the cluster by its name: processes, mounts, cgroups, folders."""
    found = [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/{name}")]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if name in line]
    found += [str(path) for path in Path("/var/tmp").glob(f"{name}*")]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if name.encode() in (process / "cmdline").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
@pytest.mark.skipif(not (CACHE / f"kubernetes-{KUBERNETES}").exists(), reason="Kubernetes has not been built here yet")
def test_a_cluster_goes_down_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSPACE_TEST_CLUSTER", "another")
    other = layout()
    before = [Path(place).exists() for place in WRITTEN]
    try:
        up = command("up")
        assert up.returncode == 0, up.stderr
        assert up.stdout.strip() == str(other.kubeconfig)
        assert trace(other.name), "there is something to find"
        nodes = command("exec", "kubectl", f"--kubeconfig={other.kubeconfig}", "get", "nodes", "-o", "name")
        assert nodes.stdout == "node/node\n", nodes.stderr
        again = command("up")
        assert again.stdout == up.stdout, "the second time it is up already"
    finally:
        down = command("down")
        other.registry.rmdir()  # kept for the next time, which there is none of
    assert (down.returncode, down.stderr) == (0, "")
    assert trace(other.name) == []
    assert before == [Path(place).exists() for place in WRITTEN]
    assert command("down").returncode == 0, "going down twice is no error"
