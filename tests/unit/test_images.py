"""The Containerfile of an app's image."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from streamspace_hub.catalog import load_catalog
from streamspace_hub.cli import main
from streamspace_hub.images import ImageError, containerfile, image_name
from streamspace_hub.model import AppTemplate

CATALOG = load_catalog()
ROOT = Path(__file__).parents[2]
BASE, TEST_PACKAGES = ROOT / "images/base/Containerfile", ROOT / "tools/packages-test.txt"


@pytest.mark.parametrize("app", sorted(CATALOG.apps))
def test_every_built_in_app_has_an_image(app: str) -> None:
    template = CATALOG.get(app).template
    lines = containerfile(template, "registry.test/base:1").splitlines()
    assert "FROM registry.test/base:1" in lines
    assert all(any(package in line for line in lines) for package in template.packages)
    users = [line for line in lines if line.startswith("USER ")]
    assert users[-1] == "USER 1000:100", "it does not run as root"


@pytest.mark.parametrize(("gpu", "expected"), [("", False), ("yes", True)])
def test_the_base_has_what_encodes_on_a_gpu_where_it_is_asked_for(gpu: str, expected: bool) -> None:
    text = re.sub(r"^ *#.*\n", "", BASE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    [pip] = re.findall(r"\[session.*?\]", text)
    [install] = re.findall(r"apt-get install (?:(?!&&).)*openbox(?:(?!&&).)*", text)
    said = subprocess.run(
        ["sh", "-c", f'echo "{pip}" {install}'], env={"GPU": gpu}, check=True, capture_output=True, text=True
    ).stdout.split()
    assert said[0] == ("[session,tracing,gpu]" if expected else "[session,tracing]")
    linked = {"libgbm1", "libpixman-1-0", "libxkbcommon0"}
    assert linked <= set(TEST_PACKAGES.read_text().split()), "what pixelflux links to, on this machine too"
    assert (linked | {"libva2", "va-driver-all"} <= set(said)) is expected


def test_an_app_without_packages_is_refused_with_a_sentence() -> None:
    with pytest.raises(ImageError, match="Mine has no image of its own to build: its template names no `packages`"):
        containerfile(AppTemplate(name="mine", title="Mine", command=["mine"]), "base")


@pytest.mark.parametrize(
    ("prefix", "name"), [("", "streamspace/gimp:"), ("registry.test/team", "registry.test/team/gimp:")]
)
def test_an_image_is_named_after_its_app(prefix: str, name: str) -> None:
    assert image_name("gimp", prefix).startswith(name)
    assert image_name("gimp", f"{prefix}/" if prefix else "") == image_name("gimp", prefix)


def test_the_command_shows_what_it_would_build(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "show", "gimp", "--base", "registry.test/base:1"]) == 0
    assert capsys.readouterr().out == containerfile(CATALOG.get("gimp").template, "registry.test/base:1")


def test_the_command_lists_every_app(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "list", "--prefix", "registry.test/team", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["images"]
    assert {row["name"] for row in rows} == set(CATALOG.apps)
    assert all(row["builds"] and row["image"].startswith("registry.test/team/") for row in rows)


def test_labels_hold_what_a_template_says_however_it_is_written() -> None:
    title = 'A "best" $HOME \\ of all'
    template = AppTemplate(name="mine", title=title, command=["mine"], packages=["mine"])
    lines = [line.strip() for line in containerfile(template, "registry.test/base:1").splitlines()]
    assert 'org.opencontainers.image.title="A \\"best\\" \\$HOME \\\\ of all" \\' in lines
    assert 'org.opencontainers.image.base.name="registry.test/base:1"' in lines
    assert 'io.streamspace.sbom="/usr/share/streamspace/sbom.cdx.json" \\' in lines


@pytest.mark.parametrize("prefix", ["", "team"])
def test_pushing_to_nowhere_is_refused(prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "push", "gimp", "--prefix", prefix]) == 1
    assert "names no registry: say which by --prefix" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["show", "build", "push"])
def test_an_unknown_app_gets_a_sentence(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", action, "gmip"]) == 1
    assert "Did you mean gimp?" in capsys.readouterr().err
