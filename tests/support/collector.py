"""A collector of traces: takes OTLP over HTTP on loopback, and reads the real protobuf."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.waiting import PATIENCE


@dataclass(frozen=True)
class Seen:
    """One span."""

    process: str
    """`service.name` of who has sent it."""
    name: str
    trace: str
    id: str
    parent: str
    kind: int
    attributes: dict[str, Any]
    events: list[str]
    seconds: float
    failed: bool
    text: str
    """All of it, as text."""


class Collector:
    """What has arrived so far."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[Seen] = []

    def take(self, body: bytes) -> None:
        """Read a request."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            process = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            for scope in resource.scope_spans:
                self.spans += [_seen(process, span) for span in scope.spans]

    def of(self, trace: str) -> dict[str, Seen]:
        """Return the spans of a trace by name."""
        return {span.name: span for span in self.spans if span.trace == trace}

    async def until(self, trace: str, *names: str) -> dict[str, Seen]:
        """Wait for spans of a trace; return all of it by name."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = self.of(trace)
            if set(names) <= set(found):
                return found
            assert time.monotonic() < deadline, f"{set(names) - set(found)} did not arrive: {self.spans}"
            await asyncio.sleep(0.1)


def _seen(process: str, span: Any) -> Seen:
    return Seen(
        process=process,
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=span.kind,
        attributes={one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes},
        events=[event.name for event in span.events],
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        failed=span.status.code == 2,
        text=str(span),
    )


@contextmanager
def collector() -> Iterator[Collector]:
    """Run one."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/x-protobuf"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.take(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Collector(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
