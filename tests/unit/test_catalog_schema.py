"""The published JSON schema is the one of the model, and agrees with it."""

from __future__ import annotations

from pathlib import Path

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
