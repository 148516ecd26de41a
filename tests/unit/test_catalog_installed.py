"""Whether an app is installed, and what to say when it is not."""

from __future__ import annotations

from pathlib import Path

from streamspace_hub.catalog import install_hint, is_installed, load_catalog
from streamspace_hub.model import AppTemplate


def test_an_app_is_installed_when_its_program_can_be_run_from_the_path(tmp_path: Path) -> None:
    template = AppTemplate(name="paint", title="Paint", command=["paint", "%F"])
    program = tmp_path / "paint"
    assert not is_installed(template, str(tmp_path))
    program.write_text("#!/bin/sh\n")
    assert not is_installed(template, str(tmp_path))
    program.chmod(0o755)
    assert is_installed(template, f"/nonexistent:{tmp_path}")
    assert not is_installed(template, "")


def test_the_hint_says_how_to_get_it() -> None:
    gimp = load_catalog().get("gimp").template
    assert install_hint(gimp) == ("GIMP is not installed here. Ask your administrator, or run: apt-get install gimp")
    own = AppTemplate(name="paint", title="Paint", command=["our-paint"])
    assert install_hint(own) == (
        "Paint is not installed here. Ask your administrator to install a program named `our-paint`."
    )
