"""The application: routes, what they share, and how errors are answered."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.routing import Match

from streamspace_hub.model.api import FieldProblem, QueuePlace
from streamspace_hub.model.explain import explain_details
from streamspace_hub.service.context import make_context
from streamspace_hub.service.database import Unreachable
from streamspace_hub.service.documents import document
from streamspace_hub.service.hub import HubError
from streamspace_hub.service.problems import MEDIA_TYPE, TITLES, ProblemError, retry_after
from streamspace_hub.service.requests import no_unknown_query
from streamspace_hub.service.routes import (
    announcement,
    apps,
    audit,
    events,
    health,
    logs,
    overrides,
    pages,
    policies,
    second_factors,
    sessions,
    shared,
    shares,
    sleep,
    thumbnails,
    usage,
    users,
)
from streamspace_hub.service.routes import settings as user_settings
from streamspace_hub.service.settings import ServiceSettings
from streamspace_hub.service.web import Edge

METHODS = ("DELETE", "GET", "POST", "PUT")

log = logging.getLogger("streamspace.service")


class _Nothing(BaseModel):
    """Stands for what has no fields of its own."""


def create_app(settings: ServiceSettings) -> FastAPI:
    """Return the application; it connects to hub and database when it is started."""
    context = make_context(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            tasks = await context.start()
        except BaseException:
            await context.close([])  # a thread of SQLite's would keep the process
            raise
        yield
        await context.close(tasks)

    app = FastAPI(
        title="StreamSpace",
        openapi_url=f"{settings.prefix}openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
    app.state.context = context
    for module in (
        apps,
        sessions,
        sleep,
        shares,
        shared,
        logs,
        thumbnails,
        events,
        user_settings,
        policies,
        users,
        overrides,
        usage,
        announcement,
        second_factors,
        audit,
        health,
    ):
        app.include_router(module.router, prefix=settings.api_prefix, dependencies=[Depends(no_unknown_query)])
    for plain in (health.plain, pages.router):
        app.include_router(plain, prefix=settings.prefix.rstrip("/"))
    app.add_middleware(Edge, metrics=context.metrics, traces=context.traces)
    app.openapi = lambda: document(app, settings.prefix)  # type: ignore[method-assign] # FastAPI's own way to change it
    _answer_errors(app)
    return app


def _answer_errors(app: FastAPI) -> None:
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HubError, _hub)
    for away in Unreachable:
        app.add_exception_handler(away, _away)


def _problem(request: Request, error: Exception) -> Response:
    error = cast(ProblemError, error)
    if error.kind == "too-many-requests":
        request.app.state.context.metrics.limited.inc()
    body = error.body(request.state.request_id).model_dump_json(exclude_none=True)
    return Response(body, error.status, error.headers, MEDIA_TYPE)


def _http(request: Request, error: Exception) -> Response:
    error = cast(HTTPException, error)
    kind = next((kind for kind, (status, _) in TITLES.items() if status == error.status_code), "bad-request")
    details = {404: "There is nothing at this address.", 405: "Use another method; Allow names those that there are."}
    detail = details.get(error.status_code, str(error.detail))
    # Starlette names the methods of the first route at this address only.
    headers = {"Allow": ", ".join(_methods(request))} if error.status_code == 405 else error.headers
    return _problem(request, ProblemError(kind, detail, headers=headers))


def _methods(request: Request) -> list[str]:
    scope = {"type": "http", "path": request.scope["path"], "root_path": "", "headers": []}
    return [
        method
        for method in METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]


def _invalid(request: Request, error: Exception) -> Response:
    details = cast(RequestValidationError, error).errors()
    if any(one["type"] == "json_invalid" for one in details):
        return _problem(request, ProblemError("bad-request", "The body is not well-formed JSON."))
    fields = [_field(one, _body_model(request)) for one in details]
    return _problem(request, ProblemError("invalid", f"{fields[0].field}: {fields[0].message}", errors=fields))


def _field(details: Mapping[str, Any], model: type[BaseModel]) -> FieldProblem:
    where, *location = details["loc"]
    if where == "body" and not location:
        return FieldProblem(field="body", message="must be a JSON object, sent with `Content-Type: application/json`.")
    inner = cast(ErrorDetails, {**details, "loc": tuple(location)})
    complaint = explain_details([inner], model if where == "body" else _Nothing)[0]
    return FieldProblem(field=complaint.field, message=complaint.message)


def _body_model(request: Request) -> type[BaseModel]:
    field = getattr(request.scope.get("route"), "body_field", None)
    model = getattr(getattr(field, "field_info", None), "annotation", None)
    return model if isinstance(model, type) and issubclass(model, BaseModel) else _Nothing


def _hub(request: Request, error: Exception) -> Response:
    return _problem(request, hub_problem(cast(HubError, error)))


def hub_problem(error: HubError) -> ProblemError:
    """Return the answer for a refusal by the hub."""
    wait = {"Retry-After": error.retry_after} if error.retry_after else {}
    match error.status:
        case 403 | 404 | 409 as status:
            return ProblemError({403: "forbidden", 404: "not-found", 409: "conflict"}[status], error.message)
        case 400:
            return ProblemError("conflict", error.message)
        case 503:
            return ProblemError("unavailable", error.message, headers=wait or retry_after(60))
        case 429 if error.place is not None:
            queue = QueuePlace(position=error.place.number, wait=error.place.wait)
            return ProblemError("queued", error.message, headers=wait or retry_after(10), queue=queue)
        case 429:
            return ProblemError("too-many-requests", error.message, headers=wait or retry_after(10))
        case _:
            return ProblemError("hub-unavailable", error.message, headers=wait or retry_after(5))


def _away(request: Request, error: Exception) -> Response:
    log.error("the database is away: %s", type(error).__name__)
    detail = "The service's database does not answer. Nothing was lost; try again."
    return _problem(request, ProblemError("unavailable", detail, headers=retry_after(5)))
