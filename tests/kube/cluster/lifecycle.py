"""Starting, finding and ending the cluster, and running a command inside its network."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from tests.kube.cluster import binaries, files
from tests.kube.cluster.settings import ROOT, Layout

UP_LIMIT = 600.0
CGROUPS = Path("/sys/fs/cgroup")


class ClusterError(Exception):
    """The cluster could not be brought up; the text says why."""


def is_up(layout: Layout) -> bool:
    """Return whether the cluster runs and takes pods."""
    return layout.ready.exists() and node_pid(layout) is not None


def up(layout: Layout) -> None:
    """Bring the cluster up, unless it is."""
    if is_up(layout):
        return
    down(layout)
    for make in (binaries.kubernetes, binaries.etcd, binaries.coredns, binaries.helm, binaries.pause):
        make()
    layout.folder.mkdir(parents=True)
    (layout.folder / "logs").mkdir()
    layout.registry.mkdir(parents=True, exist_ok=True)
    files.write_files(layout)
    for cgroup in _cgroups(layout):
        cgroup.mkdir(exist_ok=True)
    with layout.log("node").open("ab") as log:
        process = subprocess.Popen(
            [
                *("unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--mount-proc"),
                *("--kill-child=SIGKILL", sys.executable, "-m", "tests.kube.cluster.node"),
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    layout.record.write_text(json.dumps({"pid": process.pid, "start": _start_of(process.pid)}))
    deadline = time.monotonic() + UP_LIMIT
    while not layout.ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            said = layout.log("node").read_text(errors="replace")[-6000:]
            down(layout, keep_logs=True)
            raise ClusterError(f"The cluster did not come up (logs: {layout.folder}/logs):\n{said}")
        time.sleep(0.1)


def down(layout: Layout, *, keep_logs: bool = False) -> None:
    """End the cluster and remove all that it has left."""
    record = json.loads(layout.record.read_text()) if layout.record.exists() else None
    if record is not None and _start_of(record["pid"]) == record["start"]:
        # Its only child is the first process of the namespace, with which the kernel ends all others.
        node = node_pid(layout)
        os.kill(record["pid"], signal.SIGKILL)
        _wait_for_end(record["pid"], record["start"])
        if node is not None:
            _wait_until_gone(node)
    _remove_cgroups(layout)
    for entry in sorted(layout.folder.iterdir()) if layout.folder.exists() else ():
        if keep_logs and entry.name == "logs":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    with suppress(OSError):
        layout.folder.rmdir()


def run_inside(layout: Layout, command: Sequence[str], variables: Mapping[str, str] = MappingProxyType({})) -> int:
    """Run `command` in the cluster's network, with `variables` in its environment; return its exit code."""
    pid = node_pid(layout)
    if pid is None:
        raise ClusterError("The cluster is not up: run `make cluster`.")
    return subprocess.run(inside(pid, command), check=False, env={**environment(layout), **variables}).returncode


def inside(pid: int, command: Sequence[str]) -> list[str]:
    """Return `command` as it is run in the network of the process `pid`."""
    return ["nsenter", f"--net=/proc/{pid}/ns/net", "--", *command]


def environment(layout: Layout) -> dict[str, str]:
    """Return the environment in which the cluster is found."""
    programs = f"{binaries.kubernetes()}:{binaries.helm().parent}"
    return {
        **os.environ,
        "STREAMSPACE_TEST_KUBECONFIG": str(layout.kubeconfig),
        "PATH": f"{os.environ['PATH']}:{programs}",
    }


def node_pid(layout: Layout) -> int | None:
    """Return the pid of the first process of the namespaces."""
    try:
        record = json.loads(layout.record.read_text())
        if _start_of(record["pid"]) != record["start"]:
            return None
        children = Path(f"/proc/{record['pid']}/task/{record['pid']}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def _start_of(pid: int) -> int | None:
    """Return the tick at which a living process began, which tells it from a later one of the same pid."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _wait_for_end(pid: int, start: int) -> None:
    while _start_of(pid) == start:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)


def _wait_until_gone(pid: int) -> None:
    """Wait for the end of a namespace's first process, which comes after that of all the others."""
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.05)


def _cgroups(layout: Layout) -> Iterator[Path]:
    """Yield our cgroup in each hierarchy."""
    if (CGROUPS / "cgroup.controllers").exists():
        yield CGROUPS / layout.name
        return
    for hierarchy in sorted(CGROUPS.iterdir()):
        if hierarchy.is_dir() and not hierarchy.is_symlink():
            yield hierarchy / layout.name


def _remove_cgroups(layout: Layout) -> None:
    for root in _cgroups(layout):
        folders = sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True) if root.exists() else []
        for folder in [*folders, *([root] if root.exists() else [])]:
            # A process that is gone may still be counted for a moment.
            for _ in range(100):
                try:
                    folder.rmdir()
                    break
                except OSError:
                    time.sleep(0.05)


@contextmanager
def running(layout: Layout) -> Iterator[None]:
    """Have the cluster up; one that was not is taken down afterwards."""
    was_up = is_up(layout)
    try:
        up(layout)
        yield
    finally:
        if not was_up:
            down(layout)
