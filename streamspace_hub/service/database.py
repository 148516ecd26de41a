"""The database: SQLite for one machine, PostgreSQL for more. Brings its tables up to date and hands out sessions.

Transactions are of two kinds. One that reads never blocks. One that writes holds SQLite's only write lock from its
beginning, so that what it has read is still true when it writes; on PostgreSQL it locks the rows that it names.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, exc, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 0x53_53_44_42
"""Key of PostgreSQL's advisory lock: replicas that start together migrate one after the other."""
BUSY_LIMIT = 5_000
"""Milliseconds that SQLite waits for another writer."""
MIGRATION_LIMIT = 120_000
"""The same, for a replica that migrates: another one may be at it, which takes as long as the disk does."""

Unreachable = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, OSError)
"""What a database that is away raises."""


class Database:
    """One replica's connections."""

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite")
        # What is written is in no error, and so in no log.
        options: dict[str, Any] = {"pool_pre_ping": True, "pool_timeout": 5, "hide_parameters": True}
        if not self.is_sqlite:
            options["connect_args"] = {"connect_timeout": 5}
        self.engine: AsyncEngine = create_async_engine(url, **options)
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
        self._writer = self.engine.execution_options(streamspace_writes=True)
        # Who waits for SQLite's lock looks for it now and then, in no order, and may run out of time while others have
        # it: within a process they take turns. Another process may still have it for a while.
        self._turn: AbstractAsyncContextManager[object] = asyncio.Lock() if self.is_sqlite else nullcontext()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Give a session that sees one state of the database."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """Give a session that commits at the end, and undoes everything when something is raised."""
        async with self._turn, AsyncSession(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    async def upgrade(self) -> None:
        """Create the tables, or bring those of an earlier version up to date."""
        migrating = self._writer.execution_options(streamspace_migrates=True)
        # Begun before alembic looks: else it would take SQLite's for its own, and end it after each migration.
        async with migrating.connect() as connection, connection.begin():
            if not self.is_sqlite:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            await connection.run_sync(_upgrade)
        # This connection is more patient than those for requests shall be.
        await self.engine.dispose()

    async def ping(self) -> bool:
        """Return whether the database answers."""
        try:
            async with self.reading() as session:
                await session.execute(text("SELECT 1"))
        except Unreachable:
            return False
        return True

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # We begin transactions ourselves (SQLAlchemy: "Serializable isolation / Savepoints / Transactional DDL").
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_LIMIT}")
    cursor.execute("PRAGMA journal_mode=WAL")
    # A line of the audit log that was answered for is on the disk.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("streamspace_migrates", False):
        connection.exec_driver_sql(f"PRAGMA busy_timeout={MIGRATION_LIMIT}")
    writes = options.get("streamspace_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
