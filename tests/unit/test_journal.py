"""The ledger by the hub's journal, with real databases on both sides: each run once, and exact, whoever dies when."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session
from streamspace_spawner.mixin import WRITTEN

from streamspace_hub.journal import Journal, unseen_end
from streamspace_hub.model import SessionState
from streamspace_hub.model.api import UserSession
from streamspace_hub.service.book import Book
from streamspace_hub.service.database import Database
from streamspace_hub.service.hub import Run
from streamspace_hub.service.tables import SessionRow, Table, UsageRow

EPOCH = 1_800_000_000.0
SERVERS = st.sampled_from(["gimp", "qgis"])


@dataclass
class Truth:
    """A run as it really was."""

    began: float
    seen: float
    written: float
    """When it was seen last, as far as the hub has had the time to write that down."""
    ended: float | None = None
    sign: float | None = None
    """What is left of it that tells when it ended."""
    is_exact: bool = False
    """Whether the hub has seen its end, or something tells of it."""


class World(RuleBasedStateMachine):
    """A hub that keeps a journal, its sessions, and a service, each of which may be away at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.engine = create_engine(f"sqlite:///{self.folder.name}/hub.sqlite")
        self.now = EPOCH
        self.runs: dict[str, list[Truth]] = {"gimp": [], "qgis": []}
        self.believed: set[str] = set()
        """Which servers run as far as the hub's database says."""
        self.loop = asyncio.Runner()
        self.service = Database(f"sqlite+aiosqlite:///{Path(self.folder.name)}/service.sqlite")
        self.loop.run(self._make_tables())
        self.book = Book({})
        self.known: dict[str, UserSession] = {}
        self.is_up = False
        self.start_hub()

    async def _make_tables(self) -> None:
        async with self.service.engine.begin() as connection:
            await connection.run_sync(Table.metadata.create_all)

    def teardown(self) -> None:
        try:
            self._check()
        finally:
            self.loop.run(self.service.close())
            self.loop.close()
            self.engine.dispose()
            self.folder.cleanup()

    # --- the hub ---

    def start_hub(self) -> None:
        self.journal, self.db, self.is_up = Journal(), Session(self.engine), True

    @precondition(lambda self: self.is_up)
    @rule()
    def kill_hub(self) -> None:
        self.db.close()  # what was not committed is gone, as is the journal's memory
        self.is_up = False

    @precondition(lambda self: not self.is_up)
    @rule()
    def restart_hub(self) -> None:
        self.start_hub()
        self.poll()

    @rule(seconds=st.integers(1, 5_000))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        if self.is_up and seconds >= WRITTEN:
            self.journal.write_alive(self.db)
            for server in self.believed:
                self.last(server).written = self.last(server).seen

    @precondition(lambda self: self.is_up)
    @rule(server=SERVERS, dies=st.booleans(), forgets=st.booleans())
    def start(self, server: str, dies: bool, forgets: bool) -> None:
        """Start a session, or be killed between writing that down and doing it."""
        if server in self.believed:
            return
        self.now += 1
        self.journal.begin(self.db, ("ann", server), "gimp", self.now)
        self.journal.begin(self.db, ("ann", server), "gimp", self.now)  # prepared twice
        self.runs[server].append(Truth(self.now, self.now, self.now))
        self.believed.add(server)
        if dies:
            self.last(server).ended = self.now
            self.kill_hub()
            if forgets:
                self.believed.discard(server)

    @precondition(lambda self: self.is_up)
    @rule(server=SERVERS, dies=st.booleans())
    def stop(self, server: str, dies: bool) -> None:
        """Stop a session, or be killed between doing it and writing that down."""
        if server not in self.believed or self.last(server).ended is not None:
            return
        run = self.last(server)
        run.ended = self.now
        if dies:
            self.kill_hub()
        else:
            self.journal.end(self.db, ("ann", server), self.now)
            run.is_exact = True
        self.believed.discard(server)

    @rule(server=SERVERS, leaves_sign=st.booleans())
    def session_dies(self, server: str, leaves_sign: bool) -> None:
        if server in self.believed and self.last(server).ended is None:
            run = self.last(server)
            run.ended, run.is_exact = self.now, leaves_sign
            run.sign = self.now if leaves_sign else None

    @precondition(lambda self: self.is_up)
    @rule()
    def poll(self) -> None:
        for server in sorted(self.believed):
            run, key = self.last(server), ("ann", server)
            if run.ended is None:
                self.journal.alive(key, "gimp", run.began, self.now)
                run.seen = self.now
            else:
                self.journal.found_dead(self.db, key, run.sign, self.now)
                self.believed.discard(server)

    def last(self, server: str) -> Truth:
        return self.runs[server][-1]

    # --- the service ---

    @precondition(lambda self: self.is_up)
    @rule(acknowledges=st.booleans(), most=st.integers(1, 3))
    def take(self, acknowledges: bool, most: int) -> None:
        """Take up some of what there is, or be killed before that is said."""
        self._take_some(most, acknowledges=acknowledges)

    def _take_some(self, most: int, *, acknowledges: bool) -> bool:
        self.journal.end_others(self.db, {("ann", server) for server in self.believed})
        told = self.journal.untold(self.db, most)
        runs = [Run(**asdict(run)) for run in told]
        self.loop.run(self._take(runs))
        if acknowledges:
            self.journal.acknowledge(self.db, [(run.id, run.ended) for run in told])
        return bool(told)

    async def _take(self, runs: list[Run]) -> None:
        async with self.service.writing() as session:
            for run in runs:
                await self.book.take(session, run)

    @precondition(lambda self: self.is_up)
    @rule()
    def look(self) -> None:
        """Look at the hub's servers, which know nothing but the last start and the last activity."""
        seen = {server: self._shown(server) for server, runs in self.runs.items() if runs}
        self.loop.run(self._look(seen))
        self.known = seen

    async def _look(self, seen: dict[str, UserSession]) -> None:
        async with self.service.writing() as session:
            await self.book.look(session, "ann", self.known, seen, self.now)

    def _shown(self, server: str) -> UserSession:
        run, runs = self.last(server), server in self.believed
        return UserSession(
            user="ann", name=server, app="gimp", title="GIMP", url="/",
            state=SessionState.RUNNING if runs else SessionState.STOPPED,
            started=stamp(run.began) if runs else None, last_activity=stamp(run.seen),
        )  # fmt: skip

    # --- what must be true in the end ---

    def _check(self) -> None:
        if not self.is_up:
            self.restart_hub()
        self.now += 1
        self.poll()
        for server in sorted(self.believed):
            self.stop(server, dies=False)
        while self._take_some(2, acknowledges=True):
            pass
        written = self.loop.run(self._written())
        assert set(written) == {(server, run.began) for server, runs in self.runs.items() for run in runs}
        for server, runs in self.runs.items():
            for run in runs:
                ended = written[server, run.began]
                assert ended is not None
                assert run.ended is not None
                if run.is_exact:
                    assert ended == run.ended, "to the second"
                else:
                    assert run.written <= ended <= run.ended, "when it was seen last"

    async def _written(self) -> dict[tuple[str, float], float | None]:
        async with self.service.reading() as session:
            return {(row.name, row.started): row.ended for row in (await session.execute(select(UsageRow))).scalars()}


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


