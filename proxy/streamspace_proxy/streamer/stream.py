"""One codec's stream of the display: its engine, its sinks, and what they can take. Runs on the event loop.

The engine runs only while somebody takes the stream. Who gets which frame is `broadcast`'s decision, how good the
picture is `quality`'s; this carries both out. It must not know viewers: a frame goes to a sink's `Deliver`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from streamspace_hub.model import Policy
from streamspace_proxy.streamer.broadcast import Broadcast
from streamspace_proxy.streamer.capture import CaptureBackend, Codec, Quality
from streamspace_proxy.streamer.frames import EncodedFrame
from streamspace_proxy.streamer.quality import Preset, QualityControl
from streamspace_proxy.streamer.window import Arrival

RATE_WINDOW: Final = 2.0
EXPECT_SECONDS: Final = 2.0
"""How long the engine is kept ready for a viewer who has come and not asked for pictures yet."""
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """What the frames of one epoch are."""

    epoch: int
    codec: str
    """As the protocol's `video` names it."""
    width: int
    height: int

    def as_json(self) -> dict[str, Any]:
        """Return the `video` message, but for its type."""
        return {"epoch": self.epoch, "codec": self.codec, "width": self.width, "height": self.height}


class VideoStream(Generic[Key]):
    """See the module. `attach` and `detach` follow the display."""

    def __init__(
        self,
        codec: Codec,
        policy: Policy,
        preset: Preset,
        deliver: Callable[[Key, EncodedFrame, int], None],
        count: Callable[[EncodedFrame], None],
    ) -> None:
        self.codec: Codec = codec
        self.video: VideoFormat | None = None
        self.engine: CaptureBackend | None = None
        self._most = policy.max_bitrate
        self._least = min(policy.min_bitrate, policy.max_bitrate)
        self._deliver = deliver
        self._count = count
        self._broadcast: Broadcast[Key] = Broadcast()
        self._control = QualityControl(preset, policy.max_fps, self._most)
        self._bitrates: dict[Key, int] = {}
        self._hidden: set[Key] = set()
        self._frame_pending = False
        self._plan_timer: asyncio.TimerHandle | None = None
        self._expecting: asyncio.TimerHandle | None = None
        self._recent: deque[tuple[float, int]] = deque(maxlen=600)

    def __len__(self) -> int:
        return len(self._broadcast)

    def __contains__(self, key: Key) -> bool:
        return key in self._broadcast

    @property
    def capturing(self) -> bool:
        """Whether anybody sees it."""
        return len(self._broadcast) > len(self._hidden)

    @property
    def quality(self) -> Quality:
        """What the engine is asked for now."""
        return self._control.quality

    @property
    def most(self) -> Quality:
        """The best that the engine will ever be asked for."""
        return self._control.most

    def attach(self, engine: CaptureBackend) -> None:
        """Take frames from `engine`, which has been started."""
        self.engine = engine
        self._frame_pending = False
        engine.set_quality(self.quality)
        self.drive()

    def detach(self) -> CaptureBackend | None:
        """Let go of the engine, and return it: closing it is the caller's."""
        engine, self.engine = self.engine, None
        self.video = None
        self._frame_pending = False
        self._cancel_timer()
        return engine

    # Sinks

    def expect(self) -> None:
        """Get ready for a viewer who is about to ask for pictures: opening screen and encoder takes its time."""
        if self._expecting is not None:
            self._expecting.cancel()
        self._expecting = asyncio.get_running_loop().call_later(EXPECT_SECONDS, self._expected_in_vain)
        self.drive()

    def _expected_in_vain(self) -> None:
        self._expecting = None
        self.drive()

    def add(self, key: Key, *, acknowledges: bool, hidden: bool, first_id: int = 0) -> None:
        """Begin sending frames to a sink, from a keyframe on."""
        self._broadcast.add(key, acknowledges=acknowledges, first_id=first_id)
        self.hide(key, hidden)

    def remove(self, key: Key) -> int:
        """End it; returns the id that its next frame would have had."""
        next_id = self._broadcast.remove(key)
        self._bitrates.pop(key, None)
        self._hidden.discard(key)
        self._apply_bitrate()
        self.drive()
        return next_id

    def hide(self, key: Key, hidden: bool) -> None:
        """Pause or go on."""
        self._broadcast.hide(key, hidden)
        if hidden:
            self._hidden.add(key)
        else:
            self._hidden.discard(key)
        self.drive()

    def acknowledge(self, key: Key, frame_id: int) -> Arrival | None:
        """Take an acknowledgement; see `Broadcast`."""
        arrival = self._broadcast.acknowledge(key, frame_id, time.monotonic())
        if arrival is not None:
            self.drive()
        return arrival

    def ask_keyframe(self, key: Key) -> None:
        """Note that a viewer's decoder needs a keyframe."""
        self._broadcast.ask_keyframe(key)
        self.drive()

    def limit_bitrate(self, key: Key, bitrate: int) -> None:
        """Learn what a sink's line carries: the narrowest line of those that take part sets the rate for all."""
        if key in self._broadcast:
            self._bitrates[key] = bitrate
            self._apply_bitrate()

    def set_window(self, key: Key, frames: int) -> None:
        """Let a sink hold so many unacknowledged frames."""
        self._broadcast.set_window(key, frames)

    def set_preset(self, preset: Preset) -> None:
        """Trade detail against motion in another way."""
        self._control.set_preset(preset)
        self._apply_quality()

    def _apply_bitrate(self) -> None:
        stalled = set(self._broadcast.stalled(time.monotonic())) | self._hidden
        lowest = min((rate for key, rate in self._bitrates.items() if key not in stalled), default=self._most)
        self._control.bitrate = max(min(lowest, self._most), self._least)
        self._apply_quality()

    def _apply_quality(self) -> None:
        if self._control.update(time.monotonic()) and self.engine is not None:
            self.engine.set_quality(self.quality)

    def drive(self) -> None:
        """Ask the engine for what the sinks can take now. Cheap: called at every event that may change the answer."""
        self._cancel_timer()
        if self.engine is None:
            return
        self.engine.set_active(self.capturing or self._expecting is not None)
        if not self.capturing:
            return
        plan = self._broadcast.plan(time.monotonic())
        if plan.keyframe:
            self.engine.request_keyframe()
        if plan.frame and not self._frame_pending:
            self._frame_pending = True
            self.engine.request_frame()
        if plan.again_in is not None:
            self._plan_timer = asyncio.get_running_loop().call_later(plan.again_in, self.drive)

    def _cancel_timer(self) -> None:
        if self._plan_timer is not None:
            self._plan_timer.cancel()
            self._plan_timer = None

    # From the engine

    def on_format(self, video: VideoFormat) -> None:
        """Begin a new epoch."""
        self.video = video
        self._broadcast.new_epoch()

    def on_frame(self, frame: EncodedFrame) -> None:
        """Pass one frame on to whoever can take it."""
        self._frame_pending = False
        now = time.monotonic()
        self._recent.append((now, len(frame.data)))
        self._count(frame)
        for key, frame_id in self._broadcast.deliver(frame.keyframe, 8 * len(frame.data), now):
            self._deliver(key, frame, frame_id)
        self._control.note(frame)
        self._apply_quality()
        self.drive()

    @property
    def target_bitrate(self) -> int:
        """What the narrowest line carries, in bit/s."""
        return self._control.bitrate

    def rates(self) -> tuple[float, float]:
        """Return frames and bits per second over the last `RATE_WINDOW` seconds."""
        since = time.monotonic() - RATE_WINDOW
        recent = [size for at, size in self._recent if at >= since]
        return len(recent) / RATE_WINDOW, 8 * sum(recent) / RATE_WINDOW

    def stats(self) -> dict[str, Any]:
        """Return figures."""
        fps, bitrate = self.rates()
        return {
            "fps": round(fps, 1),
            "bitrate": round(bitrate),
            "target_bitrate": self.target_bitrate,
            "quality": {"fps": self.quality.fps, "scale": self.quality.scale},
            "video": None if self.video is None else self.video.as_json(),
            "capture": None if self.engine is None else self.engine.figures().as_json(),
            "capturing": self.capturing,
        }
