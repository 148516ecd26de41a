"""The usage ledger's table: what two looks at the hub tell, and what its journal of runs does, which is exact.

Both write the same entries, by user, name and the time of the start, each as a part of a transaction: whichever comes
first, the journal's word stays. Knows no hub.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from streamspace_hub.model import AppTemplate, Resources
from streamspace_hub.model.api import UserSession
from streamspace_hub.service.hub import Run
from streamspace_hub.service.ledger import End, amounts, moment, reckon
from streamspace_hub.service.tables import SessionRow, UsageRow


class Book:
    """The ledger of all users; `templates` say what their sessions count as."""

    def __init__(self, templates: Mapping[str, AppTemplate]) -> None:
        self._templates = templates
        self.titles = {name: template.title for name, template in templates.items()}

    async def look(
        self,
        session: AsyncSession,
        user: str,
        known: Mapping[str, UserSession],
        seen: Mapping[str, UserSession],
        asked: float,
    ) -> None:
        """Bring a user's entries up to date with what the hub has answered at `asked`."""
        query = select(UsageRow).where(UsageRow.user == user, UsageRow.ended.is_(None))
        # Locked: what the journal says of an end meanwhile must not be overwritten.
        rows = {row.name: row for row in (await session.execute(query.with_for_update())).scalars()}
        running = {name: row.started for name, row in rows.items()}
        for change in reckon(running, known, seen, asked):
            if isinstance(change, End):
                rows[change.name].ended = change.ended
            elif await session.get(UsageRow, (user, change.name, change.started)) is None:
                session.add(self._entry(user, change.name, change.app, change.started))
        await session.flush()

    async def take(self, session: AsyncSession, run: Run) -> None:
        """Take up what the hub's journal says of a run; what is known of it already stays."""
        entry = await session.get(UsageRow, (run.user, run.server, run.began), with_for_update=True)
        if entry is None:
            await _close_older(session, run)
            entry = self._entry(run.user, run.server, run.app, run.began)
            session.add(entry)
        if run.ended is not None:
            entry.ended = run.ended
        await session.flush()

    def _entry(self, user: str, name: str, app: str, started: float) -> UsageRow:
        template = self._templates.get(app)
        cores, memory, gpus = amounts(template.resources if template else Resources())
        return UsageRow(user=user, name=name, started=started, app=app, cores=cores, memory=memory, gpus=gpus)


async def _close_older(session: AsyncSession, run: Run) -> None:
    """End what is still open of a session that has been started anew: it is from before the hub kept a journal."""
    of_it = (UsageRow.user == run.user, UsageRow.name == run.server)
    query = select(UsageRow).where(*of_it, UsageRow.started < run.began, UsageRow.ended.is_(None)).with_for_update()
    older = (await session.execute(query)).scalars().all()
    row = await session.get(SessionRow, (run.user, run.server)) if older else None
    active = moment(row.last_activity) if row else None
    for entry in older:
        entry.ended = max(entry.started, min(active or entry.started, run.began))


def within(since: float, until: float, now: float) -> tuple[ColumnElement[float], ColumnElement[float]]:
    """Return beginning and end of what lies of an entry between `since` and `until`; an open one ends `now`."""
    end = func.coalesce(UsageRow.ended, now)
    return (
        case((UsageRow.started < since, since), else_=UsageRow.started),
        case((end > until, until), else_=end),
    )
