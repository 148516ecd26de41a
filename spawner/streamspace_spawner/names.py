"""Names of servers that never were one: the hub writes a server down before its first start is looked at."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from streamspace_hub.model.turned_away import FORGOTTEN, KEPT, LATELY

if TYPE_CHECKING:
    from streamspace_spawner.mixin import StreamSpaceMixin


def forget_later(spawner: StreamSpaceMixin) -> None:
    """Have the hub forget a server whose start is being refused, unless it was let in before, or is in the meantime.

    It takes up one of the names that a user may have, and is shown on the hub's pages. The default server has no name.
    """
    if spawner.turned_away and spawner.name:
        asyncio.get_running_loop().call_later(KEPT, _forget, spawner)


def _forget(spawner: StreamSpaceMixin) -> None:
    database, row, others = spawner.user.db, spawner.orm_spawner, spawner.user.spawners
    # A start that is tried again has another spawner, and removed users have no rows.
    latest = others.get(spawner.name) is spawner
    if latest and spawner.turned_away and not spawner.active and row in database:
        spawner.log.info("Forgetting the server, which was never let in.")
        del others[spawner.name]
        database.delete(row)
        database.commit()
        _remember(spawner)


def _remember(spawner: StreamSpaceMixin) -> None:
    forgotten: dict[tuple[str, str], float] = spawner.board.setdefault(FORGOTTEN, {})
    now = time.monotonic()
    for name in [name for name, at in forgotten.items() if at < now - LATELY]:
        del forgotten[name]
    forgotten[spawner.user.name, spawner.name] = now
