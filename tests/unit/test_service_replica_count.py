"""How many replicas there are: those that begin, end in good order, and die."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import delete, text

from streamspace_hub.service import replicas
from streamspace_hub.service.database import Database
from streamspace_hub.service.leases import Lease
from streamspace_hub.service.replicas import LIFE, Replicas
from streamspace_hub.service.tables import LeaseRow
from tests.support.postgres import Postgres
from tests.support.waiting import PATIENCE


class Clock:
    now = 1_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(replicas, "time", found)
    return found


async def test_who_begins_and_ends_is_counted_by_the_others(database: Database, clock: Clock) -> None:
    assert await Lease(database, "watcher", "a").held(), "other leases count for nothing"
    one, two = Replicas(database, "a"), Replicas(database, "b")
    assert one.count == 1
    await one.look()
    await two.look()
    await one.look()
    assert (one.count, two.count) == (2, 2)
    await two.leave()
    await one.look()
    assert one.count == 1


async def test_who_dies_is_missed_after_a_while(database: Database, clock: Clock) -> None:
    one, two = Replicas(database, "a"), Replicas(database, "b")
    await two.look()
    clock.now += LIFE - 1
    await one.look()
    assert one.count == 2
    clock.now += 1
    await one.look()
    assert one.count == 1
    await two.look()
    await one.look()
    assert one.count == 2, "it was only late"


async def test_many_that_look_at_once_all_count_in_the_end(database: Database, clock: Clock) -> None:
    all_of_them = [Replicas(database, f"w{number}") for number in range(5)]
    for _ in range(2):
        await asyncio.gather(*(one.look() for one in all_of_them))
    assert [one.count for one in all_of_them] == [5] * 5


@pytest.mark.postgresql
async def test_one_whose_lease_is_just_being_cleared_away_has_one_again(postgres: Postgres, clock: Clock) -> None:
    database = Database(postgres.create("cleared"))
    await database.upgrade()
    late = Replicas(database, "late")
    await late.look()
    async with database.writing() as session:  # as another replica that finds it run out
        await session.execute(delete(LeaseRow))
        looking = asyncio.create_task(late.look())
        async with asyncio.timeout(PATIENCE):
            while not await waiting(database):
                await asyncio.sleep(0.05)
    await looking
    other = Replicas(database, "other")
    await other.look()
    assert other.count == 2
    await database.close()


async def waiting(database: Database) -> int:
    """Return how many wait for what others have locked in this database."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with database.reading() as session:
        return int(await session.scalar(text(asked)) or 0)
