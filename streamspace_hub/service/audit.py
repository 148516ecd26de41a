"""The audit log: lines that are only ever added, each sealed with the hash of the one before.

A line that is changed, removed or put in shows as a broken chain; lines cut off at the end show by the head, and by
any copy of the log (each line is written to the service's own log too). Who can rewrite the whole database can make
another chain: keep copies elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from streamspace_hub.model.api import AuditEvent, AuditVerdict, Outcome
from streamspace_hub.model.chain import ChainCheck, seal
from streamspace_hub.service.database import Database
from streamspace_hub.service.event_log import EventLog
from streamspace_hub.service.heads import locked_head
from streamspace_hub.service.metrics import Metrics
from streamspace_hub.service.tables import AuditRow, HeadRow

CHECK_BATCH = 1000

log = logging.getLogger("streamspace.audit")


@dataclass(frozen=True)
class Attempt:
    """Something that somebody has tried."""

    actor: str | None
    action: str
    target: str | None
    origin: str
    request_id: str
    outcome: Outcome
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


class AuditLog:
    """The log in the database."""

    def __init__(self, database: Database, metrics: Metrics, events: EventLog | None = None) -> None:
        self._database = database
        self._metrics = metrics
        self._events = events or EventLog()

    async def write(self, attempt: Attempt) -> AuditEvent:
        """Add a line; it is durable when this returns."""
        async with self._database.writing() as session:
            event = await self.add(session, attempt)
        self.publish(event)
        return event

    @staticmethod
    async def add(session: AsyncSession, attempt: Attempt) -> AuditEvent:
        """Add a line as a part of the transaction of `session`; `publish` it when that has been committed."""
        head = await locked_head(session, "audit")
        fields: dict[str, Any] = {
            "seq": head.seq + 1,
            "time": datetime.now(UTC).isoformat(timespec="microseconds"),
            "actor": attempt.actor,
            "action": attempt.action,
            "target": attempt.target,
            "origin": attempt.origin,
            "outcome": str(attempt.outcome),
            "reason": attempt.reason,
            "request_id": attempt.request_id,
            "details": dict(attempt.details),
            "previous": head.hash,
        }
        fields["hash"] = seal(fields)
        session.add(AuditRow(**fields))
        head.seq, head.hash = fields["seq"], fields["hash"]
        await session.flush()
        return AuditEvent.model_validate(fields)

    def publish(self, event: AuditEvent) -> None:
        """Write a line that has been committed to the service's own log too, emit it as an event, and count it."""
        log.info("audit", extra={"fields": {"audit": event.model_dump(mode="json")}})
        self._events.emit(event)
        self._metrics.count(event)

    async def check(self) -> AuditVerdict:
        """Read the whole log and say whether it is intact."""
        chain = ChainCheck()
        # The end first: lines that are added meanwhile are none of a shortened log.
        async with self._database.reading() as session:
            head = (await session.execute(select(HeadRow).where(HeadRow.name == "audit"))).scalar_one()
        async for event in self.lines(until=head.seq):
            if not chain.add(event):
                return chain.verdict
        if chain.seq != head.seq or chain.hash != head.hash:
            chain.problem = f"the log ends at line {chain.seq}, but {head.seq} were written"
        return chain.verdict

    async def lines(self, until: int | None = None) -> AsyncIterator[AuditEvent]:
        """Yield the lines from the first to number `until`."""
        last = 0
        while True:
            query = select(AuditRow).where(AuditRow.seq > last).order_by(AuditRow.seq).limit(CHECK_BATCH)
            if until is not None:
                query = query.where(AuditRow.seq <= until)
            async with self._database.reading() as session:
                rows = (await session.execute(query)).scalars().all()
            for row in rows:
                yield audit_event(row)
            if len(rows) < CHECK_BATCH:
                return
            last = rows[-1].seq


def audit_event(row: AuditRow) -> AuditEvent:
    """Return a row as the API shows it."""
    return AuditEvent(**{name: getattr(row, name) for name in AuditEvent.model_fields})
