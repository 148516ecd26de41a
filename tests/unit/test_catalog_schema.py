"""What is published about the catalog agrees with it: the JSON schema, the reference, the list of Debian packages."""

from __future__ import annotations

from pathlib import Path

from streamspace_hub.catalog import load_catalog
from streamspace_hub.catalog.schema import schema_text
from streamspace_hub.model import AppTemplate

ROOT = Path(__file__).parents[2]


def test_the_committed_schema_is_the_generated_one() -> None:
    committed = (ROOT / "docs/reference/app-template.schema.json").read_text()
    again = "python -m streamspace_hub.catalog.schema > docs/reference/app-template.schema.json"
    assert committed == schema_text(), f"the model has changed; run: {again}"


def test_the_reference_names_every_field_and_every_app() -> None:
    text = (ROOT / "docs/reference/catalog.md").read_text()
    for name in AppTemplate.model_fields:
        assert f"| `{name}` |" in text
    for file in (ROOT / "streamspace_hub/catalog/apps").glob("*.yaml"):
        assert f"| `{file.stem}` |" in text


def test_the_list_that_test_apps_installs_is_what_the_templates_name() -> None:
    lines = (ROOT / "tools/packages-apps.txt").read_text().splitlines()
    listed = {package for line in lines if not line.startswith("#") for package in line.split()}
    assert listed == {package for app in load_catalog().apps.values() for package in app.template.packages}
