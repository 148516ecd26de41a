"""The tables. What changes here needs a migration (`migrations/versions`), and a test compares the two."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Float, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# SQLite counts by itself only in a column of type INTEGER.
Sequence = BigInteger().with_variant(Integer, "sqlite")


AUDIT_SOUGHT = ("actor", "action", "target", "outcome", "origin", "request_id")
"""Columns that lines of the audit log are looked for by."""


class Table(DeclarativeBase):
    """Base of all tables."""


class SessionRow(Table):
    """What the hub has told of a session last. The hub's word counts; this is so that lists need not ask it."""

    __tablename__ = "sessions"
    __table_args__ = (Index("sessions_by_state", "state"), Index("sessions_by_app", "app"))

    user: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    app: Mapped[str] = mapped_column(String(30))
    title: Mapped[str] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(16))
    url: Mapped[str] = mapped_column(Text)
    started: Mapped[str | None] = mapped_column(String(40))
    last_activity: Mapped[str | None] = mapped_column(String(40))
    message: Mapped[str | None] = mapped_column(Text)
    asleep_since: Mapped[str | None] = mapped_column(String(40))
    asleep_bytes: Mapped[int | None] = mapped_column(BigInteger)
    memory: Mapped[bool | None] = mapped_column(Boolean)
    why_not: Mapped[str | None] = mapped_column(Text)
    storage: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class WatchedRow(Table):
    """When a user's sessions were looked at last, so that an answer of the hub that came late changes nothing."""

    __tablename__ = "watched_users"

    user: Mapped[str] = mapped_column(String(255), primary_key=True)
    asked: Mapped[float] = mapped_column(Float)
    """Seconds since 1970 at which the hub was asked."""
    groups: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    """The user's groups, by which their ladder of sleep is found."""


class SleepRow(Table):
    """How far a session has come down the ladder of sleep. Times are seconds since 1970."""

    __tablename__ = "sleep"

    user: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    started: Mapped[str] = mapped_column(String(40))
    """Of which start all this is; what is of an earlier one counts for nothing."""
    active: Mapped[float] = mapped_column(Float)
    """When it was last active, as the session has said itself."""
    step: Mapped[str | None] = mapped_column(String(16))
    """Of what its viewers have been warned."""
    told: Mapped[float | None] = mapped_column(Float)
    """When they were told that it will happen."""
    lead: Mapped[float | None] = mapped_column(Float)
    """Seconds before that at which they were told, at least."""
    frozen: Mapped[float | None] = mapped_column(Float)
    """Since when it has been frozen, unless it was active since."""
    hibernating: Mapped[float | None] = mapped_column(Float)
    """Since when it is being put to sleep with its memory."""
    memory: Mapped[bool | None] = mapped_column(Boolean)
    """Whether its memory can be kept, once it has said so."""
    why_not: Mapped[str | None] = mapped_column(Text)


class UsageRow(Table):
    """A time that a session ran, and what it counts as. Never removed: it is what is billed."""

    __tablename__ = "usage"
    __table_args__ = (Index("usage_by_start", "started"), Index("usage_by_app", "app"))

    user: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    started: Mapped[float] = mapped_column(Float, primary_key=True)
    """Seconds since 1970, as `ended`."""
    app: Mapped[str] = mapped_column(String(30))
    ended: Mapped[float | None] = mapped_column(Float)
    cores: Mapped[float] = mapped_column(Float)
    memory: Mapped[float] = mapped_column(Float)
    """Bytes."""
    gpus: Mapped[int] = mapped_column(Integer)


class BudgetRow(Table):
    """Which threshold the use of a budget has reached, so that each crossing is told once; no row: none."""

    __tablename__ = "budgets"

    scope: Mapped[str] = mapped_column(String(8), primary_key=True)
    """`user`, or `group`: of all its members together."""
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    reached: Mapped[int] = mapped_column(Integer)
    """Percent."""


class EventRow(Table):
    """A change of a session or a budget, in the order in which subscribers see them."""

    __tablename__ = "events"

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    at: Mapped[float] = mapped_column(Float)
    user: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(16))
    """`session`, `removed`, or `budget`: of the user, and of no session; of a group without a user."""
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


