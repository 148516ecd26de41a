"""What is in an image, as a software bill of materials: CycloneDX 1.6 (ECMA-424) from dpkg's and pip's own records.

`python3 -P -m streamspace_hub.sbom NAME VERSION FILE` writes it for the system it runs in: the last step of building an
image. The same packages give the same bytes: there is no time and no random number in it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from email.parser import HeaderParser
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

PLACE = "usr/share/streamspace/sbom.cdx.json"
"""Where images keep it, below their root."""
DPKG_STATUS = "var/lib/dpkg/status"
OS_RELEASE = "etc/os-release"
DOCUMENTATION = "usr/share/doc"

Component = dict[str, Any]


def bill(name: str, version: str, root: Path, python: Sequence[Path]) -> dict[str, Any]:
    """Return the bill of materials of a root file system.

    Args:
        name: of the image.
        version: of the image.
        root: the file system.
        python: folders with what pip has installed (`site-packages`).
    """
    system = _os_release(root)
    packages = sorted([*_debian(root, system), *_python(python)], key=lambda one: str(one["bom-ref"]))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "bom-ref": "image", "name": name, "version": version}},
        "components": [
            {
                "type": "operating-system",
                "bom-ref": "operating-system",
                "name": system.get("ID", "linux"),
                "version": system.get("VERSION_ID", "unknown"),
            },
            *packages,
        ],
    }


# --- Debian --------------------------------------------------------------------------------------------------------


def _debian(root: Path, system: dict[str, str]) -> Iterator[Component]:
    """Yield what dpkg has installed (deb-control(5), the purl type `deb`)."""
    status = root / DPKG_STATUS
    if not status.exists():
        return
    vendor, release = system.get("ID", "debian"), system.get("VERSION_CODENAME", "")
    for paragraph in status.read_text(encoding="utf-8").split("\n\n"):
        fields = HeaderParser().parsestr(paragraph)
        if fields["Status"] != "install ok installed":
            continue
        name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
        qualifiers = f"arch={architecture}" + (f"&distro={release}" if release else "")
        url = f"pkg:deb/{vendor}/{_escaped(name)}@{_escaped(version)}?{qualifiers}"
        yield _component(url, name, version, [*_copyright(root / DOCUMENTATION / name / "copyright")])


def _copyright(file: Path) -> Iterator[str]:
    """Yield the licences that a package's copyright file names, where programs can read it (DEP 5)."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    if text.startswith("Format:"):
        yield from sorted(set(re.findall(r"^License: *(\S.*?) *$", text, re.MULTILINE)))


def _os_release(root: Path) -> dict[str, str]:
    """Return os-release(5)."""
    try:
        text = (root / OS_RELEASE).read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key: value.strip("\"'") for key, _, value in pairs}


# --- Python --------------------------------------------------------------------------------------------------------


def _python(folders: Sequence[Path]) -> Iterator[Component]:
    """Yield what pip has installed (the purl type `pypi`), each once."""
    seen: set[str] = set()
    for one in distributions(path=[str(folder) for folder in folders]):
        name = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()  # PEP 503
        url = f"pkg:pypi/{name}@{_escaped(one.version)}"
        if url not in seen:
            seen.add(url)
            yield _component(url, name, one.version, [*_licences(one)])


def _licences(distribution: Distribution) -> Iterator[str]:
    metadata = distribution.metadata
    said = (metadata.get_all("License-Expression") or metadata.get_all("License") or [""])[0]
    if said and "\n" not in said and len(said) <= 100:
        yield said
        return
    for classifier in metadata.get_all("Classifier") or []:
        if classifier.startswith("License :: ") and (name := classifier.rpartition(" :: ")[2]) != "OSI Approved":
            yield name


def _component(url: str, name: str, version: str, licences: Sequence[str]) -> Component:
    found: Component = {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}
    if licences:
        found["licenses"] = [{"license": {"name": licence}} for licence in licences]
    return found


def _escaped(text: str) -> str:
    return quote(text, safe=".-_~:")


def main(arguments: Sequence[str]) -> int:
    """Write the bill of materials of this system."""
    name, version, file = arguments
    found = [Path(folder) for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))]
    # What Debian's own Python packages are is in dpkg's records.
    own = [folder for folder in found if not folder.is_relative_to("/usr/lib/python3")]
    target = Path(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bill(name, version, Path("/"), own), indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
