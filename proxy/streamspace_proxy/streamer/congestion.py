"""What one viewer's network carries, learnt from when each packet arrived (transport-wide feedback). Pure.

Two things are seen. Packets that left together arrive apart as far as the narrowest link makes them: that is its
capacity, known from the first keyframe on, before anything is congested. And a queue that does not drain between
frames delays even the luckiest packet: then less is sent than has come through. Random loss alone says nothing: up to a
tenth it is repaired by sending again. Rates are bit/s; times seconds, each end by its own clock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final

from streamspace_proxy.streamer.steering import MIN_BITRATE

START_BITRATE: Final = 4_000_000
MAX_BITRATE: Final = 100_000_000
QUEUE_SECONDS: Final = 0.02
"""More than this over the least delay, for every packet of a report: a queue that stands."""
BACK_OFF: Final = 0.85
DEEP_QUEUE_SECONDS, DEEP_BACK_OFF = 0.1, 0.6
USED: Final = 0.5
"""Share of the rate: who sends less did not make the queue. It may be others', or a busy machine that reads late."""
MEMORY_SECONDS: Final = 8.0
"""For so long a rate that was too much is not gone back to quickly: others use the link too."""
PATIENCE_SECONDS: Final = 0.2
"""Besides a round trip: what was sent before a cut is still under way."""
CALM_SECONDS: Final = 1.0
LOST, LOSS_PACKETS = 0.1, 300
"""More than this share of so many packets."""
SHARE: Final = 0.85
"""Of the capacity that is taken quickly; beyond, it is approached slowly."""
FAST_GROWTH, SLOW_GROWTH, BLIND_GROWTH = 2.0, 0.05, 0.25
"""Per second: up to the share, beyond it, and while the capacity is not known."""
BASE_SECONDS: Final = 10
SAME_QUEUE, SAME_SECONDS = 1.2, 3.0
"""A short queue that is no shorter although less is sent than the link carries is none: the way has become longer."""
DELIVERED_SECONDS: Final = 0.5
TRAIN_GAP: Final = 0.005
TRAIN_PACKETS: Final = 6
LONG_TRAIN: Final = 20
PACE_FACTOR: Final = 1.25
START_PACE: Final = 8_000_000
REMEMBERED: Final = 8192


@dataclass(slots=True)
class _Train:
    """Packets that left one right after the other."""

    left: float
    last_left: float
    came: float
    last_came: float
    bits: int = 0
    """All but the first packet's: what came between the two arrivals."""
    packets: int = 1


