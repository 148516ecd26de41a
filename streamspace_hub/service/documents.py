"""The OpenAPI document: FastAPI's, with our problems in it, and paths relative to where the service is mounted."""

from __future__ import annotations

import json
import sys
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import SecretStr

from streamspace_hub.model.api import Problem
from streamspace_hub.service.problems import MEDIA_TYPE, TITLES

REFERENCE = "#/components/schemas/"
DESCRIPTION = """\
Apps, sessions, settings and the audit log of StreamSpace for JupyterHub.

Every request needs an API token of the hub, `GET health` excepted. Errors are problem details (RFC 9457). Lists come in
pages; what `GET` shows has an `ETag`; `POST` about sessions takes an `Idempotency-Key`. Too many requests with one
token get 429 with `Retry-After`.
"""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the entries of `responses=` for errors, besides those that every request can meet."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*statuses, 422, 429, 500, 502, 503}):
        titles = [title for number, title in TITLES.values() if number == status]
        found[status] = {
            "description": "; ".join(titles),
            "content": {MEDIA_TYPE: {"schema": {"$ref": f"{REFERENCE}Problem"}}},
        }
    return found


def document(app: FastAPI, prefix: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of `app`, mounted at `prefix`."""
    whole = get_openapi(
        title="StreamSpace",
        version="1",
        summary="Streamed desktop apps for JupyterHub",
        description=DESCRIPTION,
        routes=app.routes,
    )
    whole["servers"] = [{"url": prefix.rstrip("/")}]
    whole["paths"] = {path.removeprefix(prefix.rstrip("/")): item for path, item in whole["paths"].items()}
    schemas = whole["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template=REFERENCE + "{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return whole


def document_text() -> str:
    """Return the document as the text of `docs/reference/openapi.json`."""
    from streamspace_hub.service.app import create_app
    from streamspace_hub.service.settings import ServiceSettings

    settings = ServiceSettings(api_url="http://hub", api_token=SecretStr("none"))
    return json.dumps(create_app(settings).openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document_text())
