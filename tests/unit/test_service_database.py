"""The database's tables: what the migrations make is what the code expects, however many replicas begin at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from streamspace_hub.service import database as module
from streamspace_hub.service.database import Database
from streamspace_hub.service.tables import LeaseRow, SettingsRow, Table
from tests.support.waiting import PATIENCE


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), Table.metadata))


async def test_migrations_make_the_tables_that_the_code_expects(database: Database) -> None:
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


def test_replicas_that_start_together_migrate_once(database_url: str) -> None:
    code = (
        "import asyncio, sys\n"
        "from streamspace_hub.service.database import Database\n"
        "async def main():\n"
        "    database = Database(sys.argv[1])\n"
        "    try:\n"
        "        await database.upgrade()\n"
        "    finally:\n"
        "        await database.close()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", code, database_url]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(process.communicate()[1], process.returncode) for process in running] == [("", 0)] * 3


async def test_what_is_written_stands_in_no_error(database: Database) -> None:
    once = insert(SettingsRow).values(user="ann", values={"sealed": "a secret"})
    async with database.writing() as session:
        await session.execute(once)
    async with database.reading() as session:
        with pytest.raises(IntegrityError) as caught:
            await session.execute(once)
    assert "INSERT INTO settings" in str(caught.value)
    assert "a secret" not in str(caught.value)


async def test_a_database_that_is_away_does_not_answer(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/no/such/folder/s.sqlite")
    assert not await database.ping()
    await database.close()
    # A connection that could not be made has a thread all the same, which tells this loop, not a later one, of its end.
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()


async def test_many_that_write_at_once_take_turns_and_none_runs_out_of_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_LIMIT", 1)
    database = Database(database_url)
    await database.upgrade()

    async def write(number: int) -> None:
        async with database.writing() as session:
            session.add(LeaseRow(name=str(number), holder="one", until=0.0))
            await session.flush()
            await asyncio.sleep(0.01)  # as a slow disk does

    await asyncio.gather(*(write(number) for number in range(30)))
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(LeaseRow)) == 30
    await database.close()
