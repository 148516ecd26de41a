"""Who waits for room on the hub, and in which order: what it has room for, and the line. Pure but for its memory.

A place is held by asking again: whoever has given up is out of the line a minute later. Nobody overtakes, so a large
app gets its room; what is started is started by the user's own request, and nothing is kept for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from streamspace_hub.model.app import Memory, Resources, memory_bytes
from streamspace_hub.model.quota import KINDS, Kind, Running, need_of, usage_of

KEEP: Final = 60.0
"""Seconds for which a place is kept for one who does not ask."""
POSITION: Final = "X-StreamSpace-Queue-Position"
WAIT: Final = "X-StreamSpace-Queue-Wait"
REMEMBER: Final = 20
"""Times of being let in from which the wait is estimated."""


class Capacity(BaseModel):
    """What all sessions of the hub may take together; what is left out is not limited."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sessions: int | None = Field(default=None, ge=0, le=100_000, description="Sessions that run at once.")
    cpu: float | None = Field(default=None, gt=0, le=1_000_000, description="Cores, by the apps' `cpu_limit`.")
    memory: Memory | None = Field(default=None, description="Memory, by the apps' `mem_limit`, e.g. `512G`.")
    gpus: int | None = Field(default=None, ge=0, le=100_000, description="GPUs at once, by the apps' `gpu.count`.")

    def amount(self, kind: Kind) -> float | None:
        """Return the limit as a number: sessions, cores, bytes or GPUs."""
        if kind == "memory":
            return None if self.memory is None else memory_bytes(self.memory)
        number: float | None = getattr(self, kind)
        return number

    def fits(self, running: Sequence[Running], wanted: Resources) -> bool:
        """Return whether there is room for one more beside what is running."""
        return all(self._room(kind, need_of(kind, wanted), usage_of(kind, running)) for kind in KINDS)

    def ever_fits(self, wanted: Resources) -> bool:
        """Return whether there is room if nothing else runs."""
        return self.fits((), wanted)

    def _room(self, kind: Kind, need: float, used: float) -> bool:
        limit = self.amount(kind)
        return limit is None or not need or used + need <= limit


@dataclass(frozen=True)
class Place:
    """Somebody's place in the line."""

    number: int
    """1: the next one."""
    wait: float | None
    """Seconds, as it went lately; None where nothing is known."""


def headers_of(place: Place) -> dict[str, str]:
    """Return the headers that tell programs what `sentence` tells people."""
    wait = {} if place.wait is None else {WAIT: f"{place.wait:.0f}"}
    return {POSITION: str(place.number), **wait}


def place_in(headers: Mapping[str, str]) -> Place | None:
    """Return the place that an answer's headers tell of; None where there is none that can be understood."""
    number, wait = headers.get(POSITION, ""), headers.get(WAIT, "")
    if not number.isdecimal() or int(number) < 1:
        return None
    return Place(int(number), float(wait) if wait.isdecimal() else None)


@dataclass
class _Waiter:
    came: float
    asked: float
    """When they have asked last."""


class Line:
    """One line. Whoever starts a session asks here.

    Args:
        on_let_in: told, in seconds, how long one has waited who is let in; not of those who need not wait.
        on_given_up: called for each that has not asked for longer than `KEEP`.
    """

    def __init__(
        self, on_let_in: Callable[[float], None] = lambda _: None, on_given_up: Callable[[], None] = lambda: None
    ) -> None:
        self._on_let_in = on_let_in
        self._on_given_up = on_given_up
        self._waiters: dict[tuple[str, str], _Waiter] = {}
        """In the order of coming."""
        self._let_in: deque[float] = deque(maxlen=REMEMBER)

    def ask(self, who: tuple[str, str], *, fits: bool, now: float) -> Place | None:
        """Return the place of `who` (user and server) in the line; None: there is room, and it is their turn."""
        self._forget(now, but=who)
        waiting = list(self._waiters)
        ahead = waiting.index(who) if who in self._waiters else len(waiting)
        if fits and ahead == 0:
            if (waiter := self._waiters.pop(who, None)) is not None:
                self._let_in.append(now)
                self._on_let_in(now - waiter.came)
            return None
        self._waiters.setdefault(who, _Waiter(now, now)).asked = now
        return Place(ahead + 1, self._wait(ahead + 1))

    def waiting(self, now: float) -> list[float]:
        """Return for how many seconds each has waited, the one who came first before the others."""
        self._forget(now)
        return [now - waiter.came for waiter in self._waiters.values()]

    def others(self, who: tuple[str, str], now: float) -> int:
        """Return how many wait, not counting `who`."""
        return sum(waiter.asked > now - KEEP for one, waiter in self._waiters.items() if one != who)

    def _forget(self, now: float, but: tuple[str, str] | None = None) -> None:
        """Forget those who do not ask any more."""
        for who, waiter in list(self._waiters.items()):
            if waiter.asked <= now - KEEP and who != but:
                del self._waiters[who]
                self._on_given_up()

    def _wait(self, number: int) -> float | None:
        if len(self._let_in) < 2:
            return None
        return number * (self._let_in[-1] - self._let_in[0]) / (len(self._let_in) - 1)


def sentence(title: str, place: Place, why: str = "") -> str:
    """Return what is told to one who waits: for room on the hub, or for what `why` says."""
    about = "" if place.wait is None else f", for about {max(1, round(place.wait / 60))} min as it goes now"
    return (
        f"{why or f'There is no room for {title} at present.'} You are number {place.number} in the queue{about}. "
        f"Ask again: your place is kept for {KEEP:.0f} seconds each time."
    )
