"""The OpenAPI document that is committed is the one that the service serves."""

from __future__ import annotations

import json
from pathlib import Path

from streamspace_hub.service.documents import document_text
from streamspace_hub.service.problems import MEDIA_TYPE, TITLES

COMMITTED = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
RULES = Path(__file__).parents[2] / "docs" / "reference" / "service.md"


def test_the_committed_document_is_up_to_date() -> None:
    assert document_text() == COMMITTED.read_text(), (
        "python -m streamspace_hub.service.documents > docs/reference/openapi.json"
    )


def test_every_error_is_a_problem() -> None:
    document = json.loads(COMMITTED.read_text())
    assert document["openapi"].startswith("3.1")
    errors = [
        (path, method, status, list(response.get("content", {})))
        for path, item in document["paths"].items()
        for method, operation in item.items()
        for status, response in operation["responses"].items()
        if int(status) >= 400 and path != "/api/v1/health"
    ]
    assert len(errors) > 50
    assert [error for error in errors if error[3] != [MEDIA_TYPE]] == []


def test_every_kind_of_problem_is_documented() -> None:
    text = RULES.read_text()
    assert [kind for kind in TITLES if f"`{kind}`" not in text] == []
