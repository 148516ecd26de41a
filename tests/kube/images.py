"""The images that the tests' cluster runs: built from this checkout, kept in its registry by what they are made of."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from streamspace_hub.catalog import load_catalog
from streamspace_hub.images import ImageError, build, containerfile
from tests.kube.cluster import lifecycle
from tests.kube.cluster.settings import CACHE, REGISTRY, ROOT, Layout

APPS = ("gimp", "terminal")
PREFIX = "registry.test/streamspace"
"""Nobody's registry: the node finds everything in its own."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
LARGEST_STORAGE = 8
"""GiB of images and of what makes building them again quick."""
SLIM = (
    *(f"path-exclude=/usr/share/{what}" for what in ("doc/*", "info/*", "lintian/*", "locale/*", "man/*")),
    "path-include=/usr/share/doc/*/copyright",
)
"""What Debian's slim images have dpkg do without, now and in what is installed later."""
LEAN = ROOT / "images/base/lean"
DEBIAN = f"localhost/debian:trixie-slim-{hashlib.sha256(repr(SLIM).encode()).hexdigest()[:8]}"
K8S_HUB = f"""\
# What of Zero-to-JupyterHub's hub image its configuration needs: the image itself cannot be had here.
FROM {DEBIAN}
RUN apt-get update && apt-get install -y -qq --no-install-recommends python3-venv
ARG PIP_CERT
RUN python3 -m venv /opt/hub \\
 && /opt/hub/bin/pip install -q --no-cache-dir 'jupyterhub==5.5.*' 'jupyterhub-kubespawner==7.*' \\
      psycopg2-binary pycurl \\
 && useradd --uid 1000 --create-home jovyan && install -d -o 1000 /srv/jupyterhub
ENV PATH=/opt/hub/bin:/usr/bin:/bin
WORKDIR /srv/jupyterhub
USER 1000
"""
LAB = f"""\
# A JupyterLab with StreamSpace's tiles, made as docs/how-to/kubernetes.md tells.
FROM {DEBIAN}
RUN apt-get update && apt-get install -y -qq --no-install-recommends python3-venv
COPY dist/*.whl /tmp/
ARG PIP_CERT
RUN python3 -m venv /opt/lab \\
 && /opt/lab/bin/pip install -q --no-cache-dir 'jupyterhub==5.5.*' 'jupyterlab==4.6.*' \\
      "$(echo /tmp/streamspace_hub-*.whl)[session]" \\
 && useradd --uid 1000 --gid 100 --create-home jovyan
ENV PATH=/opt/lab/bin:/usr/bin:/bin
USER 1000:100
WORKDIR /home/jovyan
"""
PROXY = f"""\
FROM {DEBIAN}
RUN apt-get update && apt-get install -y -qq --no-install-recommends nodejs
COPY node_modules /opt/proxy/node_modules
ENV PATH=/opt/proxy/node_modules/.bin:/usr/bin:/bin
USER 65534
"""
EDGE = f"""\
# What stands between users and a cluster: a proxy that ends TLS, as an ingress controller does.
FROM {DEBIAN}
RUN apt-get update && apt-get install -y -qq --no-install-recommends nginx
USER 65534
"""


@dataclass(frozen=True)
class Plan:
    """One image to build."""

    text: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Path] = field(default_factory=dict)
    """Files and folders that it copies, by their names in the context."""
    pushed: bool = True


def provide(layout: Layout) -> str:
    """Have all images in the cluster's registry; return their names, `{app}` standing for the app's.

    What is there already is not built again: the tag says what all of them are made of.
    """
    wheel = _wheel()
    plans = _plans(wheel)
    tag = _digest(*(plan.text.encode() for plan in plans.values()), *_contents(wheel), LEAN.read_bytes())
    if any(plan.pushed and not _in_registry(layout, name, tag) for name, plan in plans.items()):
        print(f"==> Building the images of {', '.join(plans)} (once, some minutes)", flush=True)
        with _buildah() as buildah:
            _make_room(buildah, layout)
            _make_debian(buildah)
            for name, plan in plans.items():
                _build(buildah, name, plan, tag)
            for name, plan in plans.items():
                if plan.pushed:
                    _push(buildah, layout, name, tag)
    return f"{PREFIX}/{{app}}:{tag}"


