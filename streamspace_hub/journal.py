"""When sessions began and ended, as the hub knows it, until the service has it in its ledger: a table of the hub's.

A start is written down before it is carried out, an end as soon as it is known, each for good before anything else is
done: neither the death of the hub nor the absence of the service loses one. A session that lives is noted at the hub's
polls; of one that has ended while nobody looked, that bounds the end. Knows the hub's database, no handlers, no
spawners. For the hub's event loop alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

ENTRY = "runs"
"""Where spawners and handlers find the journal on the board that `install` puts into the hub's `tornado_settings`."""

METADATA = MetaData()
RUNS = Table(
    "streamspace_runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("user", String(255), nullable=False),
    Column("server", String(255), nullable=False),
    Column("app", String(30), nullable=False),
    # Seconds since 1970, in double precision.
    Column("began", Float(53), nullable=False),
    Column("seen", Float(53), nullable=False),
    Column("ended", Float(53)),
    Column("told", Boolean, nullable=False),
    # A number is never used again: what is acknowledged late must not be taken for another run.
    sqlite_autoincrement=True,
)
"""`seen`: when it was known to live last. `told`: the service knows that it began."""

Key = tuple[str, str]
"""User and server."""


@dataclass(frozen=True)
class Run:
    """A time that a session ran, in seconds since 1970; `ended` None: it still does."""

    id: int
    user: str
    server: str
    app: str
    began: float
    ended: float | None


def unseen_end(seen: float, sign: float | None, now: float) -> float:
    """Return when a run ended that is found dead at `now`.

    Args:
        seen: when it was known to live last.
        sign: when it ended by what is left of it; None: nothing tells. A user may have a hand in it.
        now: when it was found dead.
    """
    return seen if sign is None else max(seen, min(sign, now))


class OwnTables:
    """Tables of ours in the hub's database, made when they are first needed."""

    def __init__(self, metadata: MetaData) -> None:
        self._metadata = metadata
        self._made = False

    def _make(self, db: Session) -> None:
        if not self._made:
            self._metadata.create_all(db.connection())
            db.commit()
            self._made = True


class Journal(OwnTables):
    """The journal of one hub; `db` is the hub's own session, in which nothing else is left half done."""

    def __init__(self) -> None:
        super().__init__(METADATA)
        self._alive: dict[Key, tuple[str, float, float]] = {}
        """App, begin, and when it was seen, of those whose life is not written down yet."""

    def begin(self, db: Session, key: Key, app: str, began: float) -> None:
        """Write down that a session is about to be started; a second time it changes nothing."""
        self._make(db)
        known = db.execute(select(RUNS).where(_open(key))).first()
        if known is not None and known.began == began:
            return
        if known is not None:
            db.execute(update(RUNS).where(RUNS.c.id == known.id).values(ended=known.seen))
        self._alive.pop(key, None)
        _insert(db, key, app, began, began)
        db.commit()

    def alive(self, key: Key, app: str, began: float, now: float) -> bool:
        """Note that a session lives; return whether somebody has to have that written in a while.

        1,000 sessions are one transaction then, and not 1,000.
        """
        is_first = not self._alive
        self._alive[key] = (app, began, now)
        return is_first

    def write_alive(self, db: Session) -> None:
        """Write down who lives; a session that the journal does not know, from before there was one, is taken up."""
        self._make(db)
        alive, self._alive = self._alive, {}
        for key, (app, began, seen) in alive.items():
            written = db.execute(update(RUNS).where(_open(key)).values(seen=seen))
            if not written.rowcount:  # type: ignore[attr-defined] # an UPDATE has one
                _insert(db, key, app, began, seen)
        db.commit()

    def end(self, db: Session, key: Key, at: float) -> None:
        """Write down that a session has ended, if it ran."""
        self._close(db, key, lambda run: max(run.began, at))

    def found_dead(self, db: Session, key: Key, sign: float | None, now: float) -> None:
        """Write down that a session has ended while nobody looked; `unseen_end` says when."""
        seen = self._alive.get(key, ("", 0.0, 0.0))[2]
        self._close(db, key, lambda run: unseen_end(max(run.seen, seen), sign, now))

    def end_others(self, db: Session, active: Collection[Key]) -> None:
        """End those that are not `active`: the hub was killed in the middle of a start or a stop, and forgot them."""
        self._make(db)
        runs = db.execute(select(RUNS).where(RUNS.c.ended.is_(None))).all()
        lost = [run for run in runs if (run.user, run.server) not in active]
        for run in lost:
            db.execute(update(RUNS).where(RUNS.c.id == run.id).values(ended=run.seen))
        if lost:
            db.commit()

    def untold(self, db: Session, most: int) -> list[Run]:
        """Return what the service does not know, the oldest first."""
        self._make(db)
        news = select(RUNS).where(or_(RUNS.c.ended.is_not(None), RUNS.c.told.is_(False))).order_by(RUNS.c.id)
        rows = db.execute(news.limit(most))
        return [Run(row.id, row.user, row.server, row.app, row.began, row.ended) for row in rows]

    def acknowledge(self, db: Session, taken: Iterable[tuple[int, float | None]]) -> None:
        """Forget what the service has: runs by number, with the end that it was told."""
        self._make(db)
        for number, ended in taken:
            if ended is None:
                db.execute(update(RUNS).where(RUNS.c.id == number).values(told=True))
            else:
                db.execute(delete(RUNS).where(RUNS.c.id == number, RUNS.c.ended.is_not(None)))
        db.commit()

    def _close(self, db: Session, key: Key, when: Callable[[Any], float]) -> None:
        self._make(db)
        self._alive.pop(key, None)
        run = db.execute(select(RUNS).where(_open(key))).first()
        if run is not None:
            db.execute(update(RUNS).where(RUNS.c.id == run.id).values(ended=when(run)))
            db.commit()


def _open(key: Key) -> ColumnElement[bool]:
    return and_(RUNS.c.user == key[0], RUNS.c.server == key[1], RUNS.c.ended.is_(None))


def _insert(db: Session, key: Key, app: str, began: float, seen: float) -> None:
    row = {"user": key[0], "server": key[1], "app": app, "began": began, "seen": max(began, seen), "told": False}
    db.execute(insert(RUNS).values(**row))
