"""The service's metrics for Prometheus.

Units are base units. All values of closed labels exist from the start, so that a rate of something that has not
happened yet is 0 and not absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from streamspace_hub.model import SessionState
from streamspace_hub.model.alerts import THRESHOLDS
from streamspace_hub.model.api import AuditEvent, Outcome

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STARTS = ("session.create", "session.resume")
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass(frozen=True)
class Lag:
    """How far a copy of events or of the audit log is behind."""

    waiting: int
    """What it has not taken."""
    seconds: float
    """Age of the oldest of that; 0 if there is none."""


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
        self.replicas = Gauge(
            "streamspace_service_replicas", "Replicas that live, as far as this one knows", registry=self.registry
        )
        self.subscribers = Gauge("streamspace_service_event_subscribers", "Open event streams", registry=self.registry)
        self.audited = Counter(
            "streamspace_service_audit_events_total", "Lines of the audit log", ["outcome"], registry=self.registry
        )
        self.sessions = Gauge(
            "streamspace_sessions", "Sessions of all users, as the hub has told last", ["state"], registry=self.registry
        )
        self.refused = Counter(
            "streamspace_service_refused_starts_total",
            "Starts and wakes that were refused; the audit log says why",
            registry=self.registry,
        )
        self.budget_alerts = Counter(
            "streamspace_service_budget_alerts_total", "Thresholds crossed", ["threshold"], registry=self.registry
        )
        self.behind = Gauge(
            "streamspace_service_copy_behind_seconds",
            "Age of the oldest event or line that a copy has not taken; 0: it has all of them",
            ["copy"],
            registry=self.registry,
        )
        self.waiting = Gauge(
            "streamspace_service_copy_waiting",
            "Events or lines that a copy has not taken",
            ["copy"],
            registry=self.registry,
        )
        self.dropped = Counter(
            "streamspace_service_webhook_dropped_events_total",
            "Events that were forgotten before a webhook had taken them",
            registry=self.registry,
        )
        for threshold in THRESHOLDS:
            self.budget_alerts.labels(str(threshold))
        for outcome in Outcome:
            self.audited.labels(outcome)
        for state in SessionState:
            self.sessions.labels(state)

    def count(self, event: AuditEvent) -> None:
        """Count a line of the audit log, and what it tells of."""
        self.audited.labels(event.outcome).inc()
        if event.action in STARTS and event.outcome is Outcome.DENIED:
            self.refused.inc()
        if event.action == "budget.alert":
            self.budget_alerts.labels(str(event.details["threshold"])).inc()

    def page(self, sessions: Mapping[str, int], lags: Mapping[str, Lag] = MappingProxyType({})) -> bytes:
        """Return the text for Prometheus: the number of `sessions` in each state, and how far behind copies are."""
        for copy, lag in lags.items():
            self.behind.labels(copy).set(lag.seconds)
            self.waiting.labels(copy).set(lag.waiting)
        for state in SessionState:
            self.sessions.labels(state).set(sessions.get(str(state), 0))
        return generate_latest(self.registry)
