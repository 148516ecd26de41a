"""The one process that is the cluster: the first in namespaces of its own, and what it starts ends with it.

`python -m tests.kube.cluster.node`, started by `lifecycle.up` under `unshare`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from tests.kube.cluster import binaries, files
from tests.kube.cluster.settings import NODE, NODE_ADDRESS, Layout, layout

LIMIT = 120.0
"""Seconds for each step of coming up, on a machine with much else to do."""
EMPTIED = ("/run", "/var/log")
COVERED = ("/etc", "/var/lib")
"""What the kubelet, containerd and network plugins write to, whatever they are told: here nothing gets through."""


class Node:
    """The cluster's processes."""

    def __init__(self, where: Layout) -> None:
        self._layout = where
        self._kubernetes, self._pause = binaries.kubernetes(), binaries.pause()
        self._commands = files.commands(where, self._kubernetes, binaries.etcd(), binaries.coredns())
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(where.folder)}

    def come_up(self) -> None:
        """Start everything and wait until pods can be started."""
        _own_mounts(self._layout.folder)
        _own_network()
        for name in ("registry", "containerd", "etcd"):
            self._start(name)
        self._wait("etcd", lambda: self._answers("curl", "-sf", "http://127.0.0.1:2379/health"))
        self._start("apiserver")
        self._wait("containerd", lambda: self._answers(*self._ctr, "version"))
        archive = self._layout.folder / "pause.tar"
        archive.write_bytes(files.pause_archive(self._pause))
        self._run(*self._ctr, "images", "import", str(archive))
        self._wait("apiserver", lambda: self._answers(*self._kubectl, "get", "--raw=/readyz"))
        for name in ("controller-manager", "scheduler", "kubelet", "proxy", "coredns", "policies"):
            self._start(name)
        self._run(*self._kubectl, "apply", "-f", str(self._layout.folder / "objects.json"))
        # The one that registers the node is the kubelet; a wait for it begins with its being there.
        self._wait("kubelet", lambda: self._answers(*self._kubectl, "get", "node", NODE))
        self._run(*self._kubectl, "wait", "--for=condition=Ready", f"node/{NODE}", f"--timeout={LIMIT:.0f}s")
        self._wait("controller-manager", lambda: self._answers(*self._kubectl, "get", "serviceaccount", "default"))
        self._layout.ready.touch()

    def stay(self) -> str:
        """Reap orphans until one of the processes has ended; return which."""
        while True:
            pid, _ = os.wait()
            for name, process in self._processes.items():
                if process.pid == pid:
                    return name

    @property
    def _ctr(self) -> list[str]:
        return ["ctr", f"--address={self._layout.folder}/containerd.sock", "--namespace=k8s.io"]

    @property
    def _kubectl(self) -> list[str]:
        return [f"{self._kubernetes}/kubectl", f"--kubeconfig={self._layout.kubeconfig}"]

    def _start(self, name: str) -> None:
        with self._layout.log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._commands[name],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT
        while not ready():
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                end = self._layout.log(name).read_text(errors="replace")[-3000:]
                raise SystemExit(f"{name} did not come up; the end of its log:\n{end}")
            time.sleep(0.1)

    def _answers(self, *command: str) -> bool:
        done = subprocess.run(command, env=self._environment, check=False, capture_output=True, timeout=LIMIT)
        return done.returncode == 0

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, env=self._environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}:\n{done.stdout.decode(errors='replace')}")


def _own_mounts(folder: Path) -> None:
    """Hide from the machine what is mounted and written here, and let pods see mounts that are made later."""
    _command("mount", "--make-rshared", "/")
    for place in EMPTIED:
        _command("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place)
    for place in COVERED:
        upper, work = (folder / "covers" / f"{place.replace('/', '_')}.{name}" for name in ("upper", "work"))
        upper.mkdir(parents=True)
        work.mkdir()
        _command("mount", "-t", "overlay", "-o", f"lowerdir={place},upperdir={upper},workdir={work}", "overlay", place)
    kubelet = Path("/var/lib/kubelet")
    kubelet.mkdir(exist_ok=True)
    (folder / "kubelet").mkdir()
    # It wants to be a mount, and shared by itself.
    _command("mount", "--bind", str(folder / "kubelet"), str(kubelet))
    _command("mount", "--make-rshared", str(kubelet))


def _own_network() -> None:
    """Give the node an address that pods reach, and no way out."""
    _command("ip", "link", "set", "lo", "up")
    _command("ip", "link", "add", "node0", "type", "bridge")
    _command("ip", "address", "add", f"{NODE_ADDRESS}/24", "dev", "node0")
    _command("ip", "link", "set", "node0", "up")
    # The kubelet and kube-proxy look for the interface of the default route.
    _command("ip", "route", "add", "default", "dev", "node0")
    for setting in ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"):
        path = Path("/proc/sys", setting)
        if path.exists():
            path.write_text("1")


def _command(*command: str) -> None:
    subprocess.run(command, check=True)


def main(arguments: Sequence[str]) -> int:
    """Be the cluster until told to end."""
    assert not arguments
    if os.getpid() != 1:
        print("Start the cluster by `make cluster`: this must be the first process of a namespace.", file=sys.stderr)
        return 2

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    node = Node(layout())
    node.come_up()
    print(f"{node.stay()} has ended, and the cluster with it", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
