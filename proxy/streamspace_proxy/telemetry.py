"""How the parts of a session log: plain lines, or JSON with the session and the trace of its start."""

from __future__ import annotations

import logging
import os

from streamspace_hub.telemetry import logs, tracing


def configure_logging(plain: str, dates: str | None = None) -> None:
    """Send what this process says to standard error, in the format `plain` unless JSON is wanted."""
    if os.environ.get("STREAMSPACE_LOG_FORMAT") != "json":
        logging.basicConfig(level=logging.INFO, format=plain, datefmt=dates)
        return
    trace = tracing.valid(os.environ.get(tracing.CARRIER))
    known = {"session": os.environ.get("STREAMSPACE_NAME", ""), "trace_id": trace[3:35]}
    logs.configure_logging(logging.INFO, always={name: value for name, value in known.items() if value})
