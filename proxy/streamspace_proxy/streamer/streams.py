"""The session's streams: one for each codec that somebody takes, all of one display.

Starts an engine with the first sink of a codec and ends it with the last. H.264's is connected as long as there is a
display, so that the usual viewer's first picture does not wait for it; without viewers it rests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from streamspace_hub.model import Policy
from streamspace_proxy.streamer.capture import CaptureBackend, Codec
from streamspace_proxy.streamer.display import Display
from streamspace_proxy.streamer.frames import EncodedFrame
from streamspace_proxy.streamer.quality import Preset
from streamspace_proxy.streamer.stream import VideoFormat, VideoStream

USUAL: Final[Codec] = "h264"
Key = TypeVar("Key", bound=tuple[str, str])


class Streams(Generic[Key]):
    """See the module.

    `deliver` gets a sink's key, a frame, the frame's id for this sink and what the frame is; `count` every frame once.
    """

    def __init__(
        self,
        display: Display,
        policy: Policy,
        deliver: Callable[[Key, EncodedFrame, int, VideoFormat], None],
        count: Callable[[EncodedFrame], None],
    ) -> None:
        self.preset = Preset.SHARP
        self._display = display
        self._policy = policy
        self._deliver = deliver
        self._count = count
        self._usual: VideoStream[Key] = self._make(USUAL)
        self._streams: dict[Codec, VideoStream[Key]] = {USUAL: self._usual}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def usual(self) -> VideoStream[Key]:
        """The stream in H.264."""
        return self._usual

    def open(self, key: Key, codec: Codec, *, acknowledges: bool, hidden: bool, first_id: int = 0) -> None:
        """Begin sending frames in `codec` to a sink."""
        stream = self._streams.get(codec)
        if stream is None:
            stream = self._streams[codec] = self._make(codec)
            if self._display.attached:
                self._attach(stream)
        stream.add(key, acknowledges=acknowledges, hidden=hidden, first_id=first_id)

    def close(self, key: Key) -> int:
        """End it; returns the id that its next frame would have had."""
        stream = self.of(key)
        if stream is None:
            return 0
        next_id = stream.remove(key)
        if not len(stream) and stream is not self._usual:
            del self._streams[stream.codec]
            if (engine := stream.detach()) is not None:
                task = asyncio.create_task(self._display.close_capture(engine))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
        return next_id

    def of(self, key: Key) -> VideoStream[Key] | None:
        """Return the stream that a sink takes."""
        return next((stream for stream in self._streams.values() if key in stream), None)

    def attach(self) -> None:
        """Begin capturing: there is a display."""
        for stream in self._streams.values():
            self._attach(stream)

    def detach(self) -> None:
        """Forget the engines: the display is gone, and has closed them."""
        for stream in self._streams.values():
            stream.detach()

    def set_preset(self, preset: Preset) -> None:
        """Trade detail against motion in another way, for all viewers."""
        self.preset = preset
        for stream in self._streams.values():
            stream.set_preset(preset)

    @property
    def capturing(self) -> bool:
        """Whether anybody sees anything."""
        return any(stream.capturing for stream in self._streams.values())

    def rates(self) -> tuple[float, float]:
        """Return frames and bits per second of late, of all streams together."""
        fps, bitrates = zip(*(stream.rates() for stream in self._streams.values()), strict=True)
        return sum(fps), sum(bitrates)

    def stats(self) -> dict[str, Any]:
        """Return figures: the H.264 stream's, and those of all streams in use by codec."""
        streams = {codec: stream.stats() for codec, stream in self._streams.items()}
        return {**streams[USUAL], "capturing": self.capturing, "streams": streams}

    def _make(self, codec: Codec) -> VideoStream[Key]:
        def deliver(key: Key, frame: EncodedFrame, frame_id: int) -> None:
            if stream.video is not None:
                self._deliver(key, frame, frame_id, stream.video)

        stream: VideoStream[Key] = VideoStream(codec, self._policy, self.preset, deliver, self._count)
        return stream

    def _attach(self, stream: VideoStream[Key]) -> None:
        engine: CaptureBackend = self._display.open_capture(stream)
        stream.attach(engine)
