"""`/hub/api/streamspace/refusals`: starts that the hub has refused, until the service has them in its audit log.

A refusal leaves no other trace. It is written into a table of the hub's database before it is answered, and forgotten
when the service says that it has it: neither the absence of the service nor that of its database loses one. Knows
JupyterHub's handlers and its database, no spawners. For the hub's event loop alone.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text, delete, func, insert, select
from sqlalchemy.orm import Session

from streamspace_hub.from_service import FromService
from streamspace_hub.journal import OwnTables

PATH = r"/api/streamspace/refusals"
ENTRY = "refusals"
"""Where spawners and the handler find them on the board that `install` puts into the hub's `tornado_settings`."""
MOST: Final = 500
"""Refusals that are told at once; for more the service asks again."""
KEPT: Final = 10_000
"""Refusals that wait for a service that is away, the newest ones: somebody may try again and again all night."""

METADATA = MetaData()
REFUSALS = Table(
    "streamspace_refusals",
    METADATA,
    Column("id", Integer, primary_key=True),
    # Seconds since 1970, in double precision.
    Column("at", Float(53), nullable=False),
    Column("user", String(255), nullable=False),
    Column("server", String(255), nullable=False),
    Column("by", String(300)),
    Column("reason", Text, nullable=False),
    Column("request", String(64), nullable=False),
    # What names it in this hub's databases of all times.
    Column("key", String(32), nullable=False),
    sqlite_autoincrement=True,
)
"""`by`: `user:NAME` or `service:NAME`, null: the hub itself. `request`: its `X-Request-Id`, empty without."""


class Refusals(OwnTables):
    """Those of one hub; `db` is the hub's own session, in which nothing else is left half done."""

    def __init__(self) -> None:
        super().__init__(METADATA)

    def add(self, db: Session, **refusal: Any) -> str:
        """Write one down, for good: `at`, `user`, `server`, `by`, `reason` and `request`; return its key."""
        self._make(db)
        key = secrets.token_hex(16)
        db.execute(insert(REFUSALS).values(key=key, **refusal))
        newest: int = db.execute(select(func.max(REFUSALS.c.id))).scalar_one()
        db.execute(delete(REFUSALS).where(REFUSALS.c.id <= newest - KEPT))
        db.commit()
        return key

    def untold(self, db: Session, most: int) -> list[dict[str, Any]]:
        """Return what the service does not know, the oldest first."""
        self._make(db)
        columns = [column for column in REFUSALS.c if column is not REFUSALS.c.id]
        rows = db.execute(select(*columns).order_by(REFUSALS.c.id).limit(most)).mappings()
        return [dict(row) for row in rows]

    def acknowledge(self, db: Session, taken: Collection[str]) -> None:
        """Forget what the service has, by key."""
        self._make(db)
        db.execute(delete(REFUSALS).where(REFUSALS.c.key.in_(taken)))
        db.commit()


class Taken(BaseModel):
    """The keys of refusals that the service has in its audit log."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    taken: list[str] = Field(max_length=MOST)


class RefusalsHandler(FromService):
    """For the service alone."""

    @property
    def _refusals(self) -> Refusals:
        refusals: Refusals = self.board[ENTRY]
        return refusals

    def get(self) -> None:
        """List what the service does not know yet, the oldest first."""
        self.check_caller()
        self.write(json.dumps({"refusals": self._refusals.untold(self.db, MOST)}))

    def put(self) -> None:
        """Forget what it knows now."""
        self._refusals.acknowledge(self.db, self.told(Taken).taken)
        self.set_status(204)
