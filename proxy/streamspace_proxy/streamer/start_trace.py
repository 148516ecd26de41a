"""The session's part of the trace of its start: until there is a screen, and until somebody sees its first picture.

What the spans mean is docs/how-to/observability.md; without a trace to go on with, all of this does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from streamspace_hub.telemetry import tracing
from streamspace_proxy.streamer.messages import Transport

BEGAN = "STREAMSPACE_BEGAN"
"""Variable by which the session runner says when it began, in seconds since 1970."""


class StartTrace:
    """One session's; each span is there once."""

    def __init__(self, environ: Mapping[str, str], app: str) -> None:
        self._parent = tracing.valid(environ.get(tracing.CARRIER))
        self._traces = tracing.Traces("session", environ.get(tracing.ENDPOINT, "") if self._parent else "")
        self._start = tracing.Span()
        self._picture: tracing.Span | None = None
        self._viewer = ""
        self._over = not self._traces.on
        if self._traces.on:
            began = environ.get(BEGAN, "")
            self._start = self._traces.begin("session start", self._parent, at=_seconds(began))
            self._start.note(streamspace__app=app)
        self._shown = not self._traces.on

    def listening(self) -> None:
        """Note that the streamer can be reached."""
        self._start.event("streamer listens")

    def attached(self) -> None:
        """Note that there is a screen to look at."""
        if not self._shown:
            self._shown = True
            self._start.end()

    def joined(self, viewer: str) -> None:
        """Note that a viewer has come: it may be the first to see something."""
        if self._picture is None and not self._over:
            self._viewer = viewer
            self._picture = self._traces.begin("first picture", self._start.traceparent)

    def sent(self, viewer: str, transport: Transport) -> None:
        """Note that a picture is on its way to a viewer."""
        if self._picture is not None and viewer == self._viewer:
            self._picture.event("sent", streamspace__transport=transport)

    def seen(self, viewer: str, transport: Transport | None) -> None:
        """Note that a viewer's page has taken a picture."""
        if self._picture is not None and viewer == self._viewer:
            self._picture.note(streamspace__transport=transport or "rfb")
            self._end()
            self._over = True

    def left(self, viewer: str) -> None:
        """Note that a viewer has gone; the next one is another try."""
        if self._picture is not None and viewer == self._viewer:
            self._picture.fail("left")
            self._end()

    def close(self) -> None:
        """Send what has not been sent."""
        if not self._shown:
            self._shown = True
            self._start.fail("ended")
            self._start.end()
        self._traces.close()

    def _end(self) -> None:
        if self._picture is not None:
            self._picture.end()
        self._picture = None


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
