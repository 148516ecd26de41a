"""One viewer's WebRTC connections: one, and while it moves to another network its successor too.

aioice cannot restart ICE within a connection, so a viewer whose network changed makes a new one (make before break):
the old one goes on until the new one is connected, and for a moment longer, so that its picture stays until the new
one's comes. Knows signalling and nothing of sinks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from streamspace_hub.model import Policy
from streamspace_proxy.streamer import messages
from streamspace_proxy.streamer.frames import EncodedFrame, OpusPacket
from streamspace_proxy.streamer.messages import Refusal
from streamspace_proxy.streamer.metrics import RtpFigures

if TYPE_CHECKING:
    from streamspace_proxy.streamer.webrtc import WebRtcPeer

OVERLAP_SECONDS: Final = 2.0
"""How long the old connection gets frames too: until the viewer has one from the new connection, and closes the old."""

RtcCodec = Literal["h264", "vp8"]


class PeersListener(Protocol):
    """Who is told what happens; everything comes on the event loop."""

    def rtc_connected(self, codec: RtcCodec) -> None:
        """Learn that a connection has come up, in place of the one before if there was one: frames can be sent."""

    def rtc_lost(self) -> None:
        """Learn that the connection has ended, and none takes its place."""

    def rtc_keyframe(self) -> None:
        """Note that a decoder needs a keyframe."""

    def rtc_bitrate(self, bitrate: int) -> None:
        """Learn what the viewer's network seems to carry, in bit/s."""

    def rtc_taken(self, frame_id: int) -> None:
        """Note that a frame has left, or never will: there is room for another."""

    def rtc_sent(self, before: RtpFigures, now: RtpFigures) -> None:
        """Count what has been sent on a connection between two moments."""


