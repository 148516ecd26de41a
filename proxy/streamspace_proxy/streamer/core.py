"""The streamer's centre: joins the display, the desktop's status and the viewers. Everything runs on the event loop.

It decides nothing about frames (`broadcast`), messages (`messages`) or capture times (`pacing`): it carries out.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from importlib.util import find_spec
from typing import Any, Final

from streamspace_hub.model import Role
from streamspace_proxy.streamer.activity import ActivityClock
from streamspace_proxy.streamer.audio import AudioSource
from streamspace_proxy.streamer.busyness import BusyWatch
from streamspace_proxy.streamer.capture import Backend, Codec
from streamspace_proxy.streamer.config import Config
from streamspace_proxy.streamer.desktop_link import DesktopLink, Status
from streamspace_proxy.streamer.display import Display
from streamspace_proxy.streamer.frames import CursorShape, EncodedFrame
from streamspace_proxy.streamer.media import SinkKey
from streamspace_proxy.streamer.messages import Code, Refusal, Transport
from streamspace_proxy.streamer.metrics import Metrics, Snapshot
from streamspace_proxy.streamer.microphone import Microphone
from streamspace_proxy.streamer.quality import Preset
from streamspace_proxy.streamer.sleep import Sleep
from streamspace_proxy.streamer.sleeping import Sleeping
from streamspace_proxy.streamer.start_trace import StartTrace
from streamspace_proxy.streamer.stream import VideoFormat
from streamspace_proxy.streamer.streams import Streams
from streamspace_proxy.streamer.viewer import Viewer, cursor_message
from streamspace_proxy.streamer.window import Arrival

logger = logging.getLogger(__name__)
TRANSPORTS: Final[tuple[Transport, ...]] = ("webrtc", "websocket", "rfb", "http")


class Streamer:
    """One session's streamer."""

    def __init__(self, config: Config, trace: StartTrace | None = None) -> None:
        self.config = config
        self.trace = trace or StartTrace({}, config.app.name)
        self.activity = ActivityClock(config.policy.busy_limit)
        self.metrics = Metrics()
        self.audio = AudioSource(config.desktop_path("pulse.sock"))
        self.microphone = Microphone(config.desktop_path("pulse.sock"), self.metrics.voice)
        self.viewers: dict[str, Viewer] = {}
        self.rfb_viewers = 0
        self.desktop = DesktopLink(config.desktop_path("desktop.sock"), self._on_status)
        self.sleeping = Sleeping(self.desktop, self.audio.hold, self.microphone.hold)
        self.sleep = Sleep(self.activity, self.desktop, self.sleeping.wake, self._tell_all, config.sleep_folder)
        rfb, xauthority = config.desktop_path("rfb.sock"), config.desktop_path("Xauthority")
        self.display = Display(rfb, xauthority, config.policy, self, config.capture)
        self.screen: tuple[int, int] | None = None
        self.cursor: CursorShape | None = None
        self.announcement = ""
        self.refusals = 0
        self._ids = itertools.count(1)
        self._streams: Streams[SinkKey] = Streams(self.display, config.policy, self._deliver, self.metrics.frame)

    @property
    def transports(self) -> list[Transport]:
        """What a viewer may choose from, the best first."""
        return [name for name in TRANSPORTS if name != "webrtc" or find_spec("aiortc") is not None]

    def start(self) -> list[asyncio.Task[None]]:
        """Begin: connects to the desktop, and to its display as soon as there is one.

        Returns what must go on for as long as the streamer is to be of use.
        """
        watch = BusyWatch(self.desktop.request, self.config.policy, self.activity)
        busy = asyncio.create_task(watch.run(), name="busy-watch")
        return [self.display.start(), self.desktop.start(), busy]

    async def close(self) -> None:
        """Say goodbye to all viewers and free everything."""
        await asyncio.gather(
            *(
                viewer.goodbye("shutdown", "The session's streamer is ending. The page connects again by itself.")
                for viewer in list(self.viewers.values())
            )
        )
        self._streams.detach()
        self.microphone.close()
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
        self._streams.usual.expect()
        self._announce_viewers()
        self.trace.joined(viewer.id)

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer whose sinks have been closed."""
        self.microphone.leave(viewer.id)
        self.trace.left(viewer.id)
        if self.viewers.pop(viewer.id, None) is not None:
            self._announce_viewers()

    def count_refusal(self, code: Code) -> None:
        """Note that a message or a viewer was refused."""
        self.refusals += 1
        self.metrics.refused(code)

    def _announce_viewers(self) -> None:
        self._tell_all({"type": "viewers", "count": len(self.viewers)})

    def announce(self, text: str) -> None:
        """Show all viewers, and those who come, what is announced; empty: nothing any more."""
        if text != self.announcement:
            self.announcement = text
            self._tell_all(self.announcement_message())

    def announcement_message(self) -> dict[str, Any]:
        """Return the `announcement` message of now."""
        return {"type": "announcement", "text": self.announcement}

    def _tell_all(self, message: dict[str, Any]) -> None:
        for viewer in self.viewers.values():
            viewer.send(message)

    # Sinks

    def open_sink(
        self, key: SinkKey, *, codec: Codec = "h264", acknowledges: bool, hidden: bool, first_id: int = 0
    ) -> None:
        """Begin sending frames in `codec` to a viewer's transport, from a keyframe on."""
        self._streams.open(key, codec, acknowledges=acknowledges, hidden=hidden, first_id=first_id)

    def close_sink(self, key: SinkKey) -> int:
        """End it; returns the id that its next frame would have had."""
        return self._streams.close(key)

    def hide_sink(self, key: SinkKey, hidden: bool) -> None:
        """Pause or go on."""
        if (stream := self._streams.of(key)) is not None:
            stream.hide(key, hidden)

    def acknowledge(self, key: SinkKey, frame_id: int) -> Arrival | None:
        """Take an acknowledgement; None: of a frame that is not outstanding."""
        stream = self._streams.of(key)
        return None if stream is None else stream.acknowledge(key, frame_id)

    def ask_keyframe(self, key: SinkKey) -> None:
        """Note that a viewer's decoder needs a keyframe."""
        if (stream := self._streams.of(key)) is not None:
            stream.ask_keyframe(key)

    def limit_bitrate(self, key: SinkKey, bitrate: int) -> None:
        """Learn what a viewer's line carries: the narrowest line of those that take part sets the rate for all."""
        if (stream := self._streams.of(key)) is not None:
            stream.limit_bitrate(key, bitrate)

    def frame_rate(self, key: SinkKey) -> int:
        """Return how many frames per second a viewer gets at most, at present."""
        stream = self._streams.of(key)
        return self.config.policy.max_fps if stream is None else stream.quality.fps

    def set_window(self, key: SinkKey, frames: int) -> None:
        """Let a viewer hold so many unacknowledged frames."""
        if (stream := self._streams.of(key)) is not None:
            stream.set_window(key, frames)

    @property
    def preset(self) -> Preset:
        """What gives way when a line is narrow."""
        return self._streams.preset

    def set_preset(self, preset: Preset) -> None:
        """Choose it, for the whole session: there is one encode for all."""
        if preset is not self._streams.preset:
            self._streams.set_preset(preset)
            for viewer in self.viewers.values():
                viewer.send({"type": "quality", "preset": preset.value})

    def _deliver(self, key: SinkKey, frame: EncodedFrame, frame_id: int, video: VideoFormat) -> None:
        viewer_id, transport = key
        self.viewers[viewer_id].media.send_frame(transport, frame, frame_id, video)

    # From the display

    def on_attached(self) -> None:
        """See `DisplayListener`."""
        self._streams.attach()
        self.trace.attached()

    def on_detached(self) -> None:
        """See `DisplayListener`."""
        self.screen = None
        self._streams.detach()

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

    def on_backend_failed(self, backend: Backend) -> None:
        """See `DisplayListener`."""
        self.metrics.backend_failed(backend)

    def share_clipboard(self, text: str, source: Viewer | None) -> None:
        """Tell all viewers that may know the session's clipboard, but the one that set it."""
        for viewer in self.viewers.values():
            if viewer is not source and viewer.may_read_clipboard:
                viewer.send({"type": "clipboard", "text": text})

    # From the desktop

    def _on_status(self, status: Status) -> None:
        self.display.follow(status.get("display"))
        self.sleeping.follow(status)
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
            "sleep": self.sleep.state,
        }

    # For machines

    def status(self) -> dict[str, Any]:
        """Return the body of `api/v1/status`."""
        return {
            "desktop": self.desktop.status,
            "app": {"name": self.config.app.name, "title": self.config.app.title},
            "screen": None if self.screen is None else {"width": self.screen[0], "height": self.screen[1]},
            "ready": self.display.ready and self.screen is not None,
            "activity": self.activity_object(),
            "transports": self.transports,
            "viewers": [
                {"viewer": viewer.id, "user": viewer.user, "role": viewer.role.value}
                for viewer in self.viewers.values()
            ],
        }

    def activity_object(self) -> dict[str, Any]:
        """Return the body of `api/v1/activity`."""
        sleep = self.sleep
        told = {"asleep_since": sleep.since, "memory": sleep.memory, "why_not": sleep.why_not}
        return {**self.activity.as_json(), "sleep": sleep.state, **told}

    @property
    def target_bitrate(self) -> int:
        """What the usual encode aims at, in bit/s."""
        return self._streams.usual.target_bitrate

    def metrics_text(self) -> bytes:
        """Return the body of `api/v1/metrics`."""
        for viewer in self.viewers.values():
            viewer.media.peers.count()
        fps, bitrate = self._streams.rates()
        roles = Counter(viewer.role for viewer in self.viewers.values())
        shown = Counter(viewer.media.shown for viewer in self.viewers.values())
        return self.metrics.render(
            Snapshot(
                fps,
                bitrate,
                self.target_bitrate,
                {role: roles[role] for role in Role},
                {transport: shown[transport] for transport in TRANSPORTS},
                self.activity.idle,
                self.activity.busy is not None,
                self.sleep.frozen,
            )
        )

    def stats(self) -> dict[str, Any]:
        """Return the body of `api/v1/stats`."""
        return {
            **self._streams.stats(),
            "preset": self.preset.value,
            "refusals": self.refusals,
            "rfb_viewers": self.rfb_viewers,
            "viewers": [viewer.stats() for viewer in self.viewers.values()],
        }
