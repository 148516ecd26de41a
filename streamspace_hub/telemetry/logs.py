"""Lines of a log as JSON, each with the request, session and trace that it belongs to. No tokens, no query strings."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from streamspace_hub.telemetry.tracing import trace_id

_context: ContextVar[Mapping[str, str]] = ContextVar("streamspace_log_fields", default=MappingProxyType({}))


class JsonLines(logging.Formatter):
    """Formats records as JSON; `extra={"fields": {...}}` adds to them.

    `always` are fields of every line. The other parameters are those of `logging.Formatter`, which
    `logging.config.dictConfig` passes.
    """

    def __init__(self, *args: Any, always: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._always = dict(always or {})

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._always,
            **({"trace_id": trace} if (trace := trace_id()) else {}),
            **_context.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


@contextmanager
def logging_with(**fields: str) -> Iterator[None]:
    """Add fields to every line that is logged in here, tasks that are begun here included."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def logged_with() -> Mapping[str, str]:
    """Return what `logging_with` adds at present."""
    return _context.get()


def configure_logging(level: int, always: Mapping[str, str] | None = None) -> None:
    """Send what is logged, from `level` up, to standard error as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(always=always))
    logging.basicConfig(level=level, handlers=[handler], force=True)
