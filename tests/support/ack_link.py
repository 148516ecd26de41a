"""A line with a queue, frames on it and their acknowledgements, simulated: what steering is judged by."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from streamspace_proxy.streamer.window import LEAST_FRAMES, Arrival, Window


class Steering(Protocol):
    """What is judged."""

    bitrate: int

    @property
    def congested(self) -> bool: ...

    def sample(self, delay: float, bits: int, now: float, fps: int) -> int: ...


@dataclass
class Link:
    """One bottleneck that all senders share."""

    rate: float
    """bit/s."""
    round_trip: float
    free_at: float = 0.0

    def send(self, size: float, now: float) -> float:
        """Return when `size` bits sent at `now` have arrived on the other side."""
        self.free_at = max(self.free_at, now) + size / self.rate
        return self.free_at + self.round_trip / 2


@dataclass(order=True)
class Under:
    """A frame under way."""

    sent: float = 0.0
    bits: int = 0
    held: float = 0.0
    alone: bool = False


@dataclass
class Sender:
    """One session: frames at an even rate, as many unacknowledged as allowed, sizes that vary as a screen's do."""

    steering: Steering
    fps: int = 60
    busy: float = 0.0
    """Seconds that the viewer's machine takes for each frame, whatever its size."""
    says_held: bool = True
    """Whether the viewer says so."""
    variation: float = 0.3
    seed: int = 0
    delays: list[tuple[float, float]] = field(default_factory=list)
    """(when acknowledged, how long it took)."""
    rates: list[tuple[float, int]] = field(default_factory=list)
    outstanding: int = 0
    allowed: int = LEAST_FRAMES
    next_due: float = 0.0
    viewer_free_at: float = 0.0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.window = Window()

    def fps_since(self, since: float, until: float) -> float:
        return sum(at >= since for at, _ in self.delays) / (until - since)

    def delay(self, since: float, share: float) -> float:
        ordered = sorted(delay for at, delay in self.delays if at >= since)
        return ordered[int(share * (len(ordered) - 1))]


def simulate(
    link: Link, senders: list[Sender], seconds: float, change: Callable[[float, Link], None] | None = None
) -> None:
    """Run; `change` may alter the link as time goes on."""
    events: list[tuple[float, int, int, Under]] = [(0.001 * index, 0, index, Under()) for index in range(len(senders))]
    while events:
        now, kind, index, under = heapq.heappop(events)
        if now > seconds:
            return
        if change is not None:
            change(now, link)
        sender = senders[index]
        if kind == 1:
            sender.outstanding -= 1
            delay, congested = now - under.sent, sender.steering.congested
            sender.delays.append((now, delay))
            sender.allowed = sender.window.acknowledged(
                Arrival(delay, under.bits, under.alone), under.held, congested, now, sender.fps
            )
            sender.rates.append((now, sender.steering.sample(delay - under.held, under.bits, now, sender.fps)))
        if sender.outstanding < sender.allowed and now >= sender.next_due - 1e-9:
            size = (
                sender.steering.bitrate / sender.fps * sender.random.uniform(1 - sender.variation, 1 + sender.variation)
            )
            arrived = link.send(size, now)
            sender.viewer_free_at = max(sender.viewer_free_at, arrived) + sender.busy
            sender.outstanding += 1
            sender.next_due = max(sender.next_due + 1 / sender.fps, now)
            held = sender.viewer_free_at - arrived if sender.says_held else 0.0
            under = Under(now, int(size), held, sender.outstanding == 1)
            heapq.heappush(events, (sender.viewer_free_at + link.round_trip / 2, 1, index, under))
        if sender.outstanding < sender.allowed:
            heapq.heappush(events, (max(sender.next_due, now + 1e-4), 0, index, Under()))
