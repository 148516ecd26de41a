"""One viewer's WebRTC connection: ready video and sound packets in, RTP out. aiortc negotiates, encrypts and sends.

Knows nothing of messages and roles. Importing this module imports aiortc, which takes a while: do it off the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp

from streamspace_proxy.streamer import webrtc_hooks
from streamspace_proxy.streamer.congestion import MAX_BITRATE, CongestionControl
from streamspace_proxy.streamer.doubt import Doubt
from streamspace_proxy.streamer.frames import EncodedFrame, OpusPacket
from streamspace_proxy.streamer.metrics import RtpFigures
from streamspace_proxy.streamer.peers import RtcCodec
from streamspace_proxy.streamer.transport_feedback import FeedbackReader
from streamspace_proxy.streamer.webrtc_steering import RtcpSteering, SendRate

logger = logging.getLogger(__name__)
webrtc_hooks.install()

# Baseline first: what the encoder makes. Browsers decode any level under either.
PROFILES: Final = ("42e01f", "42001f")
MAX_VIDEO_QUEUE: Final = 6
MAX_AUDIO_QUEUE: Final = 25
MAX_CANDIDATES: Final = 64
CONNECT_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 5.0
REST_SECONDS: Final = 2.0
KEYFRAME_INTERVAL: Final = 0.25
CLOCK_INTERVAL: Final = 10.0
RTCP_LEAST_PACE, RTCP_PACE_FACTOR = 16_000_000, 4


class WebRtcError(Exception):
    """The viewer's offer or candidate cannot be used; the text is one sentence."""


class _PacketTrack(MediaStreamTrack):
    """A bounded queue from which aiortc's sender takes."""

    def __init__(
        self, kind: str, limit: int, on_first: Callable[[], None], on_sent: Callable[[int], None] = lambda _: None
    ) -> None:
        self.kind = kind
        super().__init__()
        self.flowing = False
        self._limit = limit
        self._queue: deque[tuple[EncodedFrame | OpusPacket, int]] = deque()
        self._filled = asyncio.Event()
        self._on_first = on_first
        self._on_sent = on_sent
        self._sending: int | None = None

    def put(self, packet: EncodedFrame | OpusPacket, number: int = 0) -> bool:
        """Queue a packet; False: there was no room, and what was queued is thrown away too."""
        if len(self._queue) >= self._limit:
            self._queue.clear()
            return False
        self._queue.append((packet, number))
        self._filled.set()
        return True

    @property
    def empty(self) -> bool:
        """Whether all that was queued has left."""
        return self._sending is None and not self._queue

    async def recv(self) -> Any:
        """Return the next packet; aiortc hands what is no raw frame to the sender's packer.

        It comes for the next one when all of the one before has left.
        """
        if not self.flowing:
            self.flowing = True
            self._on_first()
        if self._sending is not None:
            sent, self._sending = self._sending, None
            self._on_sent(sent)
        while not self._queue:
            if self.readyState != "live":
                raise MediaStreamError
            self._filled.clear()
            await self._filled.wait()
        packet, self._sending = self._queue.popleft()
        return packet


class PeerListener(Protocol):
    """Who is told what happens on a connection; everything comes on the event loop."""

    def peer_changed(self, peer: WebRtcPeer, state: str) -> None:
        """Take `connecting`, `connected`, and at the end `failed` or `closed`: either means that it is over."""

    def peer_needs_keyframe(self, peer: WebRtcPeer) -> None:
        """Note that the viewer's decoder needs a keyframe."""

    def peer_carries(self, peer: WebRtcPeer, bitrate: int) -> None:
        """Learn what the viewer's network seems to take, in bit/s."""

    def peer_sent(self, peer: WebRtcPeer, frame_id: int) -> None:
        """Note that a frame has left, or never will: there is room for another."""

    def peer_refused(self, peer: WebRtcPeer, why: str) -> None:
        """Note that the viewer sent a report that cannot be read."""

    def peer_clock(self, peer: WebRtcPeer, rtp: int, capture_us: int) -> None:
        """Learn which RTP timestamp the frame captured at `capture_us` has."""


