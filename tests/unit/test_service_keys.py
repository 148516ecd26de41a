"""A POST that is sent twice with one key is carried out once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from streamspace_hub.service.database import Database
from streamspace_hub.service.keys import REPLAYED, Answer, Keys, fingerprint
from streamspace_hub.service.problems import ProblemError
from streamspace_hub.service.tables import KeyRow

REQUEST = fingerprint("POST", "/sessions", '{"app":"gimp"}')


class Work:
    """Counts how often it is done."""

    def __init__(self) -> None:
        self.done = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self) -> Answer:
        self.done += 1
        await self.go_on.wait()
        return Answer(202, '{"n":1}', {"Location": "/x"})


@pytest.fixture
async def replicas(database: Database, database_url: str) -> AsyncIterator[tuple[Keys, Keys, Database]]:
    other = Database(database_url)
    yield Keys(database, "one"), Keys(other, "two"), database
    await other.close()


async def test_the_second_gets_the_answer_of_the_first_at_any_replica(replicas: tuple[Keys, Keys, Database]) -> None:
    one, two, _ = replicas
    work = Work()
    first = await one.once("user:ann", "k", REQUEST, work)
    again = await two.once("user:ann", "k", REQUEST, work)
    assert work.done == 1
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers == {"Location": "/x", REPLAYED: "true"}


async def test_without_a_key_and_for_others_it_is_done_again(replicas: tuple[Keys, Keys, Database]) -> None:
    one, _, _ = replicas
    work = Work()
    for caller, key in (("user:ann", None), ("user:ann", None), ("user:ann", "k"), ("user:bob", "k")):
        await one.once(caller, key, REQUEST, work)
    assert work.done == 4


async def test_a_key_belongs_to_one_request(replicas: tuple[Keys, Keys, Database]) -> None:
    one, _, _ = replicas
    await one.once("user:ann", "k", REQUEST, Work())
    with pytest.raises(ProblemError) as refused:
        await one.once("user:ann", "k", fingerprint("POST", "/sessions", "{}"), Work())
    assert refused.value.kind == "idempotency-key-reused"


async def test_while_it_is_done_others_are_told_to_wait(replicas: tuple[Keys, Keys, Database]) -> None:
    one, two, _ = replicas
    work = Work()
    work.go_on.clear()
    first = asyncio.create_task(one.once("user:ann", "k", REQUEST, work))
    while not work.done:
        await asyncio.sleep(0.01)
    with pytest.raises(ProblemError) as refused:
        await two.once("user:ann", "k", REQUEST, work)
    assert refused.value.kind == "conflict"
    assert int(refused.value.headers["Retry-After"]) >= 1
    work.go_on.set()
    await first
    assert work.done == 1


async def test_what_failed_is_tried_again(replicas: tuple[Keys, Keys, Database]) -> None:
    one, two, _ = replicas

    async def fail() -> Answer:
        raise ProblemError("hub-unavailable", "away")

    with pytest.raises(ProblemError):
        await one.once("user:ann", "k", REQUEST, fail)
    work = Work()
    assert (await two.once("user:ann", "k", REQUEST, work)).status == 202
    assert work.done == 1


async def test_the_claim_of_a_killed_replica_is_taken_over(replicas: tuple[Keys, Keys, Database]) -> None:
    _, two, database = replicas
    past = time.time() - 1
    async with database.writing() as session:
        session.add(KeyRow(caller="user:ann", key="k", request=REQUEST, created=past, worker="one", lease=past))
    work = Work()
    assert (await two.once("user:ann", "k", REQUEST, work)).status == 202
    assert work.done == 1


async def test_an_answer_reaches_the_caller_when_the_database_has_gone_meanwhile(
    replicas: tuple[Keys, Keys, Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, database = replicas
    away, work = Database(f"sqlite+aiosqlite:///{tmp_path}/no/such/folder/s.sqlite"), Work()

    async def last() -> Answer:
        monkeypatch.setattr(one, "_database", away)
        return await work()

    assert (await one.once("user:ann", "k", REQUEST, last)).status == 202
    await away.close()
    async with database.writing() as session:  # in time, the claim runs out
        await session.execute(update(KeyRow).values(lease=time.time() - 1))
    assert REPLAYED not in (await two.once("user:ann", "k", REQUEST, work)).headers
    assert (await two.once("user:ann", "k", REQUEST, work)).headers[REPLAYED] == "true"
    assert work.done == 2


@pytest.mark.parametrize("left", [False, True])
async def test_of_many_at_once_one_does_it(replicas: tuple[Keys, Keys, Database], left: bool) -> None:
    """Whether the key is new, or left over by a replica that was killed."""
    one, two, database = replicas
    if left:
        async with database.writing() as session:
            session.add(KeyRow(caller="user:ann", key="k", request=REQUEST, created=0.0, worker="killed", lease=0.0))
    work = Work()
    work.go_on.clear()
    asked = [asyncio.create_task((one, two)[n % 2].once("user:ann", "k", REQUEST, work)) for n in range(8)]
    while sum(task.done() for task in asked) < len(asked) - 1:
        await asyncio.sleep(0.01)
    work.go_on.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert work.done == 1
    assert [answer.status for answer in answers if isinstance(answer, Answer)] == [202]
    assert {answer.kind for answer in answers if isinstance(answer, ProblemError)} == {"conflict"}
