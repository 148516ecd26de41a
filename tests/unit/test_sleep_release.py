"""Which release of an app an image is of: what is read of a root file system, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamspace_proxy.desktop.release import BILL, DPKG_STATUS, Release, here, mismatch

from streamspace_hub import sbom

STATUS = """\
Package: gimp
Status: install ok installed
Version: 3.0.4-3+deb13u1
Description: image editor
 Package: gimp-data

Package: gimp-data
Status: hold ok installed
Version: 2:3.0.4

Package: gone
Status: deinstall ok config-files
Version: 1
"""
MADE = Release("sha256:12", {"gimp": "3.0.4-3", "gimp-data": "3.0.4-3"})


def test_versions_are_those_that_dpkg_has_installed(tmp_path: Path) -> None:
    status = tmp_path / DPKG_STATUS
    status.parent.mkdir(parents=True)
    status.write_text(STATUS)
    found = here(["gimp", "gimp-data", "gone", "never", "gim."], tmp_path)
    assert found == Release(None, {"gimp": "3.0.4-3+deb13u1", "gimp-data": "2:3.0.4"})


def test_without_records_nothing_is_known(tmp_path: Path) -> None:
    assert here(["gimp"], tmp_path) == Release()


def test_a_container_image_is_another_one_when_its_bill_of_materials_is(tmp_path: Path) -> None:
    assert BILL == sbom.PLACE
    bill = tmp_path / BILL
    bill.parent.mkdir(parents=True)
    bill.write_text("of materials")
    first = here([], tmp_path)
    assert first.image is not None
    assert first.image.startswith("sha256:")
    assert mismatch(first, here([], tmp_path)) is None
    bill.write_text("of other materials")
    assert mismatch(first, here([], tmp_path)) == "the container's image is another one now"


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (MADE, None),
        (Release("sha256:12", {**MADE.packages, "more": "1"}), None),
        (
            Release("sha256:12", {"gimp": "3.0.6-1", "gimp-data": "3.0.6-1"}),
            "it was made with gimp 3.0.4-3, which has been replaced by 3.0.6-1 meanwhile",
        ),
        (
            Release("sha256:12", {"gimp": "3.0.4-3"}),
            "it was made with gimp-data 3.0.4-3, which is not installed any more",
        ),
        (Release("sha256:13", MADE.packages), "the container's image is another one now"),
        (Release(None, MADE.packages), "the container's image is another one now"),
    ],
)
def test_where_an_image_can_be_restored(now: Release, why: str | None) -> None:
    assert mismatch(MADE, now) == why
