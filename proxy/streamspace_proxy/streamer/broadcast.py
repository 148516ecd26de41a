"""One encode for all viewers: who gets a frame, when the next one is captured, and when it must be a keyframe.

Pure bookkeeping, no I/O; times are seconds of one clock. A *sink* is one viewer on one transport.

With an infinite group of pictures each frame refers to the one before it. So a sink that missed a frame gets nothing
until the next keyframe. Sinks that acknowledge (WebSocket) hold a few frames at most. The next frame is captured as
soon as *one* sink can take it: a lone slow viewer sees the newest picture later, with its chain unbroken; among
several, the fastest sets the pace and the slow ones skip from keyframe to keyframe.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from streamspace_proxy.streamer.window import LEAST_FRAMES, Arrival

Key = TypeVar("Key", bound=Hashable)

STALLED_SECONDS: Final = 5.0
"""A sink whose oldest frame is unacknowledged for longer is taken for gone until it acknowledges."""
KEYFRAME_INTERVAL: Final = 0.3


@dataclass(frozen=True, slots=True)
class _Sent:
    frame_id: int
    at: float
    bits: int
    alone: bool
    """Nothing was under way before it."""


@dataclass(slots=True)
class _Sink:
    acknowledges: bool
    hidden: bool = False
    chained: bool = False
    """Has every frame since the last keyframe, of the current epoch."""
    fresh: bool = True
    """Has never had a frame: its first keyframe is not made to wait."""
    next_id: int = 0
    window: int = LEAST_FRAMES
    unacknowledged: deque[_Sent] = field(default_factory=deque)
    """Oldest first."""

    def can_take(self, now: float) -> bool:
        return not self.hidden and len(self.unacknowledged) < self.window and not self.stalled(now)

    def stalled(self, now: float) -> bool:
        return bool(self.unacknowledged) and now - self.unacknowledged[0].at >= STALLED_SECONDS

    def wants_keyframe(self, now: float) -> bool:
        # Only once it has taken all it had: a keyframe is the largest frame there is.
        return not self.chained and not self.unacknowledged and self.can_take(now)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the capture should do now."""

    frame: bool
    keyframe: bool
    again_in: float | None = None
    """Seconds after which to plan again, if nothing else happens before."""


class Broadcast(Generic[Key]):
    """The sinks of one display."""

    def __init__(self) -> None:
        self._sinks: dict[Key, _Sink] = {}
        self._last_keyframe = -math.inf
        self._keyframe_asked = False

    def __len__(self) -> int:
        return len(self._sinks)

    def __contains__(self, key: Key) -> bool:
        return key in self._sinks

    def add(self, key: Key, *, acknowledges: bool, first_id: int = 0) -> None:
        """Add a sink, which begins with a keyframe. `first_id`: the id that its first frame gets."""
        self._sinks[key] = _Sink(acknowledges, next_id=first_id)

    def remove(self, key: Key) -> int:
        """Forget a sink; returns the id that its next frame would have had."""
        sink = self._sinks.pop(key, None)
        return 0 if sink is None else sink.next_id

    def set_window(self, key: Key, frames: int) -> None:
        """Let a sink hold so many unacknowledged frames."""
        if key in self._sinks:
            self._sinks[key].window = frames

    def hide(self, key: Key, hidden: bool) -> None:
        """Pause a sink that nobody sees; shown again, it begins with a keyframe."""
        sink = self._sinks.get(key)
        if sink is None or sink.hidden == hidden:
            return
        sink.hidden, sink.chained = hidden, False
        # It may have stopped acknowledging while nobody looked.
        sink.unacknowledged.clear()

    def ask_keyframe(self, key: Key) -> None:
        """Note that a sink asks for a keyframe, as a decoder does that has lost its way."""
        if key in self._sinks:
            self._keyframe_asked = True

    def new_epoch(self) -> None:
        """Frames to come refer to none that were sent."""
        for sink in self._sinks.values():
            sink.chained = False

    def acknowledge(self, key: Key, frame_id: int, now: float) -> Arrival | None:
        """Take an acknowledgement of all frames up to `frame_id`; None: it is not outstanding (late or made up)."""
        sink = self._sinks.get(key)
        if sink is None or all(frame_id != sent.frame_id for sent in sink.unacknowledged):
            return None
        bits = 0
        while True:
            sent = sink.unacknowledged.popleft()
            bits += sent.bits
            if sent.frame_id == frame_id:
                return Arrival(now - sent.at, bits, sent.alone)

    def deliver(self, keyframe: bool, bits: int, now: float) -> list[tuple[Key, int]]:
        """Return who gets the frame of so many bits that was just made, and under which id."""
        if keyframe:
            self._last_keyframe = now
            self._keyframe_asked = False
        receivers: list[tuple[Key, int]] = []
        for key, sink in self._sinks.items():
            if not sink.can_take(now) or not (keyframe or sink.chained):
                sink.chained = False
                continue
            receivers.append((key, sink.next_id))
            if sink.acknowledges:
                sink.unacknowledged.append(_Sent(sink.next_id, now, bits, not sink.unacknowledged))
            sink.next_id = (sink.next_id + 1) & 0xFFFF_FFFF
            sink.chained, sink.fresh = True, False
        return receivers

    def plan(self, now: float) -> Plan:
        """Return whether a frame is to be captured, and whether it must be a keyframe."""
        chained = any(sink.chained and sink.can_take(now) for sink in self._sinks.values())
        waiting = [sink for sink in self._sinks.values() if sink.wants_keyframe(now)]
        if not waiting and not (chained and self._keyframe_asked):
            return Plan(chained, False)
        wait = self._last_keyframe + KEYFRAME_INTERVAL - now
        if wait <= 0 or any(sink.fresh for sink in waiting):
            return Plan(True, True)
        return Plan(chained, False, wait)

    def stalled(self, now: float) -> list[Key]:
        """Sinks that have not acknowledged for too long."""
        return [key for key, sink in self._sinks.items() if sink.stalled(now)]
