"""The streamer's centre: joins the display, the desktop's status and the viewers. Everything runs on the event loop.

It decides nothing about frames (`broadcast`), messages (`messages`) or capture times (`pacing`): it carries out.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter, deque
from importlib.util import find_spec
from typing import Any, Final

from streamspace_hub.model import Role
from streamspace_proxy.streamer.activity import ActivityClock
from streamspace_proxy.streamer.audio import AudioSource
from streamspace_proxy.streamer.broadcast import Broadcast
from streamspace_proxy.streamer.config import Config
from streamspace_proxy.streamer.desktop_link import DesktopLink, Status
from streamspace_proxy.streamer.display import Display, VideoFormat
from streamspace_proxy.streamer.frames import CursorShape, EncodedFrame
from streamspace_proxy.streamer.media import SinkKey
from streamspace_proxy.streamer.messages import Code, Refusal, Transport
from streamspace_proxy.streamer.metrics import Metrics, Snapshot
from streamspace_proxy.streamer.steering import MIN_BITRATE
from streamspace_proxy.streamer.viewer import Viewer, cursor_message

logger = logging.getLogger(__name__)
RATE_WINDOW: Final = 2.0
TRANSPORTS: Final[tuple[Transport, ...]] = ("webrtc", "websocket", "rfb")


class Streamer:
    """One session's streamer."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.activity = ActivityClock()
        self.audio = AudioSource(config.path("pulse.sock"))
        self.viewers: dict[str, Viewer] = {}
        self.rfb_viewers = 0
        self.desktop = DesktopLink(config.path("desktop.sock"), self._on_status)
        self.display = Display(config.path("rfb.sock"), config.path("Xauthority"), config.policy, self)
        self.screen: tuple[int, int] | None = None
        self.video: VideoFormat | None = None
        self.cursor: CursorShape | None = None
        self.refusals = 0
        self.metrics = Metrics()
        self._ids = itertools.count(1)
        self._broadcast: Broadcast[SinkKey] = Broadcast()
        self._bitrates: dict[SinkKey, int] = {}
        self._bitrate = config.policy.max_bitrate
        self._hidden: set[SinkKey] = set()
        self._frame_pending = False
        self._plan_timer: asyncio.TimerHandle | None = None
        self._recent: deque[tuple[float, int]] = deque(maxlen=600)

    @property
    def transports(self) -> list[Transport]:
        """What a viewer may choose from, the best first."""
        return [name for name in TRANSPORTS if name != "webrtc" or find_spec("aiortc") is not None]

    def start(self) -> list[asyncio.Task[None]]:
        """Begin: connects to the desktop, and to its display as soon as there is one.

        Returns what must go on for as long as the streamer is to be of use.
        """
        return [self.display.start(), self.desktop.start()]

    async def close(self) -> None:
        """Say goodbye to all viewers and free everything."""
        await asyncio.gather(
            *(
                viewer.goodbye("shutdown", "The session's streamer is ending. The page connects again by itself.")
                for viewer in list(self.viewers.values())
            )
        )
        if self._plan_timer is not None:
            self._plan_timer.cancel()
        await self.desktop.close()
        await self.display.close()

    # Viewers

    def new_id(self) -> str:
        """Return an identifier for a viewer."""
        return f"v{next(self._ids)}"

    def join(self, viewer: Viewer) -> None:
        """Take a viewer in."""
        viewer.greet()  # `hello` comes before all else
        self.viewers[viewer.id] = viewer
        self._announce_viewers()

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer whose sinks have been closed."""
        if self.viewers.pop(viewer.id, None) is not None:
            self._announce_viewers()

    def count_refusal(self, code: Code) -> None:
        """Note that a message or a viewer was refused."""
        self.refusals += 1
        self.metrics.refused(code)

    def _announce_viewers(self) -> None:
        for viewer in self.viewers.values():
            viewer.send({"type": "viewers", "count": len(self.viewers)})

    # Sinks

    def open_sink(self, key: SinkKey, *, acknowledges: bool, hidden: bool, first_id: int = 0) -> None:
        """Begin sending frames to a viewer's transport, from a keyframe on."""
        self._broadcast.add(key, acknowledges=acknowledges, first_id=first_id)
        self.hide_sink(key, hidden)

    def close_sink(self, key: SinkKey) -> int:
        """End it; returns the id that its next frame would have had."""
        next_id = self._broadcast.remove(key)
        self._bitrates.pop(key, None)
        self._hidden.discard(key)
        self._apply_bitrate()
        self._drive()
        return next_id

    def hide_sink(self, key: SinkKey, hidden: bool) -> None:
        """Pause or go on."""
        self._broadcast.hide(key, hidden)
        if hidden:
            self._hidden.add(key)
        else:
            self._hidden.discard(key)
        self._drive()

    def acknowledge(self, key: SinkKey, frame_id: int) -> float | None:
        """Take an acknowledgement; returns its delay in seconds."""
        delay = self._broadcast.acknowledge(key, frame_id, time.monotonic())
        if delay is not None:
            self._drive()
        return delay

    def ask_keyframe(self, key: SinkKey) -> None:
        """Note that a viewer's decoder needs a keyframe."""
        self._broadcast.ask_keyframe(key)
        self._drive()

    def limit_bitrate(self, key: SinkKey, bitrate: int) -> None:
        """Learn what a viewer's line carries: the narrowest line of those that take part sets the rate for all."""
        if key in self._broadcast:
            self._bitrates[key] = bitrate
            self._apply_bitrate()

    def _apply_bitrate(self) -> None:
        stalled = set(self._broadcast.stalled(time.monotonic())) | self._hidden
        most = self.config.policy.max_bitrate
        lowest = min((rate for key, rate in self._bitrates.items() if key not in stalled), default=most)
        bitrate = max(min(lowest, most), min(MIN_BITRATE, most))
        if bitrate != self._bitrate:
            self._bitrate = bitrate
            if self.display.engine is not None:
                self.display.engine.set_bitrate(bitrate)

    def _drive(self) -> None:
        """Ask the engine for what the sinks can take now. Cheap: called at every event that may change the answer."""
        if self._plan_timer is not None:
            self._plan_timer.cancel()
            self._plan_timer = None
        engine = self.display.engine
        if engine is None:
            return
        active = len(self._broadcast) > len(self._hidden)
        engine.set_active(active)
        if not active:
            return
        plan = self._broadcast.plan(time.monotonic())
        if plan.keyframe:
            engine.request_keyframe()
        if plan.frame and not self._frame_pending:
            self._frame_pending = True
            engine.request_frame()
        if plan.again_in is not None:
            loop = asyncio.get_running_loop()
            self._plan_timer = loop.call_later(plan.again_in, self._drive)

    # From the display

    def on_attached(self) -> None:
        """See `DisplayListener`."""
        self._frame_pending = False
        if self.display.engine is not None:
            self.display.engine.set_bitrate(self._bitrate)
        self._drive()

    def on_detached(self) -> None:
        """See `DisplayListener`."""
        self.video = self.screen = None
        self._frame_pending = False

    def on_format(self, video: VideoFormat) -> None:
        """See `DisplayListener`."""
        self.video = video
        self._broadcast.new_epoch()

    def on_frame(self, frame: EncodedFrame) -> None:
        """See `DisplayListener`."""
        self._frame_pending = False
        now = time.monotonic()
        self._recent.append((now, len(frame.data)))
        self.metrics.frame(frame)
        for (viewer_id, transport), frame_id in self._broadcast.deliver(frame.keyframe, now):
            self.viewers[viewer_id].media.send_frame(transport, frame, frame_id)
        self._drive()

    def on_screen(self, width: int, height: int) -> None:
        """See `DisplayListener`."""
        self.screen = (width, height)
        for viewer in self.viewers.values():
            viewer.send({"type": "screen", "width": width, "height": height})

    def on_cursor(self, cursor: CursorShape) -> None:
        """See `DisplayListener`."""
        self.cursor = cursor
        message = cursor_message(cursor)
        for viewer in self.viewers.values():
            viewer.send(message)

    def on_clipboard(self, text: str) -> None:
        """See `DisplayListener`."""
        self.share_clipboard(text, None)

    def on_clipboard_too_large(self) -> None:
        """See `DisplayListener`."""
        limit = self.config.policy.clipboard_limit
        sentence = f"What was copied in the session is larger than {limit} bytes. Copy less, or save it as a file."
        for viewer in self.viewers.values():
            if viewer.may_read_clipboard:
                viewer.send(Refusal("too_large", sentence).as_json())

    def share_clipboard(self, text: str, source: Viewer | None) -> None:
        """Tell all viewers that may know the session's clipboard, but the one that set it."""
        for viewer in self.viewers.values():
            if viewer is not source and viewer.may_read_clipboard:
                viewer.send({"type": "clipboard", "text": text})

    # From the desktop

    def _on_status(self, status: Status) -> None:
        self.display.follow(status.get("display"))
        for viewer in self.viewers.values():
            viewer.send(self.status_message())

    def status_message(self) -> dict[str, Any]:
        """Return the `status` message of now."""
        status = self.desktop.status
        return {
            "type": "status",
            "state": status.get("state"),
            "message": status.get("message"),
            "app": status.get("app"),
        }

    # For machines

    def status(self) -> dict[str, Any]:
        """Return the body of `api/v1/status`."""
        return {
            "desktop": self.desktop.status,
            "app": {"name": self.config.app.name, "title": self.config.app.title},
            "screen": None if self.screen is None else {"width": self.screen[0], "height": self.screen[1]},
            "ready": self.display.engine is not None and self.screen is not None,
            "transports": self.transports,
            "viewers": [
                {"viewer": viewer.id, "user": viewer.user, "role": viewer.role.value}
                for viewer in self.viewers.values()
            ],
        }

    def _rates(self) -> tuple[float, float]:
        """Return frames and bits per second over the last `RATE_WINDOW` seconds."""
        since = time.monotonic() - RATE_WINDOW
        recent = [size for at, size in self._recent if at >= since]
        return len(recent) / RATE_WINDOW, 8 * sum(recent) / RATE_WINDOW

    def metrics_text(self) -> bytes:
        """Return the body of `api/v1/metrics`."""
        for viewer in self.viewers.values():
            viewer.media.peers.count()
        fps, bitrate = self._rates()
        roles = Counter(viewer.role for viewer in self.viewers.values())
        shown = Counter(viewer.media.shown for viewer in self.viewers.values())
        return self.metrics.render(
            Snapshot(
                fps,
                bitrate,
                self._bitrate,
                {role: roles[role] for role in Role},
                {transport: shown[transport] for transport in TRANSPORTS},
            )
        )

    def stats(self) -> dict[str, Any]:
        """Return the body of `api/v1/stats`."""
        fps, bitrate = self._rates()
        engine = self.display.engine
        return {
            "fps": round(fps, 1),
            "bitrate": round(bitrate),
            "target_bitrate": self._bitrate,
            "video": None
            if self.video is None
            else {
                "epoch": self.video.epoch,
                "codec": self.video.codec,
                "width": self.video.width,
                "height": self.video.height,
            },
            "capture": None if engine is None else engine.figures().as_json(),
            "capturing": len(self._broadcast) > len(self._hidden),
            "refusals": self.refusals,
            "rfb_viewers": self.rfb_viewers,
            "viewers": [viewer.stats() for viewer in self.viewers.values()],
        }
