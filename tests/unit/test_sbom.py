"""The bill of materials of a small root file system, which CycloneDX's own schema takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from streamspace_hub.sbom import bill

STATUS = """\
Package: gimp
Status: install ok installed
Architecture: amd64
Version: 3.0.4-3+deb13u1
Description: image editor
 with more lines
 .
 and more

Package: libx11-6
Status: install ok installed
Architecture: amd64
Version: 2:1.8.12-1~x

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: GPL-3+

Files: data/*
License: CC-BY-SA-4.0
 text of it

Files: more/*
License: GPL-3+
"""
METADATA = {
    "aio_rtc-1.16.0": "Name: Aio_RTC\nVersion: 1.16.0\nLicense-Expression: BSD-3-Clause OR MIT\n",
    "old-2": "Name: old\nVersion: 2\nLicense: of\n  many lines\nClassifier: License :: OSI Approved :: MIT License\n",
    "nameless-3": "Name: nameless\nVersion: 3\nClassifier: License :: OSI Approved\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system with the records of dpkg and pip."""
    files = {
        "etc/os-release": 'ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n',
        "var/lib/dpkg/status": STATUS,
        "usr/share/doc/gimp/copyright": COPYRIGHT,
        "usr/share/doc/libx11-6/copyright": "This is X11, in words.\n",
    }
    for name, text in METADATA.items():
        files[f"opt/site-packages/{name}.dist-info/METADATA"] = f"Metadata-Version: 2.4\n{text}"
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_is_installed_is_listed_and_nothing_else(root: Path) -> None:
    found = bill("gimp", "1.0", root, [root / "opt/site-packages"])
    licences = {
        one["purl"]: [licence["license"]["name"] for licence in one.get("licenses", [])]
        for one in found["components"]
        if one["type"] == "library"
    }
    assert licences == {
        "pkg:deb/debian/gimp@3.0.4-3%2Bdeb13u1?arch=amd64&distro=trixie": ["CC-BY-SA-4.0", "GPL-3+"],
        "pkg:deb/debian/libx11-6@2:1.8.12-1~x?arch=amd64&distro=trixie": [],
        "pkg:pypi/aio-rtc@1.16.0": ["BSD-3-Clause OR MIT"],
        "pkg:pypi/nameless@3": [],
        "pkg:pypi/old@2": ["MIT License"],
    }
    assert found["metadata"]["component"]["name"] == "gimp"
    assert found["components"][0]["name"] == "debian"


def test_the_schema_takes_it_and_the_same_packages_give_the_same_bytes(root: Path) -> None:
    text = json.dumps(bill("gimp", "1.0", root, [root / "opt/site-packages"]))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    twice = [root / "opt/site-packages", root / "opt/site-packages"]
    assert json.dumps(bill("gimp", "1.0", root, twice)) == text


def test_an_empty_file_system_has_an_empty_bill(tmp_path: Path) -> None:
    text = json.dumps(found := bill("nothing", "1", tmp_path, []))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert [one["type"] for one in found["components"]] == ["operating-system"]