class WebRtcPeer:
    """Answers one offer."""

    def __init__(self, listener: PeerListener, max_bitrate: int = MAX_BITRATE) -> None:
        # Never None: then aiortc would ask a public STUN server. Viewers bring the relays, we need none.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.on("connectionstatechange", self._state_changed)
        self._listener = listener
        self._control = CongestionControl(max_bitrate)
        self._feedback = FeedbackReader()
        self._pacer = webrtc_hooks.BurstPacer(self._control.pace)
        self._packer = webrtc_hooks.VideoPacker(self._estimated)
        # For viewers that send no transport-wide feedback.
        self._steering: RtcpSteering | None = RtcpSteering()
        self._rate = SendRate()
        self._video_track = _PacketTrack("video", MAX_VIDEO_QUEUE, self._want_keyframe, self._has_left)
        self._audio_track: _PacketTrack | None = None
        self._video: Any = None
        self._awaiting_keyframe = True
        self._keyframe_asked = self._decoder_asked = self._clock_told = self._queued_at = -math.inf
        self._reached: int | None = None
        self._doubt = Doubt()
        self._next_look: asyncio.TimerHandle | None = None
        self._candidates = 0
        self._sent = self._dropped = 0
        self._state = "new"
        self._bitrate: int | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def state(self) -> str:
        """One of `new`, `connecting`, `connected`, `failed`, `closed`."""
        return self._state

    @property
    def codec(self) -> RtcCodec:
        """What frames must be encoded in; agreed on by the answer."""
        return self._packer.codec

    async def answer(self, offer_sdp: str, audio: bool) -> str:
        """Return the answer to a browser's offer, all candidates included. Raises `WebRtcError`."""
        if self._video is not None:
            raise WebRtcError("this connection has its answer already; make a new one")
        video = self._connection.addTransceiver(self._video_track, direction="sendonly")
        self._video = video.sender
        # Before the remote description: otherwise VP8 is agreed on, also where H.264 could be.
        video.setCodecPreferences(_preferred())
        webrtc_hooks.hook_video(video.sender, self._packer, self._decoder_asks)
        webrtc_hooks.observe_reports(video.sender, self._reported)
        if audio and "\nm=audio" in offer_sdp:
            self._add_audio()
        try:
            offer = RTCSessionDescription(sdp=_without_mdns(offer_sdp), type="offer")
            await self._connection.setRemoteDescription(offer)
            webrtc_hooks.forget_unused(self._connection)
            if video.mid is None:
                raise WebRtcError("the offer has no video section")
            self._packer.codec = "vp8" if video._codecs[0].name == "VP8" else "h264"
            webrtc_hooks.tap_sending(video.sender, self._pacer, self._packed, self._control.sent)
            webrtc_hooks.hear_feedback(video.sender, self._arrived, self._refuse)
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except OperationError as error:
            raise WebRtcError(
                "the browser offers neither H.264 nor VP8 that can be sent; use another transport"
            ) from error
        except WebRtcError:
            raise
        except Exception as error:  # aiortc parses with asserts, indexes and int(): anything may come out
            raise WebRtcError(f"the offer is not a usable session description ({type(error).__name__})") from error
        self._deadline = asyncio.get_running_loop().call_later(CONNECT_SECONDS, self._give_up)
        return str(self._connection.localDescription.sdp)

    async def add_candidate(self, candidate: str, mid: str | None) -> None:
        """Add one of the browser's ICE candidates (the SDP attribute's value; empty: that was all)."""
        value = candidate.removeprefix("candidate:").strip()
        if not value:
            # Not for aioice: it gives up when it has none, but those behind mDNS names show only by their checks.
            return
        self._candidates += 1
        if self._candidates > MAX_CANDIDATES:
            raise WebRtcError(f"too many candidates; at most {MAX_CANDIDATES} are accepted")
        try:
            parsed = candidate_from_sdp(value)
        except (AssertionError, ValueError, IndexError) as error:
            raise WebRtcError("the candidate is not in the form of RFC 8839") from error
        if _is_mdns(parsed.ip):
            return
        parsed.sdpMid = mid if mid is not None else "0"
        with contextlib.suppress(ValueError):  # after the end of candidates: late, and needless
            await self._connection.addIceCandidate(parsed)

    def send_video(self, frame: EncodedFrame, frame_id: int) -> None:
        """Queue a frame. A viewer that does not keep up loses frames up to the next keyframe, which is asked for."""
        if self._video_track.flowing and self._queue_video(frame, frame_id):
            return
        self._has_left(frame_id)

    def _queue_video(self, frame: EncodedFrame, frame_id: int) -> bool:
        if self._awaiting_keyframe and not frame.keyframe:
            self._dropped += 1
            self._want_keyframe()
            return False
        if self._video_track.put(frame, frame_id):
            self._awaiting_keyframe = False
            self._sent += 1
            self._queued_at = time.monotonic()
            self._doubt.sent(self._queued_at)
            if self._next_look is None:
                self._look_whether_it_came()
            return True
        self._dropped += 1 + MAX_VIDEO_QUEUE
        self._awaiting_keyframe = True
        self._want_keyframe()
        return False

    def _has_left(self, frame_id: int) -> None:
        self._doubt.sent(time.monotonic())
        if not self._closed:
            self._listener.peer_sent(self, frame_id)

    def send_audio(self, packet: OpusPacket) -> None:
        """Queue sound; what does not fit is lost, as old sound is worth nothing."""
        if self._audio_track is not None and self._audio_track.flowing:
            self._audio_track.put(packet)

    def stats(self) -> dict[str, Any]:
        """Return figures of this connection."""
        figures = {} if self._video is None else webrtc_hooks.sender_figures(self._video)
        return {
            "state": self._state,
            "frames": self._sent,
            "dropped": self._dropped,
            "estimate": self._packer.target_bitrate,
            "target_bitrate": self._bitrate,
            "capacity": None if self._control.capacity is None else round(self._control.capacity),
            "queue_ms": round(1000 * self._control.queue, 1),
            **figures,
        }

    def rtp_figures(self) -> RtpFigures:
        """Return the totals of the video that was sent."""
        if self._video is None:
            return RtpFigures()
        figures = webrtc_hooks.sender_figures(self._video)
        names = ("packets", "bytes", "lost", "retransmitted")
        return RtpFigures(*(int(figures[name] or 0) for name in names))

    async def close(self) -> None:
        """End the connection; no callback comes afterwards."""
        self._closed = True
        self._state = "closed"
        for timer in (self._deadline, self._next_look):
            if timer is not None:
                timer.cancel()
        webrtc_hooks.forget_unused(self._connection)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._connection.close()
        except TimeoutError:
            logger.warning("webrtc: a connection did not close in %s s", CLOSE_SECONDS)

    def _add_audio(self) -> None:
        self._audio_track = _PacketTrack("audio", MAX_AUDIO_QUEUE, lambda: None)
        audio: RTCRtpTransceiver = self._connection.addTransceiver(self._audio_track, direction="sendonly")
        audio.setCodecPreferences([c for c in RTCRtpSender.getCapabilities("audio").codecs if c.name == "opus"])
        # In a stream of its own: within one stream the browser holds video back until it fits the buffered sound.
        audio.sender._stream_id = str(uuid.uuid4())
        webrtc_hooks.hook_sender(audio.sender, webrtc_hooks.AudioPacker())

    def _decoder_asks(self) -> None:
        """Pass on a decoder's wish for a keyframe, unless it only wonders why nothing comes.

        Chromium asks three seconds after every frame that no other follows; a still screen would never come to rest.
        A decoder that cannot go on asks again and again.
        """
        now = time.monotonic()
        again, self._decoder_asked = now - self._decoder_asked < REST_SECONDS, now
        if again or now - self._queued_at < REST_SECONDS or not self._settled:
            self._want_keyframe()

    @property
    def _settled(self) -> bool:
        """Whether all has left, and the viewer has said in either way that the last packet came."""
        reached = self._reached is not None and self._reached == self._video.last_sequence
        return self._video_track.empty and (reached or self._control.settled)

    def _look_whether_it_came(self) -> None:
        self._next_look = None
        if self._closed:
            return
        now = time.monotonic()
        if not self._video_track.empty:
            self._doubt.sent(now)  # a large picture on a thin line is still leaving
        again, seconds = self._doubt.look(self._settled, now)
        if again:
            self._want_keyframe()
        if seconds is not None:
            self._next_look = asyncio.get_running_loop().call_later(seconds, self._look_whether_it_came)

    def _want_keyframe(self) -> None:
        now = time.monotonic()
        if not self._closed and now - self._keyframe_asked >= KEYFRAME_INTERVAL:
            self._keyframe_asked = now
            self._listener.peer_needs_keyframe(self)

    def _packed(self, rtp: int, capture_us: int) -> None:
        now = time.monotonic()
        if not self._closed and now - self._clock_told >= CLOCK_INTERVAL:
            self._clock_told = now
            self._listener.peer_clock(self, rtp, capture_us)

    def _arrived(self, feedback: bytes) -> None:
        try:
            arrivals = self._feedback.read(feedback)
        except ValueError as error:
            self._refuse(str(error))
            return
        self._steering = None
        bitrate = self._control.report(arrivals, asyncio.get_running_loop().time())
        self._pacer.set_rate(self._control.pace)
        self._steer(bitrate)

    def _refuse(self, why: str) -> None:
        logger.debug("webrtc: %s", why)
        self._listener.peer_refused(self, why)

    def _estimated(self, estimate: int) -> None:
        if self._steering is not None:
            self._steer_by_rtcp(self._steering.remb(estimate, self._sent_rate(), time.monotonic()))

    def _reported(self, lost: float, round_trip: float | None, reached: int) -> None:
        self._reached = reached
        if self._steering is not None:
            self._steer_by_rtcp(self._steering.report(lost, round_trip, self._sent_rate(), time.monotonic()))

    def _sent_rate(self) -> float:
        assert self._video is not None
        sent = webrtc_hooks.sender_figures(self._video)["bytes"]
        return self._rate.update(int(sent or 0), time.monotonic())

    def _steer_by_rtcp(self, bitrate: int) -> None:
        self._pacer.set_rate(max(RTCP_LEAST_PACE, RTCP_PACE_FACTOR * bitrate))
        self._steer(bitrate)

    def _steer(self, bitrate: int) -> None:
        if not self._closed and bitrate != self._bitrate:
            self._bitrate = bitrate
            self._listener.peer_carries(self, bitrate)

    def _state_changed(self) -> None:
        self._set_state(str(self._connection.connectionState))

    def _give_up(self) -> None:
        if self._state != "connected":
            self._set_state("failed")

    def _set_state(self, state: str) -> None:
        # After a failure aiortc may still say "closed": the first word is the one that counts.
        if self._closed or self._state in (state, "failed"):
            return
        self._state = state
        if state == "connected" and self._deadline is not None:
            self._deadline.cancel()
        self._listener.peer_changed(self, state)
        if state == "connected":
            self._steer(self._control.bitrate)


def _preferred() -> list[Any]:
    """Return H.264, then VP8 for browsers that have it in WebRTC only with a plugin (Firefox), then retransmission."""
    capabilities = RTCRtpSender.getCapabilities("video").codecs
    by_name = {name: [codec for codec in capabilities if codec.name == name] for name in ("H264", "VP8", "rtx")}
    by_name["H264"].sort(key=lambda codec: PROFILES.index(codec.parameters["profile-level-id"]))
    return [codec for codecs in by_name.values() for codec in codecs]


def _is_mdns(host: str) -> bool:
    """Whether a browser hides its address. Resolving it takes multicast and a second, and is not needed.

    The browser's own checks reach our host candidates, and show where they come from (RFC 8445 section 7.3.1.3).
    """
    return host.endswith(".local")


def _without_mdns(sdp: str) -> str:
    lines = sdp.splitlines(keepends=True)
    return "".join(line for line in lines if not (line.startswith("a=candidate:") and ".local " in line))
