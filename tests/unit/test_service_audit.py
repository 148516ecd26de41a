"""A changed, removed, added or cut-off line of the audit log is found, and no line can be changed in the database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from streamspace_hub.model.api import AuditEvent, Outcome
from streamspace_hub.model.chain import START, check_lines, seal
from streamspace_hub.service.audit import Attempt, AuditLog
from streamspace_hub.service.database import Database
from streamspace_hub.service.metrics import Metrics


def attempt(action: str = "session.create", **fields: Any) -> Attempt:
    given = {"actor": "user:ann", "target": "ann/gimp", "origin": "10.0.0.1", "request_id": "r", **fields}
    return Attempt(action=action, outcome=fields.pop("outcome", Outcome.ALLOWED), **given)


def chain(length: int) -> list[AuditEvent]:
    events, previous = [], START
    for seq in range(1, length + 1):
        fields: dict[str, Any] = {
            "seq": seq, "time": "2026-01-01T00:00:00+00:00", "actor": "user:ann", "action": f"a{seq}", "target": None,
            "origin": "x", "outcome": "allowed", "reason": None, "request_id": "r", "details": {}, "previous": previous,
        }  # fmt: skip
        previous = fields["hash"] = seal(fields)
        events.append(AuditEvent.model_validate(fields))
    return events


def lines(events: list[AuditEvent]) -> list[str]:
    return [event.model_dump_json() for event in events]


def test_a_whole_copy_is_intact() -> None:
    for mark in ("", "\ufeff"):  # the second as a syslog server writes it
        verdict = check_lines([mark + line for line in lines(chain(20))])
        assert (verdict.intact, verdict.checked, verdict.problem) == (True, 20, None)


@given(
    st.integers(min_value=0, max_value=9),
    st.sampled_from(["time", "actor", "action", "origin", "request_id", "reason", "target"]),
)
def test_every_changed_field_is_found(at: int, field: str) -> None:
    events = chain(10)
    events[at] = events[at].model_copy(update={field: "forged"})
    verdict = check_lines(lines(events))
    assert not verdict.intact
    assert f"line {at + 1} was changed" in (verdict.problem or "")


@given(st.integers(min_value=0, max_value=8))
def test_a_removed_line_is_found(at: int) -> None:
    events = chain(10)
    del events[at]
    assert f"line {at + 1} is missing" in (check_lines(lines(events)).problem or "")


def test_a_resealed_line_breaks_the_next_one() -> None:
    events = chain(3)
    fields = events[1].model_dump(mode="json") | {"actor": "user:eve"}
    events[1] = AuditEvent.model_validate(fields | {"hash": seal(fields)})
    assert "line 3 does not follow line 2" in (check_lines(lines(events)).problem or "")


def test_what_is_no_audit_log_is_refused() -> None:
    with pytest.raises(ValueError, match="seq"):
        check_lines(['{"hello": 1}'])


async def test_concurrent_writers_make_one_chain(database: Database) -> None:
    other = Database(database.engine.url.render_as_string(hide_password=False))
    log, beside = AuditLog(database, Metrics()), AuditLog(other, Metrics())
    await asyncio.gather(*((log, beside)[number % 2].write(attempt(f"a{number}")) for number in range(25)))
    await other.close()
    verdict = await log.check()
    assert (verdict.intact, verdict.checked) == (True, 25)
    assert sorted([event.action async for event in log.lines()]) == sorted(f"a{number}" for number in range(25))


@pytest.mark.parametrize("change", ["UPDATE audit SET actor = 'user:eve'", "DELETE FROM audit"])
async def test_the_database_refuses_changes(database: Database, change: str) -> None:
    log = AuditLog(database, Metrics())
    await log.write(attempt())
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.writing() as session:
            await session.execute(text(change))
    assert (await log.check()).intact


async def test_lines_cut_off_at_the_end_are_found(database: Database) -> None:
    log = AuditLog(database, Metrics())
    for _ in range(3):
        await log.write(attempt())
    async with database.writing() as session:
        drop = "DROP TRIGGER audit_no_delete" if database.is_sqlite else "DROP TRIGGER audit_append_only ON audit"
        await session.execute(text(drop))
        await session.execute(text("DELETE FROM audit WHERE seq = 3"))
    verdict = await log.check()
    assert not verdict.intact
    assert verdict.problem == "the log ends at line 2, but 3 were written"


async def test_odd_text_survives_the_way_through_the_database(database: Database) -> None:
    log = AuditLog(database, Metrics())
    await log.write(attempt(reason='ünï \U0001f600 " \\ \n', details={"open": "ä/b", "n": 1, "x": None}))
    assert (await log.check()).intact
