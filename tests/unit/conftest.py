"""A database of the service for each test that asks for one: SQLite, and once more PostgreSQL.

`make check` leaves PostgreSQL out (`addopts` deselects its marker), so that it needs no server; `make test` has both.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from streamspace_hub.service.database import Database
from tests.support.postgres import Postgres


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("unit")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, for all tests."""
    server = Postgres(durable=False)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database of this test's is, as SQLAlchemy wants it."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/s.sqlite"
    return request.getfixturevalue("postgres").create(f"test_{secrets.token_hex(8)}")


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with the service's tables."""
    opened = Database(database_url)
    await opened.upgrade()
    yield opened
    await opened.close()
