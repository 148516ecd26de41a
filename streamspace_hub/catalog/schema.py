"""Prints the JSON schema of a template: `python -m streamspace_hub.catalog.schema`.

Editors use it to complete and check template files as they are written.
"""

from __future__ import annotations

import json
import sys

from streamspace_hub.model import AppTemplate


def schema_text() -> str:
    """Return the schema (JSON Schema 2020-12) as the text of a file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **AppTemplate.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