def _plans(wheel: Path) -> dict[str, Plan]:
    """Return the images in the order in which they are built; `TAG` stands for the tag of all of them.

    The texts of the apps' are what `streamspace images build` would build, and are built by it.
    """
    dist = {f"dist/{wheel.name}": wheel}
    lean = {"images/base/lean": LEAN}
    apps = {app: Plan(containerfile(load_catalog().get(app).template, "localhost/base:TAG")) for app in APPS}
    return {
        "base": Plan((ROOT / "images/base/Containerfile").read_text(), {"DEBIAN": DEBIAN}, dist | lean, pushed=False),
        **apps,
        "k8s-hub": Plan(K8S_HUB, pushed=False),
        "hub": Plan((ROOT / "images/hub/Containerfile").read_text(), {"HUB": "localhost/k8s-hub:TAG"}, dist),
        "lab": Plan(LAB, context=dist),
        "edge": Plan(EDGE),
        "stacks": Plan((ROOT / "docs/how-to/own-image.Containerfile").read_text(), {"IMAGE": "localhost/lab:TAG"}),
        "proxy": Plan(PROXY, context={"node_modules": ROOT / "build/node/node_modules"}),
    }


def _build(buildah: list[str], name: str, plan: Plan, tag: str) -> None:
    how = ["--quiet", "--layers", "--isolation=chroot", "--network=host", "--runtime=runc"]
    if name in APPS:
        template = load_catalog().get(name).template
        try:
            build(template, base=f"localhost/base:{tag}", name=f"localhost/{name}:{tag}", options=how, program=buildah)
        except ImageError as error:
            raise lifecycle.ClusterError(str(error)) from None
        return
    # The machine's own authorities, where its way to the registries needs them; none of it stays in the image.
    own = [f"--volume={CERTIFICATES}:/run/certificates:ro", "--build-arg=PIP_CERT=/run/certificates"]
    arguments = [f"--build-arg={key}={value.replace('TAG', tag)}" for key, value in plan.arguments.items()]
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        (context / "Containerfile").write_text(plan.text)
        for target, source in plan.context.items():
            (context / target).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, context / target, symlinks=True)
            else:
                shutil.copy(source, context / target)
        pip = own if CERTIFICATES.exists() and "PIP_CERT" in plan.text else []
        _run(*buildah, "build", *how, *pip, *arguments, "--tag", f"localhost/{name}:{tag}", folder)


def _push(buildah: list[str], layout: Layout, name: str, tag: str) -> None:
    where = f"docker://{REGISTRY}/streamspace/{name}:{tag}"
    pid = lifecycle.node_pid(layout)
    assert pid is not None, "the cluster has ended"
    push = [*buildah, "push", "--quiet", "--tls-verify=false", f"localhost/{name}:{tag}", where]
    _run(*lifecycle.inside(pid, push))


def _make_debian(buildah: list[str]) -> None:
    """Make an image of Debian trixie: what a registry would have as debian:trixie-slim."""
    images = subprocess.run([*buildah, "images", "--quiet", DEBIAN], check=False, capture_output=True)
    if images.stdout.strip():
        return
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        archive = f"{folder}/trixie.tar"
        without = [f"--dpkgopt={option}" for option in SLIM]
        _run("mmdebstrap", "--quiet", "--variant=minbase", *without, "--include=ca-certificates", "trixie", archive)
        container = _run(*buildah, "from", "scratch")
        _run(*buildah, "add", "--quiet", container, archive, "/")
        _run(*buildah, "commit", "--quiet", "--rm", container, DEBIAN)


def _wheel() -> Path:
    _run("make", "-s", "-C", str(ROOT), "wheel")
    return max((ROOT / "dist").glob("*.whl"), key=lambda path: path.stat().st_mtime)


def _contents(wheel: Path) -> Iterator[bytes]:
    """Yield what is in the wheel but for times."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
            yield entry.filename.encode()
            yield archive.read(entry)


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:12]


def _in_registry(layout: Layout, name: str, tag: str) -> bool:
    repositories = layout.registry / "docker/registry/v2/repositories"
    return (repositories / "streamspace" / name / "_manifests/tags" / tag).is_dir()


def _make_room(buildah: list[str], layout: Layout) -> None:
    """Forget images of earlier states of the checkout, and from time to time everything that was kept for them."""
    shutil.rmtree(layout.registry / "docker", ignore_errors=True)
    storage = CACHE / "containers"
    if storage.exists():
        used = int(_run("du", "--summarize", "--block-size=1G", str(storage)).split()[0])
        if used >= LARGEST_STORAGE:
            _run(*buildah, "rmi", "--all", "--force")


@contextmanager
def _buildah() -> Iterator[list[str]]:
    """Yield buildah's command, with a storage of our own: nothing is left in the machine's."""
    with tempfile.TemporaryDirectory() as runtime:
        yield ["buildah", f"--root={CACHE}/containers", f"--runroot={runtime}", "--storage-driver=overlay"]


def _run(*command: str) -> str:
    done = subprocess.run(
        command,
        check=False,
        env={**os.environ, "BUILDAH_LAYERS": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise lifecycle.ClusterError(f"{' '.join(command)}:\n{done.stdout[-6000:]}")
    return done.stdout.strip().rpartition("\n")[2]
