"""Container images of apps, made from their templates: what is in them, and the building of them with buildah.

`containerfile` is a pure function; only `build` runs anything.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from streamspace_hub import __version__
from streamspace_hub.model import AppTemplate

BASE = f"streamspace/base:{__version__}"
"""The image that apps' images are made from, unless another is given."""
USER = "1000:100"
LABEL = "io.streamspace.app"


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
    return f"""\
# {template.title}: made by `streamspace images`
FROM {base}
USER 0
RUN apt-get update \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \\
      {packages} \\
 && apt-get clean && rm -rf /var/lib/apt/lists/* /usr/share/doc/* /usr/share/man/* \\
 && find / -xdev -perm /6000 -type f -exec chmod a-s {{}} +
USER {USER}
LABEL {LABEL}="{template.name}" \\
      org.opencontainers.image.version="{__version__}"
"""


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
    if shutil.which(program[0]) is None:
        raise ImageError("Images are built with buildah, which is not installed: apt-get install buildah.")
    with tempfile.TemporaryDirectory() as context:
        Path(context, "Containerfile").write_text(text)
        command = [*program, "build", *options, "--tag", name, context]
        if subprocess.run(command, check=False).returncode != 0:
            raise ImageError(f"The image {name} could not be built; buildah's words are above.")
