"""The overrides that administrators have set: kept in the database, carried to the hub, which checks starts.

Whoever changes one moves the head of a sequence, by which replicas see that there is something new; each tells the hub
then, and when it has found the hub (again). The same said twice does no harm, and what was told too late by one is told
right by all a tick later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from streamspace_hub.model.overrides import Override, Overrides
from streamspace_hub.model.rolling import longest_window
from streamspace_hub.service.database import Database
from streamspace_hub.service.heads import locked_head
from streamspace_hub.service.hub import Hub
from streamspace_hub.service.steps import again_and_again
from streamspace_hub.service.tables import HeadRow, OverrideRow

Kind = Literal["everybody", "group", "user"]
HEAD: Final = "overrides"
TICK = 5.0
"""Seconds between two looks: another replica may have changed something."""


class OverrideStore:
    """The overrides in the database, as one replica knows them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seq = -1
        self.known = Overrides()
        """As they were when somebody has asked last; in `HubOverrides`, that is every few seconds."""

    async def current(self) -> Overrides:
        """Return all overrides of now: the same object while there are no others."""
        async with self._database.reading() as session:
            # Before the rows: newer rows under an older number are read once more, the other way round never.
            seq = (await session.execute(select(HeadRow.seq).where(HeadRow.name == HEAD))).scalar_one()
            if seq != self._seq:
                rows = (await session.execute(select(OverrideRow))).scalars()
                self.known, self._seq = _overrides({(row.kind, row.name): override_of(row) for row in rows}), seq
        return self.known


async def locked(session: AsyncSession, kind: Kind, name: str) -> Override:
    """Return an override, an empty one where none is set; none is changed until the transaction is over."""
    head = await locked_head(session, HEAD)
    head.seq += 1
    return override_of(await session.get(OverrideRow, (kind, name)))


async def replace(session: AsyncSession, kind: Kind, name: str, override: Override) -> None:
    """Set an override, which is `locked`; an empty one is taken away."""
    row = await session.get(OverrideRow, (kind, name))
    values = override.model_dump(mode="json", exclude_none=True)
    if not any(values.values()):
        if row is not None:
            await session.delete(row)
    elif row is None:
        session.add(OverrideRow(kind=kind, name=name, values=values))
    else:
        row.values = values


def override_of(row: OverrideRow | None) -> Override:
    """Return what a row holds."""
    return Override() if row is None else Override.model_validate(row.values)


def _overrides(found: Mapping[tuple[str, str], Override]) -> Overrides:
    return Overrides(
        everybody=found.get(("everybody", ""), Override()),
        groups={name: one for (kind, name), one in found.items() if kind == "group"},
        users={name: one for (kind, name), one in found.items() if kind == "user"},
    )


class HubOverrides:
    """What is still to be told to the hub, by one replica."""

    def __init__(self, store: OverrideStore, hub: Hub, on_windows: Callable[[], None]) -> None:
        self._store = store
        self._hub = hub
        self._on_windows = on_windows
        """Called when the hub has to know of other hours than before."""
        self._told: Overrides | None = None
        self._something = asyncio.Event()

    def note(self) -> None:
        """Look soon: one is another."""
        self._something.set()

    def note_hub(self) -> None:
        """Tell the hub soon: it has just been found, and may know nothing."""
        self._told = None
        self._something.set()

    async def run(self) -> None:
        """Go on until cancelled; what could not be told is tried again."""
        await again_and_again(self._step, self._something, TICK, "telling the hub of overrides")

    async def _step(self) -> None:
        overrides, before = await self._store.current(), self._told
        if overrides is before:
            return
        await self._hub.tell_overrides(overrides.model_dump(mode="json", exclude_none=True))
        self._told = overrides
        if longest_window(overrides.quotas) != (longest_window(before.quotas) if before else 0):
            self._on_windows()
