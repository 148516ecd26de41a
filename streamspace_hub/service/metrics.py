"""The service's metrics for Prometheus.

Units are base units. All values of closed labels exist from the start, so that a rate of something that has not
happened yet is 0 and not absent.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from streamspace_hub.model import SessionState
from streamspace_hub.model.api import Outcome

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One replica's metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "streamspace_service_request_duration_seconds",
            "Time to answer, by route and status",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.limited = Counter(
            "streamspace_service_rate_limited_total", "Requests refused for being too many", registry=self.registry
        )
        self.subscribers = Gauge("streamspace_service_event_subscribers", "Open event streams", registry=self.registry)
        self.audited = Counter(
            "streamspace_service_audit_events_total", "Lines of the audit log", ["outcome"], registry=self.registry
        )
        self.sessions = Gauge(
            "streamspace_sessions", "Sessions of all users, as the hub has told last", ["state"], registry=self.registry
        )
        for outcome in Outcome:
            self.audited.labels(outcome)
        for state in SessionState:
            self.sessions.labels(state)

    def page(self, sessions: Mapping[str, int]) -> bytes:
        """Return the text for Prometheus, with the number of `sessions` in each state."""
        for state in SessionState:
            self.sessions.labels(state).set(sessions.get(str(state), 0))
        return generate_latest(self.registry)