class ViewerPeers:
    """See the module."""

    def __init__(
        self,
        listener: PeersListener,
        policy: Policy,
        send: Callable[[dict[str, Any]], None],
        refuse: Callable[[Refusal], None],
    ) -> None:
        self._listener = listener
        self._policy = policy
        self._send = send
        self._refuse = refuse
        self._current: WebRtcPeer | None = None
        self._coming: WebRtcPeer | None = None
        self._leaving: WebRtcPeer | None = None
        self._figures = RtpFigures()
        # Candidates wait for the offer that they belong to.
        self._signalling = asyncio.Lock()

    # What is sent

    @property
    def connected(self) -> RtcCodec | None:
        """What frames are to be encoded in, None while there is no connection."""
        return None if self._current is None else self._current.codec

    def send_video(self, frame: EncodedFrame, frame_id: int) -> None:
        """Send a frame to the connection, and to the one that it takes the place of."""
        if self._current is None:
            self._listener.rtc_taken(frame_id)
        for peer in (self._current, self._leaving):
            if peer is not None:
                peer.send_video(frame, frame_id)

    def send_audio(self, packet: OpusPacket) -> None:
        """Send sound. Not twice: a page plays both connections' for a moment."""
        if self._current is not None:
            self._current.send_audio(packet)

    def stats(self) -> dict[str, Any] | None:
        """Return figures of the connection."""
        peer = self._current or self._coming
        return None if peer is None else peer.stats()

    def count(self) -> None:
        """Tell what has been sent since the last time."""
        if self._current is not None:
            now = self._current.rtp_figures()
            self._listener.rtc_sent(self._figures, now)
            self._figures = now

    # Signalling

    async def answer(self, sdp: str) -> None:
        """Carry out `rtc_offer`: a connection of its own for each offer."""
        async with self._signalling:
            # Loading aiortc takes hundreds of milliseconds: off the loop, and only for those who want it.
            webrtc = await asyncio.to_thread(_load_webrtc)
            self._drop_coming()
            peer: WebRtcPeer = webrtc.WebRtcPeer(self, self._policy.max_bitrate)
            self._coming = peer
            try:
                answer = await peer.answer(sdp, audio=self._policy.audio)
            except webrtc.WebRtcError as error:
                self._drop_coming()
                self._refuse(Refusal("transport_failed", f"WebRTC: {error}.", "sdp"))
            else:
                self._send({"type": "rtc_answer", "sdp": answer})

    async def add_candidate(self, message: messages.RtcCandidate) -> None:
        """Carry out `rtc_candidate`; it belongs to the latest offer."""
        async with self._signalling:
            peer = self._coming or self._current
            if peer is None:
                self._refuse(Refusal("bad_message", "rtc_candidate comes after rtc_offer.", "candidate"))
                return
            webrtc = _load_webrtc()
            try:
                await peer.add_candidate(message.candidate, message.mid)
            except webrtc.WebRtcError as error:
                self._refuse(Refusal("bad_message", f"WebRTC: {error}.", "candidate"))

    def drop(self) -> None:
        """End all connections; nothing is told of it."""
        self._drop_coming()
        self._drop_leaving()
        self.count()
        peer, self._current, self._figures = self._current, None, RtpFigures()
        _close(peer)

    # From the connections

    def peer_changed(self, peer: WebRtcPeer, state: str) -> None:
        """See `PeerListener`."""
        if state == "connected" and peer is self._coming:
            self._take_over(peer)
        elif state not in ("failed", "closed"):
            return
        elif peer is self._leaving:
            self._drop_leaving()
        elif peer is self._coming:
            self._drop_coming()
            if self._current is None:
                self._listener.rtc_lost()
        elif peer is self._current:
            self.count()
            self._current, self._figures = None, RtpFigures()
            _close(peer)
            if self._coming is None:
                self._listener.rtc_lost()

    def peer_needs_keyframe(self, peer: WebRtcPeer) -> None:
        """See `PeerListener`."""
        if peer in (self._current, self._leaving):
            self._listener.rtc_keyframe()

    def peer_carries(self, peer: WebRtcPeer, bitrate: int) -> None:
        """See `PeerListener`."""
        if peer is self._current:
            self._listener.rtc_bitrate(bitrate)

    def peer_sent(self, peer: WebRtcPeer, frame_id: int) -> None:
        """See `PeerListener`."""
        if peer is self._current:
            self._listener.rtc_taken(frame_id)

    def peer_refused(self, peer: WebRtcPeer, why: str) -> None:
        """See `PeerListener`."""
        self._refuse(Refusal("bad_message", f"WebRTC: {why}."))

    def peer_clock(self, peer: WebRtcPeer, rtp: int, capture_us: int) -> None:
        """See `PeerListener`."""
        if peer is self._current:
            self._send({"type": "rtc_clock", "rtp": rtp, "capture": capture_us})

    def _take_over(self, peer: WebRtcPeer) -> None:
        self._drop_leaving()
        self.count()
        self._leaving, self._current, self._coming = self._current, peer, None
        self._figures = RtpFigures()
        if self._leaving is not None:
            leaving = self._leaving
            asyncio.get_running_loop().call_later(
                OVERLAP_SECONDS, lambda: self._drop_leaving() if self._leaving is leaving else None
            )
        self._listener.rtc_connected(peer.codec)

    def _drop_coming(self) -> None:
        peer, self._coming = self._coming, None
        _close(peer)

    def _drop_leaving(self) -> None:
        peer, self._leaving = self._leaving, None
        _close(peer)


_closing: set[asyncio.Task[None]] = set()


def _close(peer: WebRtcPeer | None) -> None:
    """End a connection by a task that outlives its viewer: the loop itself does not hold on to tasks."""
    if peer is not None:
        task = asyncio.create_task(peer.close(), name="webrtc-close")
        _closing.add(task)
        task.add_done_callback(_closing.discard)


def _load_webrtc() -> Any:
    from streamspace_proxy.streamer import webrtc

    return webrtc
