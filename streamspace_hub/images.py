"""Container images of apps, made from their templates: what is in them, and the building of them with buildah.

`containerfile` is a pure function; only `build` runs anything.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from streamspace_hub import __version__
from streamspace_hub.model import AppTemplate
from streamspace_hub.sbom import PLACE

BASE = f"streamspace/base:{__version__}"
"""The image that apps' images are made from, unless another is given."""
USER = "1000:100"
LABEL = "io.streamspace.app"
SBOM_LABEL = "io.streamspace.sbom"
"""Where in the image its bill of materials is."""
CLEANED = """\
apt-get clean && rm -rf /var/lib/apt/lists/* \\
 && find /usr/share/doc -mindepth 2 ! -type d ! -name copyright -delete \\
 && rm -rf /usr/share/man/* /usr/share/info/* \\
 && find / -xdev -perm /6000 -type f -exec chmod a-s {} +"""
"""What is done after packages were installed. Licences stay: whoever passes an image on has to pass them on."""


class ImageError(Exception):
    """An image cannot be made. The text is a sentence for the user."""


def containerfile(template: AppTemplate, base: str) -> str:
    """Return the Containerfile of the app's image.

    Raises:
        ImageError: nobody knows how to install the app.
    """
    if not template.packages:
        raise ImageError(
            f"{template.title} has no image of its own to build: its template names no `packages`. "
            "Name some, or name an `image` that has the program."
        )
    packages = " \\\n      ".join(sorted(template.packages))
    labels = " \\\n      ".join(_labels(template, base))
    return f"""\
# {template.title}: made by `streamspace images`
FROM {base}
USER 0
RUN apt-get update \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \\
      {packages} \\
 && {CLEANED} \\
 && python3 -P -m streamspace_hub.sbom {template.name} {__version__} /{PLACE}
USER {USER}
LABEL {labels}
"""


def _labels(template: AppTemplate, base: str) -> Iterator[str]:
    """Yield the labels (annotations of the OCI image specification)."""
    yield f'{LABEL}="{template.name}"'
    yield f'{SBOM_LABEL}="/{PLACE}"'
    said = {
        "title": template.title,
        "description": template.description or "",
        "version": __version__,
        "base.name": base,
    }
    for name, text in said.items():
        if text:
            # In double quotes a Containerfile knows variables.
            quoted = json.dumps(text, ensure_ascii=False).replace("$", "\\$")
            yield f"org.opencontainers.image.{name}={quoted}"


def image_name(app: str, prefix: str) -> str:
    """Return the name of the app's image, e.g. `registry.example.org/team/gimp:0.1.0`."""
    return f"{prefix.rstrip('/')}/{app}:{__version__}" if prefix else f"streamspace/{app}:{__version__}"


def build(
    template: AppTemplate,
    *,
    base: str,
    name: str,
    options: Iterable[str] = (),
    program: Sequence[str] = ("buildah",),
) -> None:
    """Build the app's image with buildah.

    Args:
        template: the app.
        base: the image to start from.
        name: what to call the result.
        options: further arguments of `buildah build`.
        program: buildah, with what comes before `build`.

    Raises:
        ImageError: it cannot be built; buildah's own words are on standard error.
    """
    text = containerfile(template, base)
    with tempfile.TemporaryDirectory() as context:
        Path(context, "Containerfile").write_text(text)
        if not _run([*program, "build", *options, "--tag", name, context]):
            raise ImageError(f"The image {name} could not be built; buildah's words are above.")


def push(name: str, *, options: Iterable[str] = (), program: Sequence[str] = ("buildah",)) -> None:
    """Push an image that was built to the registry that its name begins with.

    Raises:
        ImageError: its name begins with none, or it cannot be pushed; buildah's own words are on standard error.
    """
    host = name.partition("/")[0]
    if "/" not in name or not ("." in host or ":" in host or host == "localhost"):
        raise ImageError(f"{name} names no registry: say which by --prefix, e.g. --prefix registry.example.org/team.")
    if not _run([*program, "push", *options, name, f"docker://{name}"]):
        raise ImageError(f"The image {name} could not be pushed; buildah's words are above.")


def _run(command: Sequence[str]) -> bool:
    if shutil.which(command[0]) is None:
        raise ImageError("Images are built with buildah, which is not installed: apt-get install buildah.")
    return subprocess.run(command, check=False).returncode == 0
