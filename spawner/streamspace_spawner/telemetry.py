"""What the hub's process tells of starts: a span for each, and whose session a line of its log is about."""

from __future__ import annotations

import atexit
import logging
import os
import re
from collections.abc import Mapping, MutableMapping
from functools import cache
from typing import Any

from streamspace_hub.telemetry import tracing

REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def hub_traces(base: str) -> tracing.Traces:
    """Return what sends the hub's spans; `base` is `StreamSpace.traces_endpoint`."""
    return _traces(tracing.endpoint(os.environ, base))


def telemetry_environment(base: str) -> dict[str, str]:
    """Return what every server of the hub is told: where traces go, if there are any."""
    url = tracing.for_sessions(tracing.endpoint(os.environ, base))
    return {tracing.ENDPOINT: url} if url else {}


def header(handler: Any, name: str) -> str:
    """Return a header of the request that asks for a start, empty without."""
    headers = getattr(getattr(handler, "request", None), "headers", None)
    value = headers.get(name, "") if isinstance(headers, Mapping) else ""
    return value if isinstance(value, str) else ""


class SessionLog(logging.LoggerAdapter[logging.Logger]):
    """A spawner's log, whose lines say as JSON which session they are about, and which request has asked for it."""

    def __init__(self, logger: logging.Logger, spawner: Any) -> None:
        super().__init__(logger)
        self._spawner = spawner

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the fields."""
        extra = dict(kwargs.get("extra") or {})
        extra["fields"] = {**self._spawner.log_fields(), **extra.get("fields", {})}
        return msg, {**kwargs, "extra": extra}


@cache
def _traces(url: str) -> tracing.Traces:
    traces = tracing.Traces("hub", url)
    atexit.register(traces.close)
    return traces