TestWorld = World.TestCase
TestWorld.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.parametrize(("sign", "ended"), [(None, 10), (5, 10), (15, 15), (99, 20)])
def test_a_sign_counts_as_far_as_it_can_be_true(sign: float | None, ended: float) -> None:
    assert unseen_end(10, sign, 20) == ended


def test_who_lives_is_written_together_and_what_was_there_before_the_journal_is_taken_up(tmp_path: Path) -> None:
    journal, engine = Journal(), create_engine(f"sqlite:///{tmp_path}/hub.sqlite")
    with Session(engine) as db:
        asked = [journal.alive(("ann", "gimp"), "gimp", EPOCH, EPOCH + second) for second in (100, 110, 120)]
        assert asked == [True, False, False], "one writing is enough"
        journal.write_alive(db)
        assert journal.alive(("ann", "gimp"), "gimp", EPOCH, EPOCH + 130)
        journal.end_others(db, [])
        (run,) = journal.untold(db, 10)
        assert (run.began, run.ended) == (EPOCH, EPOCH + 120)
        journal.acknowledge(db, [(run.id, None)])
        assert journal.untold(db, 10) == [run], "its end is still to be told"
        journal.acknowledge(db, [(run.id, run.ended)])
        assert journal.untold(db, 10) == []
    engine.dispose()


async def test_what_was_open_before_the_hub_kept_a_journal_ends_with_the_next_start(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/service.sqlite")
    await database.upgrade()
    book = Book({})
    async with database.writing() as session:
        await book.take(session, Run(1, "ann", "gimp", "gimp", EPOCH, None))
        row = UserSession(
            user="ann", name="gimp", app="gimp", title="GIMP", state=SessionState.RUNNING, url="/",
            started=stamp(EPOCH), last_activity=stamp(EPOCH + 60),
        )  # fmt: skip
        session.add(SessionRow(**row.model_dump(mode="json")))
        await session.flush()
        await book.take(session, Run(1, "ann", "gimp", "gimp", EPOCH + 90, EPOCH + 95))
    async with database.reading() as session:
        rows = (await session.execute(select(UsageRow).order_by(UsageRow.started))).scalars()
        assert [(one.started - EPOCH, one.ended and one.ended - EPOCH) for one in rows] == [(0, 60), (90, 95)]
    await database.close()
