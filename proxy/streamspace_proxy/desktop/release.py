"""Which release of an app a memory image is of: a program cannot go on with the files of another. Only reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BILL = "usr/share/streamspace/sbom.cdx.json"
"""The bill of materials of the container's image, where we are in one. The same packages give the same bytes."""
DPKG_STATUS = "var/lib/dpkg/status"


@dataclass(frozen=True, slots=True)
class Release:
    """What is installed, as far as an app goes."""

    image: str | None = None
    """What names the contents of the container's image: `sha256:` and the digest of its bill of materials."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """The app's Debian packages, those that are installed, and their versions (deb-version(7))."""


def here(packages: Sequence[str], root: Path = Path("/")) -> Release:
    """Return what is installed below `root` of an app that is in these Debian `packages`; raises OSError."""
    return Release(_image(root / BILL), _versions(root / DPKG_STATUS, packages))


def mismatch(image: Release, now: Release) -> str | None:
    """Return why an image of one release cannot be restored in the other, as part of a sentence; None: it can."""
    for name, version in sorted(image.packages.items()):
        if (found := now.packages.get(name)) != version:
            here = "is not installed any more" if found is None else f"has been replaced by {found} meanwhile"
            return f"it was made with {name} {version}, which {here}"
    if image.image != now.image:
        return "the container's image is another one now"
    return None


def _image(bill: Path) -> str | None:
    try:
        return f"sha256:{hashlib.sha256(bill.read_bytes()).hexdigest()}"
    except FileNotFoundError:
        return None


def _versions(status: Path, packages: Sequence[str]) -> dict[str, str]:
    """Read dpkg's own records (deb-control(5)), of which each paragraph is a package's."""
    try:
        text = status.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    versions = {}
    for name in packages:
        start = re.search(rf"^Package: {re.escape(name)}$", text, re.MULTILINE)
        if start is None:
            continue
        paragraph = text[start.start() : text.find("\n\n", start.start())]
        version = re.search(r"^Version: (\S+)$", paragraph, re.MULTILINE)
        if version is not None and re.search(r"^Status: \S+ \S+ installed$", paragraph, re.MULTILINE):
            versions[name] = version[1]
    return versions
