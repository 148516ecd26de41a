"""One viewer's media: which transports carry its pictures and its sound.

Knows the protocol's `start` and `stop` rules, and nothing of roles: media is everybody's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from streamspace_proxy.streamer import messages, packing
from streamspace_proxy.streamer.capture import CODECS, Codec
from streamspace_proxy.streamer.frames import EncodedFrame, OpusPacket
from streamspace_proxy.streamer.messages import Refusal, Transport
from streamspace_proxy.streamer.metrics import RtpFigures
from streamspace_proxy.streamer.outbox import Outbox
from streamspace_proxy.streamer.peers import RtcCodec, ViewerPeers
from streamspace_proxy.streamer.phases import Phases
from streamspace_proxy.streamer.stream import VideoFormat

if TYPE_CHECKING:
    from streamspace_proxy.streamer.core import Streamer

SinkKey = tuple[str, Transport]
InBand = Literal["websocket", "http"]
TRANSPORTS: Final[tuple[Transport, ...]] = ("websocket", "webrtc", "rfb", "http")


class ViewerMedia:
    """What goes to one viewer besides control messages. `inband`: the transport that its own messages carry."""

    def __init__(
        self,
        core: Streamer,
        viewer_id: str,
        outbox: Outbox,
        refuse: Callable[[Refusal], None],
        inband: InBand = "websocket",
    ) -> None:
        self.inband = inband
        self._core = core
        self._id = viewer_id
        self._outbox = outbox
        self._refuse = refuse
        self._audio_allowed = core.config.policy.audio
        self._hidden = False
        self._epochs: dict[Transport, int] = {}
        self._codec: Codec = "h264"
        self._next_frame_id = 0
        self._newest_id: int | None = None
        self._sound_id = 0
        self._sound: dict[Transport, bool] = {}
        self._unsubscribe_sound: Callable[[], None] | None = None
        self.peers = ViewerPeers(self, core.config.policy, self._send, refuse)
        self._rtc_wanted = False
        self._rtc_codec: Codec | None = None
        self._transports: set[Transport] = set()
        self.frames = 0
        self.phases = Phases()

    def send_frame(self, transport: Transport, frame: EncodedFrame, frame_id: int, video: VideoFormat) -> None:
        """Send one video frame on one of the viewer's transports."""
        if self.frames == 0:
            self._core.trace.sent(self._id, transport)
        self.frames += 1
        if frame.epoch != self._epochs.get(transport):
            if frame.epoch not in self._epochs.values():
                self._send({"type": "video", **video.as_json()})
            self._epochs[transport] = frame.epoch
        encoded_at = None
        if frame.timings is not None:
            encoded_at = frame.timings.done
            self.phases.frame(frame.timings)
        if transport == "webrtc":
            self.peers.send_video(frame, frame_id)
            self.left("webrtc", encoded_at)
            return
        self._newest_id = frame_id
        self._outbox.put(packing.pack_video(frame, frame_id), encoded_at=encoded_at)

    def has_sent(self, frame_id: int) -> bool:
        """Whether a frame of this id has been sent on the viewer socket."""
        return self._newest_id is not None and packing.is_sent(frame_id, self._newest_id)

    def left(self, transport: Transport, encoded_at: float | None) -> None:
        """Note that a frame encoded at `encoded_at` (time.monotonic()) is on its way."""
        if encoded_at is not None:
            waited = time.monotonic() - encoded_at
            self.phases.queued(waited)
            self._core.metrics.queued(transport, waited)

    def _send_sound(self, packet: OpusPacket) -> None:
        """Send sound on WebRTC where it is up, else on the viewer socket: never on both, which would be heard twice."""
        if "webrtc" in self._transports and self._sound.get("webrtc"):
            self.peers.send_audio(packet)
        elif self._sound.get(self.inband) or self._sound.get("rfb"):
            self._sound_id += 1
            self._outbox.put(packing.pack_sound(packet, self._sound_id), sound=True)

    @property
    def offered(self) -> list[Transport]:
        """What this viewer may choose from: where no WebSocket gets through, noVNC's does not either."""
        other: tuple[Transport, ...] = ("http",) if self.inband == "websocket" else ("websocket", "rfb")
        return [transport for transport in self._core.transports if transport not in other]

    @property
    def transports(self) -> list[Transport]:
        """Transports that carry pictures now."""
        return sorted(self._transports)

    @property
    def shown(self) -> Transport | None:
        """The transport whose picture the page shows: while it changes to WebRTC, the one before."""
        if self.inband in self._transports or "webrtc" in self._transports:
            return self.inband if self.inband in self._transports else "webrtc"
        return "rfb" if "rfb" in self._sound else None

    @property
    def hidden(self) -> bool:
        """Whether the page cannot be seen."""
        return self._hidden

    def hide(self, hidden: bool) -> None:
        """Carry out `visibility`. Sound goes on: a hidden page may still be listened to."""
        self._hidden = hidden
        for transport in self._transports:
            self._core.hide_sink((self._id, transport), hidden)

    def ask_keyframe(self) -> None:
        """Carry out `keyframe`."""
        self._core.metrics.keyframe_requested()
        for transport in self._transports:
            self._core.ask_keyframe((self._id, transport))

    def close(self) -> None:
        """End all of it."""
        for transport in TRANSPORTS:
            self.stop(transport)

    def stats(self) -> dict[str, Any]:
        """Return figures for `api/v1/stats`."""
        return {
            "transports": self.transports,
            "hidden": self._hidden,
            "frames": self.frames,
            "webrtc": self.peers.stats(),
        }

    def _send(self, message: dict[str, Any]) -> None:
        self._outbox.put(messages.dump(message))

    def start(self, transport: Transport, sound: bool, codecs: Sequence[str]) -> None:
        """Carry out `start`. `codecs`: what the viewer can decode, what it likes best first."""
        if transport not in self.offered:
            sentence = f"transport {transport} is not offered on this connection; offered: {', '.join(self.offered)}."
            self._refuse(Refusal("transport_failed", sentence, "transport"))
            return
        codec = next((codec for wanted in codecs for codec in CODECS if codec == wanted), None)
        if codec is None and transport != "rfb":
            sentence = f"codecs must hold one of {', '.join(CODECS)}. Use the transport rfb, which needs none of them."
            self._refuse(Refusal("transport_failed", sentence, "codecs"))
            return
        self._codec = codec or self._codec
        sound = sound and self._audio_allowed
        if transport == "webrtc":
            # The WebSocket's media goes on until the viewer has seen a frame from WebRTC and says stop.
            self._rtc_wanted = True
            self._sound["webrtc"] = sound
            self._open_rtc_sink()
        else:
            for other in TRANSPORTS:
                self._end(other)
            self._sound[transport] = sound
            if transport == self.inband:
                self._open_sink(transport, self._codec)
        self._listen()

    def stop(self, transport: Transport) -> None:
        """Carry out `stop`."""
        self._end(transport)
        self._listen()

    def _end(self, transport: Transport) -> None:
        self._sound.pop(transport, None)
        if transport in self._transports:
            self._transports.discard(transport)
            next_id = self._core.close_sink((self._id, transport))
            if transport == self.inband:
                self._next_frame_id = next_id
        if transport == "webrtc":
            self._rtc_wanted = False
            self.peers.drop()

    def _open_sink(self, transport: Transport, codec: Codec) -> None:
        self._transports.add(transport)
        # What was said of its pictures before may have been followed by what was said of another transport's.
        self._epochs.pop(transport, None)
        self._core.open_sink(
            (self._id, transport),
            codec=codec,
            acknowledges=True,
            hidden=self._hidden,
            first_id=self._next_frame_id if transport == self.inband else 0,
        )

    def _listen(self) -> None:
        """Subscribe to sound while one of the transports wants it."""
        wanted = any(self._sound.values())
        if wanted and self._unsubscribe_sound is None:
            self._unsubscribe_sound = self._core.audio.subscribe(self._send_sound)
        elif not wanted and self._unsubscribe_sound is not None:
            self._unsubscribe_sound()
            self._unsubscribe_sound = None

    # From WebRTC (`PeersListener`)

    def rtc_connected(self, codec: RtcCodec) -> None:
        """Send it frames, if it has been started."""
        if "webrtc" in self._transports and codec == self._rtc_codec:
            # As after a pause: from a keyframe on, and without waiting for what the one before still had to send.
            self._core.hide_sink((self._id, "webrtc"), True)
            self._core.hide_sink((self._id, "webrtc"), self._hidden)
        self._open_rtc_sink()

    def rtc_lost(self) -> None:
        """Say so where it was in use, and end it."""
        if self._rtc_wanted:
            self._send(Refusal("transport_failed", "The WebRTC connection was lost; the WebSocket goes on.").as_json())
        self.stop("webrtc")

    def rtc_keyframe(self) -> None:
        """Ask for a keyframe."""
        self._core.metrics.keyframe_requested()
        self._core.ask_keyframe((self._id, "webrtc"))

    def rtc_taken(self, frame_id: int) -> None:
        """Make room: what has left is all that can be known, what has arrived would be known too late."""
        self._core.acknowledge((self._id, "webrtc"), frame_id)

    def rtc_bitrate(self, bitrate: int) -> None:
        """Keep to it."""
        self._core.limit_bitrate((self._id, "webrtc"), bitrate)

    def rtc_sent(self, before: RtpFigures, now: RtpFigures) -> None:
        """Count it."""
        self._core.metrics.rtp(before, now)

    def _open_rtc_sink(self) -> None:
        codec = self.peers.connected
        if not self._rtc_wanted or codec is None or ("webrtc" in self._transports and codec == self._rtc_codec):
            return
        if "webrtc" in self._transports:
            self._core.close_sink((self._id, "webrtc"))
        self._rtc_codec = codec
        self._open_sink("webrtc", codec)