class CongestionControl:
    """Steers one WebRTC viewer."""

    def __init__(self, ceiling: int = MAX_BITRATE) -> None:
        self.bitrate = min(START_BITRATE, ceiling)
        self._ceiling = ceiling
        self._sent: dict[int, tuple[float, int]] = {}
        self._newest: int | None = None
        self._sent_bits: deque[tuple[float, int]] = deque()
        self._delivered: deque[tuple[float, int]] = deque()
        self._delays: deque[tuple[float, float]] = deque()
        self._train: _Train | None = None
        self._capacities: deque[float] = deque(maxlen=15)
        self._fates: deque[bool] = deque(maxlen=LOSS_PACKETS)
        self._cut_at = -math.inf
        self._too_much = math.inf
        self._seen: float | None = None
        self._deepest = 0.0
        self._delay = (0.0, 0.0)
        self._before_cut = (START_BITRATE, math.inf)
        """Rate, and the queue that was the reason."""
        self.queue = 0.0
        """Seconds that packets stand in a queue, by the latest report."""

    @property
    def capacity(self) -> float | None:
        """What the narrowest link carries, None before it is known."""
        return median(self._capacities) if self._capacities else None

    @property
    def settled(self) -> bool:
        """Whether the viewer has reported on the last packet, so that it knows what it misses.

        Nothing may be concluded from the others: reports are lost as well, and none is sent again.
        """
        return self._seen is not None and self._newest not in self._sent

    @property
    def pace(self) -> float:
        """How fast the packets of one large frame may follow each other."""
        capacity = self.capacity
        return START_PACE if capacity is None else PACE_FACTOR * max(capacity, self.bitrate)

    def sent(self, number: int, size: int, now: float) -> None:
        """Note a packet of `size` bytes that leaves under a number (16 bits, counting up)."""
        self._sent.pop(number, None)
        self._sent[number] = (now, size)
        self._newest = number
        self._sent_bits.append((now, 8 * size))
        self._forget_sent(now)
        if len(self._sent) > REMEMBERED:
            del self._sent[next(iter(self._sent))]

    def report(self, arrivals: Iterable[tuple[int, float | None]], now: float) -> int:
        """Take when packets arrived (the viewer's clock; None: not yet); returns the rate from now on."""
        came = []
        for number, arrival in arrivals:
            known = self._sent.pop(number, None)
            if known is None:
                continue
            self._fates.append(arrival is None)
            if arrival is not None:
                came.append((*known, arrival))
        if came:
            self._measure(came)
            self._steer(now, now - came[-1][0])
        self._seen = now
        return self.bitrate

    def _measure(self, came: list[tuple[float, int, float]]) -> None:
        for left, size, arrival in came:
            self._delivered.append((arrival, 8 * size))
            self._extend_train(left, 8 * size, arrival)
        self.queue = self._over_base(min(arrival - left for left, _, arrival in came), came[-1][2])

    def _over_base(self, delay: float, moment: float) -> float:
        """Return how much `delay` is over the least of the last `BASE_SECONDS` (a queue of rising minima)."""
        while self._delays and self._delays[-1][1] >= delay:
            self._delays.pop()
        self._delay = (moment, delay)
        self._delays.append(self._delay)
        while self._delays[0][0] < moment - BASE_SECONDS:
            self._delays.popleft()
        return delay - self._delays[0][1]

    def _extend_train(self, left: float, bits: int, arrival: float) -> None:
        train = self._train
        broken = train is None or left - train.last_left > TRAIN_GAP or arrival < train.last_came
        if train is None or broken or train.packets >= LONG_TRAIN:
            if train is not None:
                self._learn_capacity(train)
            self._train = _Train(left, left, arrival, arrival)
        else:
            train.last_left, train.last_came = left, arrival
            train.bits += bits
            train.packets += 1

    def _learn_capacity(self, train: _Train) -> None:
        if train.packets < TRAIN_PACKETS:
            return
        came = train.bits / max(train.last_came - train.came, 0.0005)
        left = train.bits / max(train.last_left - train.left, 0.0001)
        known = self.capacity
        # Packets that arrive as they left have met no narrow link: it carries at least as much.
        if left > 1.25 * came or (known is not None and came > known):
            weight = 3 if train.packets >= LONG_TRAIN else 1
            self._capacities.extend([came] * weight)

    def _steer(self, now: float, round_trip: float) -> None:
        lossy = len(self._fates) == LOSS_PACKETS and sum(self._fates) > LOST * LOSS_PACKETS
        if self.queue > QUEUE_SECONDS or lossy:
            # A queue that is getting shorter needs time, and nothing else.
            growing = lossy or (self._deepest and self.queue > 0.9 * self._deepest)
            self._deepest = self.queue
            patient = now - self._cut_at >= PATIENCE_SECONDS + min(round_trip, 0.5)
            if growing and patient and (lossy or not self._is_longer_way(now)):
                self._cut(now)
            return
        self._deepest = 0.0
        if now - self._cut_at > MEMORY_SECONDS:
            self._too_much = math.inf
        if now - self._cut_at > CALM_SECONDS and self._seen is not None:
            self._grow(min(now - self._seen, 0.5), self._sent_rate(now))

    def _is_longer_way(self, now: float) -> bool:
        """Whether a cut has not helped that should have; then it is taken back, and delay counted from here."""
        rate, queue = self._before_cut
        usual = SHARE * (self.capacity or 0.0)
        same = self.queue < min(SAME_QUEUE * queue, DEEP_QUEUE_SECONDS) and now - self._cut_at < SAME_SECONDS
        if not same or self.bitrate >= usual:
            return False
        self._delays.clear()
        self._delays.append(self._delay)
        self._before_cut = (rate, 0.0)
        self._too_much = math.inf
        self._set(min(rate, usual))
        return True

    def _cut(self, now: float) -> None:
        capacity = self.capacity
        self._before_cut = (self.bitrate, self.queue)
        through = min(self.bitrate, math.inf if capacity is None else capacity)
        if self._sent_rate(now) < USED * self.bitrate and self.queue < DEEP_QUEUE_SECONDS:
            self._set(BACK_OFF * through)
        else:
            through = min(through, self._delivered_rate())
            self._set((DEEP_BACK_OFF if self.queue > DEEP_QUEUE_SECONDS else BACK_OFF) * through)
            if capacity is not None:
                self._too_much = through
        self._cut_at = now
        self._fates.clear()

    def _grow(self, seconds: float, sent: float) -> None:
        capacity = self.capacity
        near = 0.0 if capacity is None else SHARE * min(capacity, self._too_much)
        if self.bitrate < near:
            self._set(min(self.bitrate * (1 + FAST_GROWTH * seconds), near))
        elif sent > self.bitrate / 2:
            # Only what is used can be found to be too much.
            growth = BLIND_GROWTH if capacity is None else SLOW_GROWTH
            self._set(self.bitrate * (1 + growth * seconds))

    def _set(self, bitrate: float) -> None:
        self.bitrate = int(max(min(MIN_BITRATE, self._ceiling), min(self._ceiling, bitrate)))

    def _delivered_rate(self) -> float:
        newest = self._delivered[-1][0]
        while self._delivered[0][0] < newest - DELIVERED_SECONDS:
            self._delivered.popleft()
        span = max(newest - self._delivered[0][0], DELIVERED_SECONDS / 4)
        return sum(bits for _, bits in self._delivered) / span

    def _sent_rate(self, now: float) -> float:
        self._forget_sent(now)
        return float(sum(bits for _, bits in self._sent_bits))

    def _forget_sent(self, now: float) -> None:
        while self._sent_bits and self._sent_bits[0][0] < now - 1:
            self._sent_bits.popleft()
