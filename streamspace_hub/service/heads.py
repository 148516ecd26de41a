"""Numbered sequences whose order is the order of commits, over all replicas."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from streamspace_hub.service.tables import HeadRow


async def locked_head(session: AsyncSession, name: str) -> HeadRow:
    """Return the end of the sequence `name`, which nobody else moves until the transaction of `session` is over."""
    return (await session.execute(select(HeadRow).where(HeadRow.name == name).with_for_update())).scalar_one()
