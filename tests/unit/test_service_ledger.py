"""The ledger's decision: exact to the second however rarely anybody looks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace_hub.model import SessionState
from streamspace_hub.model.api import UserSession
from streamspace_hub.service.ledger import Begin, End, moment, reckon

EPOCH = 1_800_000_000.0


def stamp(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def session(state: SessionState, started: float | None = None, used: float | None = None) -> UserSession:
    return UserSession(
        user="ann", name="gimp", app="gimp", title="GIMP", state=state, url="/user/ann/gimp/streamspace/",
        started=stamp(started), last_activity=stamp(used),
    )  # fmt: skip


@dataclass
class Books:
    """A ledger in memory, kept by `reckon` as the service keeps it in its database."""

    open: dict[str, float]
    known: dict[str, UserSession]
    closed: dict[float, float]

    def look(self, seen: dict[str, UserSession], at: float) -> None:
        for change in reckon(self.open, self.known, seen, at):
            if isinstance(change, Begin):
                assert change.name not in self.open, "an entry is opened once"
                self.open[change.name] = change.started
            else:
                assert self.open.pop(change.name) == change.started
                self.closed[change.started] = change.ended
        self.known = seen


def hub_at(at: float, runs: list[tuple[float, float]]) -> dict[str, UserSession]:
    """Return what the hub says at a time, given when the session really ran."""
    past = [run for run in runs if run[0] <= at]
    if not past:
        return {}
    started, stopped = past[-1]
    if at < stopped:
        return {"gimp": session(SessionState.RUNNING, started, at)}
    return {"gimp": session(SessionState.STOPPED, None, stopped)}


lengths = st.integers(1, 10_000)


@given(st.lists(st.tuples(lengths, lengths), min_size=1, max_size=6), st.lists(st.integers(0, 60_000), max_size=20))
def test_what_is_written_is_what_was_used(runs_and_breaks: list[tuple[int, int]], looks: list[int]) -> None:
    runs, at = [], EPOCH
    for length, pause in runs_and_breaks:
        runs.append((at, at + length))
        at += length + pause
    times = sorted({EPOCH + offset for offset in looks} | {at + 100_000})
    books = Books({}, {}, {})
    for time in times:
        books.look(hub_at(time, runs), time)
        books.look(hub_at(time, runs), time)  # another replica
    assert not books.open, "all has ended"
    for started, stopped in runs:
        ended = books.closed.get(started)
        assert (ended is not None) is any(started <= time < stopped for time in times)
        if ended is None:
            continue
        next_look = next(time for time in times if time >= stopped)
        missed = [stop for start, stop in runs if stopped <= start <= next_look]
        if missed:
            # It ran again while nobody looked, which takes that no replica was there.
            assert started <= ended <= max(missed)
        else:
            assert ended == pytest.approx(stopped, abs=1e-3), "to the second, and better"


def test_a_session_that_is_taken_off_the_list_ends_when_that_is_seen() -> None:
    assert reckon({"gimp": EPOCH}, {}, {}, EPOCH + 60) == [End("gimp", EPOCH, EPOCH + 60)]


def test_sleeping_and_failed_sessions_use_nothing_frozen_ones_do() -> None:
    for state, changes in (
        (SessionState.SLEEPING, []),
        (SessionState.FAILED, []),
        (SessionState.STOPPED, []),
        (SessionState.STARTING, [Begin("gimp", "gimp", EPOCH)]),
        (SessionState.FROZEN, [Begin("gimp", "gimp", EPOCH)]),
    ):
        assert reckon({}, {}, {"gimp": session(state, EPOCH, EPOCH)}, EPOCH + 5) == changes


@pytest.mark.parametrize(("said", "ended"), [(-50, 0), (20, 20), (99, 60), (None, 60)])
def test_an_end_lies_between_the_start_and_now_whatever_the_clocks_say(said: int | None, ended: int) -> None:
    seen = {"gimp": session(SessionState.STOPPED, None, None if said is None else EPOCH + said)}
    assert reckon({"gimp": EPOCH}, {}, seen, EPOCH + 60) == [End("gimp", EPOCH, EPOCH + ended)]


def test_a_restart_that_nobody_saw_is_two_entries() -> None:
    known = {"gimp": session(SessionState.RUNNING, EPOCH, EPOCH + 30)}
    seen = {"gimp": session(SessionState.RUNNING, EPOCH + 90, EPOCH + 95)}
    assert reckon({"gimp": EPOCH}, known, seen, EPOCH + 100) == [
        End("gimp", EPOCH, EPOCH + 30),
        Begin("gimp", "gimp", EPOCH + 90),
    ]


def test_a_start_that_is_seen_while_it_begins_is_one_entry() -> None:
    books = Books({}, {}, {})
    books.look({"gimp": session(SessionState.STARTING)}, EPOCH)
    assert not books.open, "the hub has not said when it began"
    books.look({"gimp": session(SessionState.STARTING, EPOCH + 0.2)}, EPOCH + 0.1)
    books.look({"gimp": session(SessionState.RUNNING, EPOCH + 0.2)}, EPOCH + 2)
    assert (books.open, books.closed) == ({"gimp": EPOCH + 0.2}, {})


def test_times_of_both_hubs_are_understood() -> None:
    assert moment("2026-11-24T18:54:32.500000Z") == moment("2026-11-24T19:54:32.500000+01:00")
    assert moment("2026-11-24T18:54:32") == moment("2026-11-24T18:54:32Z")
    assert moment(None) is None
