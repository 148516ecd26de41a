"""What aiortc 1.16 lacks for live desktops, added from outside through its private parts.

Each hook is small, is covered by a test in tests/session/test_webrtc.py that fails without it, and is the reason why
aiortc is pinned exactly. Knows nothing of viewers and of what is streamed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aioice.ice
from aioice import stun
from aiortc import rtcrtpsender, rtp
from aiortc.codecs import CODECS, HEADER_EXTENSIONS, is_rtx
from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpHeaderExtensionParameters, RTCRtpParameters

from streamspace_proxy.streamer.peers import RtcCodec
from streamspace_proxy.streamer.transport_feedback import split_feedback

PLAYOUT_DELAY_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
TRANSPORT_CC_URI: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
NO_DELAY: Final = bytes(3)  # minimum and maximum of 12 bits each, in units of 10 ms
HISTORY_PACKETS: Final = 1024
VIDEO_CLOCK, AUDIO_CLOCK = 90_000, 48_000
OPUS_SAMPLES: Final = 960
PICTURE_IDS: Final = 1 << 15
# Sound that comes later than this is after a pause, and no jitter.
PAUSE_SAMPLES: Final = 3 * OPUS_SAMPLES
CONSENT_INTERVAL: Final = 0.7
CONSENT_SPREAD: Final = 0.2
CONSENT_FAILURES: Final = 4
"""In a row; each takes aioice half a second."""

BURST_BYTES: Final = 32 * 1024
PACE_MIN, PACE_MAX = 1_000_000, 64_000_000
MIN_SLEEP: Final = 0.002


def install() -> None:
    """Apply what holds for the whole process. Doing it again changes nothing."""
    # 128 packets are one keyframe: what is lost behind it could not be sent again.
    rtcrtpsender.RTP_HISTORY_SIZE = HISTORY_PACKETS  # type: ignore[attr-defined]
    aioice.ice.Connection.query_consent = _query_consent  # type: ignore[method-assign, assignment]
    extensions = HEADER_EXTENSIONS["video"]
    for number, uri in ((4, PLAYOUT_DELAY_URI), (5, TRANSPORT_CC_URI)):
        if all(extension.uri != uri for extension in extensions):
            extensions.append(RTCRtpHeaderExtensionParameters(id=number, uri=uri))
    feedback = RTCRtcpFeedback(type="transport-cc")
    for codec in CODECS["video"]:
        if not is_rtx(codec) and feedback not in codec.rtcpFeedback:
            codec.rtcpFeedback.append(feedback)


async def _query_consent(connection: Any) -> None:
    """Take the place of aioice's checks that the viewer is still there (RFC 7675), which need half a minute.

    A check that is not answered is repeated at once: a few lost packets are no reason to end a connection, and silence
    is noticed within three seconds all the same.
    """
    failures = 0
    while failures < CONSENT_FAILURES:
        if not failures:
            await asyncio.sleep(CONSENT_INTERVAL * random.uniform(1 - CONSENT_SPREAD, 1 + CONSENT_SPREAD))  # noqa: S311
        for pair in connection._nominated.values():
            request = connection.build_request(pair, nominate=False)
            key = connection.remote_password.encode()
            try:
                await pair.protocol.request(request, pair.remote_addr, integrity_key=key, retransmissions=0)
                failures = 0
            except stun.TransactionError:
                failures += 1
    connection._query_consent_task = None  # closing would cancel it, which is us
    await connection.close()


class LiveExtensions(rtp.HeaderExtensionsMap):
    """What video packets carry besides aiortc's own header extensions.

    "Show a frame when it is whole", instead of holding it against jitter; and a number that goes up with every packet,
    also one that is sent again, by which the browser reports its arrival.
    """

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        """Of the packet serialised last."""
        self._playout: int | None = None
        self._transport: int | None = None

    def configure(self, parameters: RTCRtpParameters) -> None:
        """Note under which ids the extensions were agreed on, if at all."""
        super().configure(parameters)
        ids = {item.uri: item.id for item in parameters.headerExtensions}
        self._playout, self._transport = ids.get(PLAYOUT_DELAY_URI), ids.get(TRANSPORT_CC_URI)

    def set(self, values: rtp.HeaderExtensions) -> tuple[int, bytes]:
        """Return the serialised extensions of one packet."""
        profile, packed = super().set(values)
        items = rtp.unpack_header_extensions(profile, packed)
        if self._playout is not None:
            items.append((self._playout, NO_DELAY))
        if self._transport is not None:
            self.number = (self.number + 1) & 0xFFFF
            items.append((self._transport, self.number.to_bytes(2, "big")))
        return rtp.pack_header_extensions(items)


class VideoPacker(Encoder):
    """Stands where aiortc's encoder would be: cuts ready frames into RTP payloads, and hears of REMB."""

    def __init__(self, on_bitrate: Callable[[int], None]) -> None:
        self.codec: RtcCodec = "h264"
        self.capture_us = 0
        """Of the frame packed last."""
        self._on_bitrate = on_bitrate
        self._estimate = 0
        self._first_us: int | None = None
        self._picture_id = 0

    def encode(self, frame: Any, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """Never: only ready packets come."""
        raise NotImplementedError

    def pack(self, packet: Any) -> tuple[list[bytes], int]:
        """Return the payloads and the RTP timestamp of an `EncodedFrame`."""
        if self._first_us is None:
            self._first_us = packet.capture_us
        self.capture_us = packet.capture_us
        timestamp = (packet.capture_us - self._first_us) * VIDEO_CLOCK // 1_000_000
        if self.codec == "vp8":
            # Counted, so that a decoder sees what it has missed (RFC 7741, 4.2).
            self._picture_id = (self._picture_id + 1) % PICTURE_IDS
            return Vp8Encoder._packetize(packet.data, self._picture_id), timestamp
        return H264Encoder._packetize(H264Encoder._split_bitstream(packet.data)), timestamp

    @property
    def target_bitrate(self) -> int:
        """What the browser last estimated, in bit/s; 0 before it has."""
        return self._estimate

    @target_bitrate.setter
    def target_bitrate(self, bitrate: int) -> None:
        self._estimate = bitrate
        self._on_bitrate(bitrate)


class AudioPacker(Encoder):
    """Stands where aiortc's encoder would be: ready Opus packets, timestamps without the capture's jitter."""

    def __init__(self) -> None:
        self._first_us: int | None = None
        self._next = 0

    def encode(self, frame: Any, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """Never: only ready packets come."""
        raise NotImplementedError

    def pack(self, packet: Any) -> tuple[list[bytes], int]:
        """Return the payload and the RTP timestamp of an `OpusPacket`."""
        if self._first_us is None:
            self._first_us = packet.capture_us
        captured = (packet.capture_us - self._first_us) * AUDIO_CLOCK // 1_000_000
        if captured - self._next > PAUSE_SAMPLES:
            self._next = captured
        timestamp = self._next
        self._next += OPUS_SAMPLES
        return [packet.data], timestamp


class BurstPacer:
    """Lets a normal frame through at once and spreads a keyframe over some milliseconds. Pure: time is an argument.

    A burst of a hundred packets overflows the buffers of home routers and Wi-Fi, and the lost ones cost a round trip.
    """

    def __init__(self, rate: float = PACE_MAX) -> None:
        self._credit = float(BURST_BYTES)
        self._at = 0.0
        self.rate = rate
        """bit/s."""

    def set_rate(self, rate: float) -> None:
        """Spread by this rate in bit/s, within limits."""
        self.rate = min(PACE_MAX, max(PACE_MIN, rate))

    def delay(self, size: int, now: float) -> float:
        """Return how many seconds a packet of `size` bytes has to wait at `now`."""
        bytes_per_second = self.rate / 8
        self._credit = min(BURST_BYTES, self._credit + (now - self._at) * bytes_per_second) - size
        self._at = now
        return max(0.0, -self._credit / bytes_per_second)


def observe_reports(sender: Any, on_report: Callable[[float, float | None, int], None]) -> None:
    """Hear of each receiver report on this sender.

    That is the share of packets lost, the round trip in seconds, and the sequence number of the last packet that came.
    """
    handle: Callable[[Any], Awaitable[None]] = sender._handle_rtcp_packet

    async def observed(packet: Any) -> None:
        for report in getattr(packet, "reports", ()):
            if report.ssrc != sender._ssrc:
                continue
            round_trip = None
            if report.dlsr and report.lsr == sender._RTCRtpSender__lsr:
                round_trip = max(0.0, time.time() - sender._RTCRtpSender__lsr_time - report.dlsr / 65536)
            on_report(report.fraction_lost / 256, round_trip, report.highest_sequence & 0xFFFF)
        await handle(packet)

    sender._handle_rtcp_packet = observed


def hook_sender(sender: Any, packer: Encoder) -> None:
    """Let ready packets through `packer`; it must be done before anything is sent."""
    sender._RTCRtpSender__encoder = packer


def hook_video(sender: Any, packer: VideoPacker, on_keyframe: Callable[[], None]) -> None:
    """All that a video sender needs, except pacing."""
    hook_sender(sender, packer)
    sender._send_keyframe = on_keyframe
    sender._RTCRtpSender__rtp_header_extensions_map = LiveExtensions()
    _count_retransmissions(sender)


def _count_retransmissions(sender: Any) -> None:
    retransmit: Callable[[int], Awaitable[None]] = sender._retransmit
    sender.retransmitted = 0

    async def counted(sequence_number: int) -> None:
        sender.retransmitted += 1
        await retransmit(sequence_number)

    sender._retransmit = counted


def tap_sending(
    sender: Any, pacer: BurstPacer, on_frame: Callable[[int, int], None], on_packet: Callable[[int, int, float], None]
) -> None:
    """Pace the sender's frames, and tell what leaves; only once its transport is final: after the remote description.

    What is sent again does not wait, but what comes after it does. What others send on the same transport (sound, RTCP)
    is left alone. `on_frame` hears the RTP timestamp and the capture time of each frame, `on_packet` the number, the
    size and the time of each packet; `sender.last_sequence` is the last packet's, None before the first.
    """
    transport, packer = sender.transport, sender._RTCRtpSender__encoder
    extensions: LiveExtensions = sender._RTCRtpSender__rtp_header_extensions_map
    sources = {ssrc.to_bytes(4, "big") for ssrc in (sender._ssrc, sender._rtx_ssrc)}
    sender.last_sequence = None
    send: Callable[[bytes], Awaitable[None]] = transport._send_rtp
    loop = asyncio.get_running_loop()
    told = -1

    async def tapped(data: bytes) -> None:
        nonlocal told
        if data[8:12] in sources and not rtp.is_rtcp(data):
            number = extensions.number  # nothing has been serialised since
            seconds = pacer.delay(len(data), loop.time())
            if asyncio.current_task() is sender._RTCRtpSender__rtp_task:
                if told != packer.capture_us:
                    told = packer.capture_us
                    on_frame(int.from_bytes(data[4:8], "big"), told)
                if seconds >= MIN_SLEEP:
                    await asyncio.sleep(seconds)
                sender.last_sequence = int.from_bytes(data[2:4], "big")
            on_packet(number, len(data), loop.time())
        await send(data)

    transport._send_rtp = tapped


def hear_feedback(sender: Any, on_feedback: Callable[[bytes], None], on_broken: Callable[[str], None]) -> None:
    """Hear of transport-wide feedback, which aiortc would take for a list of lost packets; and of what is no RTCP."""
    transport = sender.transport
    handle: Callable[[bytes], Awaitable[None]] = transport._handle_rtcp_data

    async def heard(data: bytes) -> None:
        try:
            feedback, rest = split_feedback(data)
        except ValueError as error:
            on_broken(str(error))
            return
        for body in feedback:
            on_feedback(body)
        if rest:
            await handle(rest)

    transport._handle_rtcp_data = heard


def forget_unused(connection: Any) -> None:
    """Forget what the offer left without a transport.

    There aiortc's connecting and closing would fail with an AttributeError, and leave the rest undone.
    """
    transceivers = connection._RTCPeerConnection__transceivers
    transceivers[:] = [transceiver for transceiver in transceivers if transceiver.receiver.transport is not None]


def sender_figures(sender: Any) -> dict[str, float | int | None]:
    """Return what aiortc knows of a sender, without waiting: getStats is a coroutine."""
    remote = sender._RTCRtpSender__stats.get(f"remote-inbound-rtp_{id(sender)}")
    rtt = sender._RTCRtpSender__rtt
    return {
        "packets": sender._RTCRtpSender__packet_count,
        "bytes": sender._RTCRtpSender__octet_count,
        "retransmitted": getattr(sender, "retransmitted", 0),
        "lost": None if remote is None else remote.packetsLost,
        "rtt_ms": None if rtt is None else round(rtt * 1000, 1),
    }
