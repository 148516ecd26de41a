"""The database's tables: what the migrations make is what the code expects, however many replicas begin at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, or_, select, text
from sqlalchemy.exc import IntegrityError

from streamspace_hub.service import database as module
from streamspace_hub.service.database import Database
from streamspace_hub.service.tables import LeaseRow, SessionRow, SettingsRow, Table
from tests.support.postgres import Postgres
from tests.support.waiting import PATIENCE

BY_TEXT = "sessions_by_text"


def differences(connection: Connection) -> list[object]:
    # The index on texts is of PostgreSQL's own kind, and not made everywhere.
    options = {"include_name": lambda name, kind, parents: name != BY_TEXT}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), Table.metadata))


async def test_migrations_make_the_tables_that_the_code_expects(database: Database) -> None:
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


@pytest.mark.postgresql
async def test_sessions_are_searched_by_an_index_where_postgresql_may_make_it(postgres: Postgres) -> None:
    database = Database(postgres.create("searched"))
    await database.upgrade()
    condition = or_(*(column.icontains("7654", autoescape=True) for column in (SessionRow.user, SessionRow.title)))
    query = select(SessionRow.name).where(condition).compile(dialect=database.engine.dialect)
    async with database.reading() as session:
        await session.execute(text("SET enable_seqscan = off"))  # there is nothing in the table that is worth an index
        connection = await session.connection()
        plan = await connection.exec_driver_sql(f"EXPLAIN {query}", query.params)
        assert f"Bitmap Index Scan on {BY_TEXT}" in "\n".join(row[0] for row in plan)
    await database.close()


@pytest.mark.postgresql
async def test_where_it_may_not_sessions_are_searched_all_the_same(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres.create("plain")
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")
        connection.execute("GRANT ALL ON SCHEMA public TO plain")
    database = Database(f"{url.partition('://')[0]}://plain:plain@{url.partition('@')[2]}")
    await database.upgrade()
    async with database.engine.connect() as connected:
        assert await connected.run_sync(differences) == []
        found = await connected.scalar(text(f"SELECT count(*) FROM pg_indexes WHERE indexname = '{BY_TEXT}'"))
    assert found == 0
    assert "pg_trgm can't be used" in caplog.text
    await database.close()


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
