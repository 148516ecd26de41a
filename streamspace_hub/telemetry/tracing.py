"""Spans from a click to its first picture: OpenTelemetry's, sent by OTLP over HTTP. Off unless there is where to send.

Off, or where OpenTelemetry is not installed, nothing of it is loaded, and the spans here do nothing. What is handed on
from process to process is W3C Trace Context's `traceparent` (https://www.w3.org/TR/trace-context/), in a header or the
variable `TRACEPARENT` (OpenTelemetry, "Environment Variables as Context Propagation Carriers").

Spans hold no text of users': names of routes and apps, numbers, and classes of errors.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as SdkSpan

ENDPOINT = "STREAMSPACE_TRACES_ENDPOINT"
"""Variable of servers and sessions that says where traces go."""
CARRIER = "TRACEPARENT"
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
PATH = "/v1/traces"
LAST_WORDS = 1.0
"""Seconds that the end of a process waits for spans to be sent."""
Kind = Literal["internal", "server", "client"]
Value = str | int | float | bool

_current: ContextVar[str] = ContextVar("streamspace_traceparent", default="")
log = logging.getLogger("streamspace.traces")


def endpoint(environ: Mapping[str, str], base: str = "") -> str:
    """Return where traces are sent, empty for nowhere: `base`, else what OpenTelemetry's own variables say.

    `base` is without the path, as is `OTEL_EXPORTER_OTLP_ENDPOINT`.
    """
    exporters = [one.strip() for one in environ.get("OTEL_TRACES_EXPORTER", "").split(",") if one.strip()]
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or (exporters and "otlp" not in exporters):
        return ""
    if base:
        return base.rstrip("/") + PATH
    if whole := environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ""):
        return whole
    base = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "") or ("http://localhost:4318" if exporters else "")
    return base.rstrip("/") + PATH if base else ""


def for_sessions(url: str) -> str:
    """Return the endpoint as sessions are told it; nothing if it holds a password."""
    return "" if urlsplit(url).username is not None else url


def valid(traceparent: str | None) -> str:
    """Return a `traceparent` that somebody has sent, empty if it is none."""
    return traceparent if traceparent and TRACEPARENT.fullmatch(traceparent) else ""


def headers() -> dict[str, str]:
    """Return the header that hands the present span on; none outside of a span."""
    current = _current.get()
    return {"traceparent": current} if current else {}


def trace_id() -> str:
    """Return the present trace, empty if there is none."""
    return _current.get()[3:35]


@contextmanager
def within(traceparent: str) -> Iterator[None]:
    """Let what is done in here be a part of somebody else's span; empty: of none."""
    token = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(token)


class Span:
    """Something that takes time. This one does nothing: traces are off."""

    traceparent = ""
    """What makes other spans this one's children."""

    def name(self, name: str) -> None:
        """Call it something else."""

    def note(self, **attributes: Value) -> None:
        """Add attributes; `__` in a name stands for a dot."""

    def event(self, name: str, **attributes: Value) -> None:
        """Note that something happens now."""

    def fail(self, error: str) -> None:
        """Say that it failed, with a class of error."""

    def end(self) -> None:
        """End it now."""


class _Sent(Span):
    def __init__(self, span: SdkSpan) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def name(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, **attributes: Value) -> None:
        self._span.set_attributes(_dotted(attributes))

    def event(self, name: str, **attributes: Value) -> None:
        self._span.add_event(name, _dotted(attributes))

    def fail(self, error: str) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("error.type", error)
        self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        self._span.end()


class Traces:
    """What one process sends as `part` of StreamSpace; `url` empty: nothing."""

    def __init__(self, part: str, url: str) -> None:
        self._provider = _provider(part, url) if url else None

    @property
    def on(self) -> bool:
        """Whether spans are sent."""
        return self._provider is not None

    def begin(self, name: str, parent: str | None = None, *, kind: Kind = "internal", at: float | None = None) -> Span:
        """Begin a span, below the present one unless `parent` says below which; empty: it begins a trace.

        `at`: when it began (time.time()), if not now.
        """
        if self._provider is None:
            return Span()
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        above = _current.get() if parent is None else parent
        context = TraceContextTextMapPropagator().extract({"traceparent": above}, Context())
        span = self._provider.get_tracer("streamspace").start_span(
            name,
            context,
            SpanKind[kind.upper()],
            start_time=None if at is None else int(at * 1e9),
        )
        return _Sent(span)

    @contextmanager
    def span(self, name: str, parent: str | None = None, *, kind: Kind = "internal") -> Iterator[Span]:
        """Have a span around what is done in here, which becomes the present one."""
        span = self.begin(name, parent, kind=kind)
        try:
            with within(span.traceparent):
                yield span
        except BaseException as error:
            span.fail(type(error).__name__)
            raise
        finally:
            span.end()

    def close(self) -> None:
        """Send what has not been sent yet; a collector that does not answer is not waited for."""
        if self._provider is not None:
            sending = threading.Thread(target=self._provider.force_flush, daemon=True)
            sending.start()
            sending.join(LAST_WORDS)


def _provider(part: str, url: str) -> TracerProvider | None:
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in (None, "", "http/protobuf"):
        log.warning("there are no traces: OTEL_EXPORTER_OTLP_PROTOCOL is %s, only http/protobuf is sent", protocol)
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning("there are no traces of this process: install `streamspace-hub[tracing]`")
        return None
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or f"streamspace-{part}"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return provider


def _dotted(attributes: Mapping[str, Value]) -> dict[str, Value]:
    return {name.replace("__", "."): value for name, value in attributes.items()}
