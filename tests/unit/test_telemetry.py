"""Traces are off unless there is where to send them, and then nothing is loaded. Lines of a log say whose they are."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from streamspace_spawner.config import StreamSpace
from streamspace_spawner.telemetry import SessionLog, telemetry_environment
from traitlets import TraitError
from traitlets.config import Config

from streamspace_hub import install
from streamspace_hub.service.settings import ServiceSettings
from streamspace_hub.telemetry import tracing
from streamspace_hub.telemetry.logs import JsonLines, logging_with

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
LOADS = """
import sys
import streamspace_spawner.local, streamspace_proxy.streamer.core, streamspace_proxy.extension.lab
from streamspace_hub.service.context import make_context
from streamspace_hub.service.settings import ServiceSettings
from streamspace_hub.telemetry.tracing import Traces
from streamspace_proxy.streamer.start_trace import StartTrace
make_context(ServiceSettings.read({"JUPYTERHUB_API_URL": "http://h/hub/api", "JUPYTERHUB_API_TOKEN": "t"}))
StartTrace({"TRACEPARENT": "%s"}, "gimp")
with Traces("hub", "").span("spawn") as span:
    assert span.traceparent == ""
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("opentelemetry", "google")))
"""


def test_off_nothing_is_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOADS % PARENT], check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("environ", "base", "expected"),
    [
        ({}, "", ""),
        ({}, "http://c:4318", "http://c:4318/v1/traces"),
        ({}, "http://c:4318/", "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "", "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://d:4318", "http://d:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/x"}, "", "http://c/x"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "", "http://localhost:4318/v1/traces"),
        ({"OTEL_TRACES_EXPORTER": "none"}, "http://c:4318", ""),
        ({"OTEL_SDK_DISABLED": "true"}, "http://c:4318", ""),
    ],
)
def test_opentelemetrys_own_variables_and_ours_say_where_to(
    environ: Mapping[str, str], base: str, expected: str
) -> None:
    assert tracing.endpoint(environ, base) == expected


def test_the_service_is_told_what_the_hub_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other/v1/traces")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "our-hub")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    c = Config()
    c.StreamSpace.traces_endpoint = "http://c:4318"
    install(c, service=True)
    told = c.JupyterHub.services[0]["environment"]
    assert {name: value for name, value in told.items() if name.startswith("OTEL_")} == {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
    }
    known = {"JUPYTERHUB_API_URL": "http://h/hub/api", "JUPYTERHUB_API_TOKEN": "t"}
    assert ServiceSettings.read({**told, **known}).traces_endpoint == "http://c:4318/v1/traces"


def test_a_password_in_the_address_stays_in_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:secret@c")
    assert telemetry_environment("") == {}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")
    assert telemetry_environment("") == {"STREAMSPACE_TRACES_ENDPOINT": "https://c/v1/traces"}


@pytest.mark.parametrize("url", ["collector:4318", "grpc://c", "http://", "http://me:secret@c"])
def test_an_endpoint_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(TraitError, match="traces_endpoint"):
        StreamSpace(traces_endpoint=url)


@pytest.mark.parametrize(
    "text", ["", None, "x", PARENT.upper(), PARENT + "-1", f"00-{'0' * 32}-b7ad6b7169203331-01", PARENT + "\n"]
)
def test_what_is_no_traceparent_is_not_handed_on(text: str | None) -> None:
    assert tracing.valid(text) == ""
    assert tracing.valid(PARENT) == PARENT


def test_a_protocol_that_is_not_spoken_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    assert not tracing.Traces("hub", "http://127.0.0.1:9/v1/traces").on
    assert "only http/protobuf" in caplog.text


def test_without_opentelemetry_installed_there_are_no_spans_and_no_fault(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    traces = tracing.Traces("session", "http://127.0.0.1:9/v1/traces")
    with traces.span("spawn", PARENT) as span:
        assert (span.traceparent, tracing.headers()) == ("", {})
    assert "streamspace-hub[tracing]" in caplog.text


def one_line(formatter: JsonLines, log: Any = None, **extra: Any) -> dict[str, Any]:
    """Log something; return its line."""
    seen: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(formatter.format(record))  # type: ignore[method-assign]
    logger = logging.Logger("streamspace.test")
    logger.addHandler(handler)
    (log(logger) if log else logger).warning("said %s", "so", **extra)
    found: dict[str, Any] = json.loads(seen[0])
    assert (found.pop("level"), found.pop("logger"), found.pop("message")) == ("warning", "streamspace.test", "said so")
    found.pop("time")
    return found


def test_a_line_says_request_session_and_trace() -> None:
    formatter = JsonLines(always={"session": "ann/gimp"})
    assert one_line(formatter) == {"session": "ann/gimp"}
    with logging_with(request_id="r1"), tracing.within(PARENT):
        assert one_line(formatter, extra={"fields": {"seconds": 1}}) == {
            "session": "ann/gimp", "request_id": "r1", "trace_id": TRACE, "seconds": 1,
        }  # fmt: skip
    assert one_line(JsonLines()) == {}


def test_a_spawners_lines_are_about_its_session() -> None:
    class Spawner:
        def log_fields(self) -> dict[str, str]:
            return {"session": "ann/gimp"}

    assert one_line(JsonLines(), lambda logger: SessionLog(logger, Spawner())) == {"session": "ann/gimp"}


def test_json_logs_of_the_hub_are_turned_on_by_install() -> None:
    c = Config()
    c.StreamSpace.json_logs = True
    install(c)
    assert c.JupyterHub.logging_config == {
        "formatters": {"console": {"class": "streamspace_hub.telemetry.logs.JsonLines"}}
    }
    plain = Config()
    install(plain)
    assert "logging_config" not in plain.JupyterHub
