"""The images that the tests' cluster runs: built from this checkout, kept in its registry by what they are made of."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamspace_hub.catalog import load_catalog
from streamspace_hub.images import containerfile
from tests.kube.cluster import lifecycle
from tests.kube.cluster.settings import CACHE, REGISTRY, ROOT, Layout

APPS = ("gimp", "terminal")
PREFIX = "registry.test/streamspace"
"""Nobody's registry: the node finds everything in its own."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
LARGEST_STORAGE = 8
"""GiB of images and of what makes building them again quick."""
BASE_FILE = ROOT / "images" / "base" / "Containerfile"


def provide(layout: Layout) -> str:
    """Have all images in the cluster's registry; return their names, `{app}` standing for the app's.

    What is there already is not built again: its tag says what it was made of.
    """
    wheel = _wheel()
    base_tag = _digest(BASE_FILE.read_bytes(), *_contents(wheel))
    templates = {app: load_catalog().get(app).template for app in APPS}
    texts = {app: containerfile(template, f"localhost/base:{base_tag}") for app, template in templates.items()}
    tag = _digest(*(text.encode() for text in texts.values()))
    with _buildah() as buildah:
        missing = [app for app in APPS if not _in_registry(layout, app, tag)]
        if missing:
            _make_room(buildah, layout)
            print(f"==> Building images of {', '.join(missing)} (once, some minutes)", flush=True)
            _build_base(buildah, wheel, base_tag)
        for app in missing:
            with tempfile.TemporaryDirectory() as context:
                Path(context, "Containerfile").write_text(texts[app])
                _run(*buildah, "build", *_BUILD, "--tag", f"localhost/{app}:{tag}", context)
            where = f"docker://{REGISTRY}/streamspace/{app}:{tag}"
            push = [*buildah, "push", "--quiet", "--tls-verify=false", f"localhost/{app}:{tag}", where]
            pid = lifecycle.node_pid(layout)
            assert pid is not None, "the cluster has ended"
            _run(*lifecycle.inside(pid, push))
    return f"{PREFIX}/{{app}}:{tag}"


_BUILD = ("--quiet", "--layers", "--isolation=chroot", "--network=host", "--runtime=runc")


def _build_base(buildah: list[str], wheel: Path, tag: str) -> None:
    images = subprocess.run([*buildah, "images", "--quiet", f"localhost/base:{tag}"], check=False, capture_output=True)
    if images.stdout.strip():
        return
    debian = _debian(buildah)
    with tempfile.TemporaryDirectory() as context:
        (Path(context) / "dist").mkdir()
        (Path(context) / "dist" / wheel.name).write_bytes(wheel.read_bytes())
        # The machine's own authorities, where its way to the registries needs them; none of it stays in the image.
        own = [f"--volume={CERTIFICATES}:/run/certificates:ro", "--build-arg=PIP_CERT=/run/certificates"]
        arguments = [f"--build-arg=DEBIAN={debian}", *(own if CERTIFICATES.exists() else [])]
        _run(*buildah, "build", *_BUILD, *arguments, f"--file={BASE_FILE}", "--tag", f"localhost/base:{tag}", context)


def _debian(buildah: list[str]) -> str:
    """Return the name of an image of Debian trixie: what a registry would have as debian:trixie-slim."""
    name = "localhost/debian:trixie"
    images = subprocess.run([*buildah, "images", "--quiet", name], check=False, capture_output=True)
    if not images.stdout.strip():
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            archive = f"{folder}/trixie.tar"
            packages = "--include=ca-certificates"
            _run("mmdebstrap", "--quiet", "--variant=minbase", packages, "trixie", archive)
            container = _run(*buildah, "from", "scratch")
            _run(*buildah, "add", "--quiet", container, archive, "/")
            _run(*buildah, "commit", "--quiet", "--rm", container, name)
    return name


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


def _in_registry(layout: Layout, app: str, tag: str) -> bool:
    repositories = layout.registry / "docker/registry/v2/repositories"
    return (repositories / "streamspace" / app / "_manifests/tags" / tag).is_dir()


def _make_room(buildah: list[str], layout: Layout) -> None:
    """Forget images of earlier states of the checkout, and from time to time everything that was kept for them."""
    shutil.rmtree(layout.registry / "docker", ignore_errors=True)
    storage = CACHE / "containers"
    if (
        storage.exists()
        and int(_run("du", "--summarize", "--block-size=1G", str(storage)).split()[0]) >= LARGEST_STORAGE
    ):
        _run(*buildah, "rmi", "--all", "--force")


@contextmanager
def _buildah() -> Iterator[list[str]]:
    """Yield buildah's command, with a storage of our own: nothing is left in the machine's."""
    with tempfile.TemporaryDirectory() as runtime:
        yield ["buildah", f"--root={CACHE}/containers", f"--runroot={runtime}", "--storage-driver=overlay"]


def _run(*command: str) -> str:
    environment = {**os.environ, "BUILDAH_LAYERS": "true"}
    done = subprocess.run(
        command, check=False, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise lifecycle.ClusterError(f"{' '.join(command)}:\n{done.stdout[-6000:]}")
    return done.stdout.strip().rpartition("\n")[2]
