"""What the hub has refused is in the audit log once: by whoever was asked, or by the leading replica in time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from streamspace_hub.model.api import Outcome
from streamspace_hub.refusals import KEPT, REFUSALS
from streamspace_hub.refusals import Refusals as OfTheHub
from streamspace_hub.service.audit import Attempt, AuditLog
from streamspace_hub.service.database import Database
from streamspace_hub.service.hub import Hub, Refusal
from streamspace_hub.service.metrics import Metrics
from streamspace_hub.service.refusals import SETTLED, Refusals

HERE = {"user": "ann", "server": "gimp", "by": "user:ann", "reason": "There is no room."}


class Side:
    """The hub's side, with a database of its own; acknowledgements arrive unless it is told that they don't."""

    def __init__(self, db: Session) -> None:
        self.db = db
        self.refused = OfTheHub()
        self.hears = True

    async def refusals(self) -> list[Refusal]:
        return [Refusal(**one) for one in self.refused.untold(self.db, 10)]

    refusal = Hub.refusal

    async def took_refusals(self, keys: Sequence[str]) -> None:
        if self.hears:
            self.refused.acknowledge(self.db, keys)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Side]:
    engine = create_engine(f"sqlite:///{tmp_path}/hub.sqlite")
    with Session(engine) as db:
        yield Side(db)
    engine.dispose()


def replica(database: Database, hub: Side) -> tuple[Refusals, AuditLog]:
    async def leads() -> bool:
        return True

    audit = AuditLog(database, Metrics())
    return Refusals(database, cast(Hub, hub), audit, leads), audit


async def test_a_refusal_of_the_hubs_own_is_noted_once_although_it_comes_again(database: Database, hub: Side) -> None:
    refusals, audit = replica(database, hub)
    hub.refused.add(hub.db, at=time.time(), request="", **HERE)
    hub.hears = False
    assert [await refusals.take() for _ in range(3)] == [True] * 3
    hub.hears = True
    assert [await refusals.take() for _ in range(2)] == [True, False]
    (line,) = [line async for line in audit.lines()]
    assert (line.actor, line.target, line.outcome, line.reason) == (
        "user:ann", "ann/gimp", Outcome.DENIED, "There is no room.",
    )  # fmt: skip


async def test_what_a_replica_was_asked_for_is_noted_by_it_or_when_it_is_dead(database: Database, hub: Side) -> None:
    refusals, audit = replica(database, hub)
    asked = Attempt("user:ann", "session.create", "ann/gimp", "10.0.0.1", "r1", Outcome.DENIED, "There is no room.")
    now = time.time()
    for request, at in (("r1", now), ("r2", now - SETTLED - 1), ("r3", now - SETTLED - 1)):
        key = hub.refused.add(hub.db, at=at, request=request, **HERE)
        if request == "r1":
            assert not await refusals.take(), "whoever was asked notes it"
            await refusals.note(asked, key)
            assert await hub.refusals() == []
        if request == "r2":  # the hub does not hear that it is noted, and tells it again
            hub.hears = False
            await refusals.note(replace(asked, request_id="r2"), key)
            hub.hears = True
    assert await refusals.take()
    lines = [(line.request_id, line.origin) async for line in audit.lines()]
    assert lines == [("r1", "10.0.0.1"), ("r2", "10.0.0.1"), ("r3", "hub")], "the third was killed before it could"


async def test_what_the_hub_refuses_after_its_answer_is_noted_once(database: Database, hub: Side) -> None:
    refusals, audit = replica(database, hub)
    asked = Attempt("user:ann", "session.create", "ann/gimp", "10.0.0.1", "r1", Outcome.DENIED, "There is no room.")
    long_ago = time.time() - SETTLED - 1
    for request, server in (("r1", "gimp"), ("r2", "gimp"), ("r1", "blender")):
        hub.refused.add(hub.db, at=long_ago, request=request, **{**HERE, "server": server})
    await refusals.note(asked, None)
    await refusals.note(replace(asked, request_id="r3"), None)  # the hub was away, and has refused nothing
    assert await refusals.take()
    lines = [(line.request_id, line.target, line.origin) async for line in audit.lines()]
    assert lines == [
        ("r1", "ann/gimp", "10.0.0.1"), ("r3", "ann/gimp", "10.0.0.1"),
        ("r2", "ann/gimp", "hub"), ("r1", "ann/blender", "hub"),
    ]  # fmt: skip


def test_the_hub_keeps_the_newest_of_too_many(hub: Side) -> None:
    hub.refused.add(hub.db, at=1.0, request="", **HERE)
    rows: list[dict[str, Any]] = [{"at": 2.0, "request": "", "key": f"k{number}", **HERE} for number in range(KEPT - 1)]
    hub.db.execute(REFUSALS.insert(), rows)
    hub.refused.add(hub.db, at=3.0, request="", **HERE)
    times = hub.db.execute(select(REFUSALS.c.at).order_by(REFUSALS.c.id)).scalars().all()
    assert (len(times), times[0], times[-1]) == (KEPT, 2.0, 3.0)
