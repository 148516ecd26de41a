"""How far the copies are behind: each webhook in the sequence of events, the syslog server in the audit log."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select

from streamspace_hub.service.database import Database
from streamspace_hub.service.metrics import Lag
from streamspace_hub.service.tables import AuditRow, EventRow, WebhookRow


async def lags(database: Database, webhooks: Iterable[str], syslog: str | None) -> dict[str, Lag]:
    """Return the lag of each copy that has begun; webhooks are called `webhook-1` and so on, as they are configured.

    Args:
        database: where it stands how far each has come.
        webhooks: their names there.
        syslog: that of the syslog server, if there is one.
    """
    found: dict[str, Lag] = {}
    async with database.reading() as session:
        for number, name in enumerate(webhooks, 1):
            if (place := await session.get(WebhookRow, name)) is not None:
                query = select(func.count(), func.min(EventRow.at)).where(EventRow.seq > place.seq)
                waiting, oldest = (await session.execute(query)).one()
                found[f"webhook-{number}"] = Lag(waiting, max(0.0, time.time() - oldest) if waiting else 0.0)
        if syslog is not None and (place := await session.get(WebhookRow, syslog)) is not None:
            lines = select(func.count(), func.min(AuditRow.time)).where(AuditRow.seq > place.seq)
            waiting, since = (await session.execute(lines)).one()
            age = time.time() - datetime.fromisoformat(since).timestamp() if waiting else 0.0
            found["syslog"] = Lag(waiting, max(0.0, age))
    return found