class AuditRow(Table):
    """A line of the audit log. Triggers refuse every UPDATE and DELETE."""

    __tablename__ = "audit"
    __table_args__ = (
        # With the order in which lines are listed.
        *(Index(f"audit_by_{one}", one, "seq") for one in AUDIT_SOUGHT),
        Index("audit_by_time", "time"),
    )

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    time: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str | None] = mapped_column(String(300))
    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[str | None] = mapped_column(String(600))
    origin: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str] = mapped_column(String(64))
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class HeadRow(Table):
    """The end of a sequence (`audit`, `events`, `overrides`): whoever appends locks it, so numbers follow commits."""

    __tablename__ = "heads"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))
    """Of the last line; of `audit` only."""


class SettingsRow(Table):
    """What a user has chosen."""

    __tablename__ = "settings"

    user: Mapped[str] = mapped_column(String(255), primary_key=True)
    values: Mapped[dict[str, Any]] = mapped_column(JSON)


class AnnouncementRow(Table):
    """What administrators announce: one row, once there has been something."""

    __tablename__ = "announcement"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(Text)
    until: Mapped[str | None] = mapped_column(String(40))
    maintenance: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class FactorRow(Table):
    """A second factor of a user."""

    __tablename__ = "second_factors"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    user: Mapped[str] = mapped_column(String(255), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    """`totp` or `webauthn`."""
    label: Mapped[str] = mapped_column(String(64))
    created: Mapped[str] = mapped_column(String(40))
    ready: Mapped[bool] = mapped_column(Boolean)
    """Whether it has been shown once; before that it opens nothing."""
    sealed: Mapped[str] = mapped_column(Text)
    """Its secret or public key, encrypted (`sealing`)."""
    counter: Mapped[int] = mapped_column(BigInteger)
    """What was used last and is not taken again: the time step of a code, the signature counter of a key."""


class TriesRow(Table):
    """How often a user's second factor was not right, and what is going on. Times are seconds since 1970."""

    __tablename__ = "second_factor_tries"

    user: Mapped[str] = mapped_column(String(255), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    """In a row."""
    next_try: Mapped[float] = mapped_column(Float)
    challenge: Mapped[str | None] = mapped_column(Text)
    """What a security key is to sign, as JSON; for one use."""
    challenge_until: Mapped[float | None] = mapped_column(Float)


class OverrideRow(Table):
    """What administrators set for everybody, a group or a user, over what hub, apps and users say."""

    __tablename__ = "overrides"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    """`everybody` (with an empty name), `group` or `user`."""
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    values: Mapped[dict[str, Any]] = mapped_column(JSON)


class KeyRow(Table):
    """An idempotency key: whose, for which request, and the answer once there is one."""

    __tablename__ = "idempotency_keys"

    caller: Mapped[str] = mapped_column(String(300), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request: Mapped[str] = mapped_column(String(64))
    """SHA-256 of method, path and body."""
    created: Mapped[float] = mapped_column(Float, index=True)
    worker: Mapped[str] = mapped_column(String(32))
    """Who works on it."""
    lease: Mapped[float] = mapped_column(Float)
    """Until when that worker is taken to be alive, seconds since 1970."""
    status: Mapped[int | None] = mapped_column(Integer)
    headers: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    body: Mapped[str | None] = mapped_column(Text)


class WebhookRow(Table):
    """How far a webhook has come in the sequence of events, or a syslog server in the audit log."""

    __tablename__ = "webhooks"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    """The last event that was taken."""
    failures: Mapped[int] = mapped_column(Integer)
    """In a row."""
    next_try: Mapped[float] = mapped_column(Float)
    """Seconds since 1970."""


class LeaseRow(Table):
    """A task that one replica does for all; or a replica that lives (`replicas`)."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    holder: Mapped[str] = mapped_column(String(32))
    until: Mapped[float] = mapped_column(Float)


class WaiterRow(Table):
    """Somebody who waits for room for a session."""

    __tablename__ = "waiters"

    actor: Mapped[str] = mapped_column(String(300), primary_key=True)
    target: Mapped[str] = mapped_column(String(600), primary_key=True)
    until: Mapped[float] = mapped_column(Float)
    """Seconds since 1970 at which the place is lost, unless they ask again."""


__all__ = [
    "AnnouncementRow",
    "AuditRow",
    "BudgetRow",
    "EventRow",
    "FactorRow",
    "HeadRow",
    "KeyRow",
    "LeaseRow",
    "OverrideRow",
    "SessionRow",
    "SettingsRow",
    "SleepRow",
    "Table",
    "TriesRow",
    "UsageRow",
    "WaiterRow",
    "WatchedRow",
    "WebhookRow",
]
