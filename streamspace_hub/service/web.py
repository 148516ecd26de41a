"""What every request passes: a number, limits, headers, metrics, a span and a line in the log. Plain ASGI."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamspace_hub.service.metrics import Metrics
from streamspace_hub.service.problems import MEDIA_TYPE, ProblemError
from streamspace_hub.service.requests import server_name
from streamspace_hub.telemetry import tracing
from streamspace_hub.telemetry.logs import logging_with

BODY_LIMIT = 64 * 1024
TRACED = ("POST", "PUT", "DELETE")
"""What is only read is asked for all the time, and begins nothing."""
REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'"),
)

log = logging.getLogger("streamspace.request")


class Edge:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, metrics: Metrics, traces: tracing.Traces) -> None:
        self._app = app
        self._metrics = metrics
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given.decode() if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        with logging_with(request_id=request_id), self._span(scope) as span:
            await self._pass(scope, receive, _Answer(request_id, send), span)

    def _span(self, scope: Scope) -> AbstractContextManager[tracing.Span]:
        if scope["method"] not in TRACED or not self._traces.on:
            return nullcontext(tracing.Span())
        given = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
        return self._traces.span(scope["method"], tracing.valid(given.decode("latin-1")), kind="server")

    async def _pass(self, scope: Scope, receive: Receive, answer: _Answer, span: tracing.Span) -> None:
        started = time.perf_counter()
        try:
            await self._app(scope, _limited(scope, receive), answer)
        except Exception:
            # Starlette would answer it outside of us; whoever asked learns the number under which the log has it.
            log.exception("a request failed")
            await _apologise(answer, answer.request_id)
        finally:
            self._note(scope, answer.status, time.perf_counter() - started, span)

    def _note(self, scope: Scope, status: int, seconds: float, span: tracing.Span) -> None:
        # FastAPI's versions disagree whether the path of a route has the prefix of its router.
        route = getattr(scope.get("route"), "path", "(none)").rpartition("/api/v1")[2]
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "PUT", "DELETE") else "other"
        self._metrics.requests.labels(method, route, str(status)).observe(seconds)
        # https://opentelemetry.io/docs/specs/semconv/http/http-spans/
        span.name(f"{method} {route}")
        span.note(http__request__method=method, http__route=route, http__response__status_code=status)
        if status >= 500:
            span.fail(str(status))
        fields = {
            **_session_of(scope),
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "seconds": round(seconds, 4),
        }
        log.info("request", extra={"fields": fields})


def _session_of(scope: Scope) -> dict[str, str]:
    """Return which session a request was about, as the log says it: one in its path, or one that it has started."""
    path = scope.get("path_params", {})
    found = f"{path['user']}/{server_name(path['server'])}" if {"user", "server"} <= set(path) else None
    session = found or scope["state"].get("session")
    return {"session": session} if session else {}


class _Answer:
    """Sends, with our headers, and remembers the status."""

    def __init__(self, request_id: str, send: Send) -> None:
        self.request_id = request_id
        self._send = send
        self.status = 0
        """0: the caller went away before there was an answer."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name for name, _ in message["headers"]}
            ours = [*HEADERS, (b"x-request-id", self.request_id.encode()), (b"cache-control", b"no-store")]
            message["headers"] = [*message["headers"], *(pair for pair in ours if pair[0] not in present)]
        await self._send(message)


def _limited(scope: Scope, receive: Receive) -> Callable[[], Awaitable[Message]]:
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > BODY_LIMIT:
            raise HTTPException(413, f"The body is larger than {BODY_LIMIT // 1024} KiB.")
        return message

    return limited


async def _apologise(answer: _Answer, request_id: str) -> None:
    if answer.status:
        return
    problem = ProblemError("internal", "The service's log says more, under this request_id.")
    body = problem.body(request_id).model_dump_json(exclude_none=True).encode()
    headers = [(b"content-type", MEDIA_TYPE.encode())]
    await answer({"type": "http.response.start", "status": problem.status, "headers": headers})
    await answer({"type": "http.response.body", "body": body})
