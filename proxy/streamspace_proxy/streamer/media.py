"""One viewer's media: which transports carry its pictures and its sound, and its WebRTC connection.

Knows the protocol's `start` and `stop` rules, and nothing of roles: media is everybody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from streamspace_proxy.streamer import messages
from streamspace_proxy.streamer.frames import EncodedFrame, OpusPacket
from streamspace_proxy.streamer.messages import Refusal, Transport
from streamspace_proxy.streamer.metrics import RtpFigures
from streamspace_proxy.streamer.outbox import Outbox

if TYPE_CHECKING:
    from streamspace_proxy.streamer.core import Streamer
    from streamspace_proxy.streamer.webrtc import WebRtcPeer

SinkKey = tuple[str, Transport]
TRANSPORTS: Final[tuple[Transport, ...]] = ("websocket", "webrtc", "rfb")


class ViewerMedia:
    """What goes to one viewer besides control messages."""

    def __init__(self, core: Streamer, viewer_id: str, outbox: Outbox, refuse: Callable[[Refusal], None]) -> None:
        self._core = core
        self._id = viewer_id
        self._outbox = outbox
        self._refuse = refuse
        self._audio_allowed = core.config.policy.audio
        self._hidden = False
        self._epoch: int | None = None
        self._next_frame_id = 0
        self._sound_id = 0
        self._sound: dict[Transport, bool] = {}
        self._unsubscribe_sound: Callable[[], None] | None = None
        self._peer: WebRtcPeer | None = None
        self._peer_state = ""
        self._peer_wanted = False
        self._rtp = RtpFigures()
        # Candidates wait for the offer that they belong to.
        self._signalling = asyncio.Lock()
        self._transports: set[Transport] = set()
        self.frames = 0

    def send_frame(self, transport: Transport, frame: EncodedFrame, frame_id: int) -> None:
        """Send one video frame on one of the viewer's transports."""
        self.frames += 1
        if frame.epoch != self._epoch and (video := self._core.video) is not None:
            self._epoch = frame.epoch
            self._send(
                {
                    "type": "video",
                    "epoch": video.epoch,
                    "codec": video.codec,
                    "width": video.width,
                    "height": video.height,
                }
            )
        encoded_at = None if frame.timings is None else frame.timings.done
        if transport == "webrtc":
            if self._peer is not None:
                self._peer.send_video(frame)
                if encoded_at is not None:
                    self._core.metrics.queued("webrtc", encoded_at)
            return
        self._outbox.put(messages.pack_video(frame, frame_id), encoded_at=encoded_at)

    def _send_sound(self, packet: OpusPacket) -> None:
        """Send sound on WebRTC where it is up, else on the viewer socket: never on both, which would be heard twice."""
        if self._peer is not None and "webrtc" in self._transports and self._sound.get("webrtc"):
            self._peer.send_audio(packet)
        elif self._sound.get("websocket") or self._sound.get("rfb"):
            self._sound_id += 1
            self._outbox.put(messages.pack_sound(packet, self._sound_id), sound=True)

    @property
    def transports(self) -> list[Transport]:
        """Transports that carry pictures now."""
        return sorted(self._transports)

    @property
    def shown(self) -> Transport | None:
        """The transport whose picture the page shows: while it changes to WebRTC, the one before."""
        if "websocket" in self._transports or "webrtc" in self._transports:
            return "websocket" if "websocket" in self._transports else "webrtc"
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
            "webrtc": None if self._peer is None else self._peer.stats(),
        }

    def _send(self, message: dict[str, Any]) -> None:
        self._outbox.put(messages.dump(message))

    def start(self, transport: Transport, sound: bool) -> None:
        """Carry out `start`."""
        sound = sound and self._audio_allowed
        if transport == "webrtc":
            # The WebSocket's media goes on until the viewer has seen a frame from WebRTC and says stop.
            self._peer_wanted = True
            self._sound["webrtc"] = sound
            self._open_peer_sink()
        else:
            for other in TRANSPORTS:
                self._end(other)
            self._sound[transport] = sound
            if transport == "websocket":
                self._open_sink("websocket")
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
            if transport == "websocket":
                self._next_frame_id = next_id
        if transport == "webrtc":
            self._peer_wanted = False
            self._drop_peer()

    def _open_sink(self, transport: Transport) -> None:
        self._transports.add(transport)
        websocket = transport == "websocket"
        self._core.open_sink(
            (self._id, transport),
            acknowledges=websocket,
            hidden=self._hidden,
            first_id=self._next_frame_id if websocket else 0,
        )

    def _listen(self) -> None:
        """Subscribe to sound while one of the transports wants it."""
        wanted = any(self._sound.values())
        if wanted and self._unsubscribe_sound is None:
            self._unsubscribe_sound = self._core.audio.subscribe(self._send_sound)
        elif not wanted and self._unsubscribe_sound is not None:
            self._unsubscribe_sound()
            self._unsubscribe_sound = None

    # WebRTC

    async def answer(self, sdp: str) -> None:
        """Carry out `rtc_offer`: a connection of its own for each offer."""
        async with self._signalling:
            # Loading aiortc takes hundreds of milliseconds: off the loop, and only for those who want it.
            webrtc = await asyncio.to_thread(_load_webrtc)
            self._drop_peer()
            key: SinkKey = (self._id, "webrtc")
            peer: WebRtcPeer = webrtc.WebRtcPeer(
                ice_servers=[],
                request_keyframe=lambda: self._keyframe_lost(key),
                on_bitrate=lambda bitrate: self._core.limit_bitrate(key, bitrate),
                on_state=lambda state: self._peer_changed(peer, state),
            )
            self._peer = peer
            try:
                answer = await peer.answer(sdp, audio=self._audio_allowed)
            except webrtc.WebRtcError as error:
                self._drop_peer()
                self._refuse(Refusal("transport_failed", f"WebRTC: {error}.", "sdp"))
            else:
                self._send({"type": "rtc_answer", "sdp": answer})

    async def add_candidate(self, message: messages.RtcCandidate) -> None:
        """Carry out `rtc_candidate`."""
        async with self._signalling:
            if self._peer is None:
                self._refuse(Refusal("bad_message", "rtc_candidate comes after rtc_offer.", "candidate"))
                return
            webrtc = _load_webrtc()
            try:
                await self._peer.add_candidate(message.candidate, message.mid)
            except webrtc.WebRtcError as error:
                self._refuse(Refusal("bad_message", f"WebRTC: {error}.", "candidate"))

    def _keyframe_lost(self, key: SinkKey) -> None:
        self._core.metrics.keyframe_requested()
        self._core.ask_keyframe(key)

    def count_rtp(self) -> None:
        """Add what WebRTC has sent since the last time to the metrics."""
        if self._peer is not None:
            figures = self._peer.rtp_figures()
            self._core.metrics.rtp(self._rtp, figures)
            self._rtp = figures

    def _peer_changed(self, peer: WebRtcPeer, state: str) -> None:
        if peer is not self._peer:
            return
        self._peer_state = state
        if state == "connected":
            self._open_peer_sink()
        elif state in ("failed", "closed"):
            if self._peer_wanted:
                self._send(
                    Refusal("transport_failed", "The WebRTC connection was lost; the WebSocket goes on.").as_json()
                )
            self.stop("webrtc")

    def _open_peer_sink(self) -> None:
        if self._peer_wanted and self._peer_state == "connected" and "webrtc" not in self._transports:
            self._open_sink("webrtc")

    def _drop_peer(self) -> None:
        self.count_rtp()
        peer, self._peer, self._rtp = self._peer, None, RtpFigures()
        self._peer_state = ""
        if "webrtc" in self._transports:
            self._transports.discard("webrtc")
            self._core.close_sink((self._id, "webrtc"))
        if peer is not None:
            _keep(asyncio.create_task(peer.close(), name=f"{self._id}-peer-close"))


_closing: set[asyncio.Task[None]] = set()


def _keep(task: asyncio.Task[None]) -> None:
    """Hold on to a task that outlives its viewer: the loop itself does not."""
    _closing.add(task)
    task.add_done_callback(_closing.discard)


def _load_webrtc() -> Any:
    from streamspace_proxy.streamer import webrtc

    return webrtc
