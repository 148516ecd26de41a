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
from aiortc.codecs import HEADER_EXTENSIONS
from aiortc.codecs.base import Encoder
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters

from streamspace_proxy.streamer.peers import RtcCodec

PLAYOUT_DELAY_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
NO_DELAY: Final = bytes(3)  # minimum and maximum of 12 bits each, in units of 10 ms
HISTORY_PACKETS: Final = 1024
VIDEO_CLOCK, AUDIO_CLOCK = 90_000, 48_000
OPUS_SAMPLES: Final = 960
PICTURE_IDS: Final = 1 << 15
# Sound that comes later than this is after a pause, and no jitter.
PAUSE_SAMPLES: Final = 3 * OPUS_SAMPLES
CONSENT_INTERVAL: Final = 0.8
CONSENT_FAILURES: Final = 4
"""In a row; each takes aioice half a second."""

BURST_BYTES: Final = 32 * 1024
PACE_MIN, PACE_MAX = 16_000_000, 64_000_000
PACE_FACTOR: Final = 4
MIN_SLEEP: Final = 0.002


def install() -> None:
    """Apply what holds for the whole process. Doing it again changes nothing."""
    # 128 packets are one keyframe: what is lost behind it could not be sent again.
    rtcrtpsender.RTP_HISTORY_SIZE = HISTORY_PACKETS  # type: ignore[attr-defined]
    aioice.ice.Connection.query_consent = _query_consent  # type: ignore[method-assign, assignment]
    extensions = HEADER_EXTENSIONS["video"]
    if all(extension.uri != PLAYOUT_DELAY_URI for extension in extensions):
        extensions.append(RTCRtpHeaderExtensionParameters(id=4, uri=PLAYOUT_DELAY_URI))


async def _query_consent(connection: Any) -> None:
    """Take the place of aioice's checks that the viewer is still there (RFC 7675), which need half a minute.

    A check that is not answered is repeated at once: a few lost packets are no reason to end a connection, and silence
    is noticed within three seconds all the same.
    """
    failures = 0
    while failures < CONSENT_FAILURES:
        if not failures:
            await asyncio.sleep(CONSENT_INTERVAL * random.uniform(0.8, 1.2))  # noqa: S311  to keep out of step, no secret
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


class NoPlayoutDelay(rtp.HeaderExtensionsMap):
    """Tells the browser in every packet to show a frame when it is whole, instead of holding it against jitter."""

    def __init__(self) -> None:
        super().__init__()
        self._id: int | None = None

    def configure(self, parameters: RTCRtpParameters) -> None:
        """Note under which id the extension was agreed on, if at all."""
        super().configure(parameters)
        self._id = next((item.id for item in parameters.headerExtensions if item.uri == PLAYOUT_DELAY_URI), None)

    def set(self, values: rtp.HeaderExtensions) -> tuple[int, bytes]:
        """Return the serialised extensions of one packet."""
        profile, packed = super().set(values)
        if self._id is None:
            return profile, packed
        items = rtp.unpack_header_extensions(profile, packed)
        return rtp.pack_header_extensions([*items, (self._id, NO_DELAY)])


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

    def __init__(self) -> None:
        self._credit = float(BURST_BYTES)
        self._at = 0.0
        self.rate = float(PACE_MAX)
        """bit/s."""

    def set_bitrate(self, bitrate: int) -> None:
        """Pace relative to what the viewer's network takes, in bit/s."""
        self.rate = float(min(PACE_MAX, max(PACE_MIN, PACE_FACTOR * bitrate)))

    def delay(self, size: int, now: float) -> float:
        """Return how many seconds a packet of `size` bytes has to wait at `now`."""
        bytes_per_second = self.rate / 8
        self._credit = min(BURST_BYTES, self._credit + (now - self._at) * bytes_per_second) - size
        self._at = now
        return max(0.0, -self._credit / bytes_per_second)


def observe_reports(sender: Any, on_report: Callable[[float, float | None], None]) -> None:
    """Hear of each receiver report on this sender: share of packets lost, and the round trip in seconds."""
    handle: Callable[[Any], Awaitable[None]] = sender._handle_rtcp_packet

    async def observed(packet: Any) -> None:
        for report in getattr(packet, "reports", ()):
            if report.ssrc != sender._ssrc:
                continue
            round_trip = None
            if report.dlsr and report.lsr == sender._RTCRtpSender__lsr:
                round_trip = max(0.0, time.time() - sender._RTCRtpSender__lsr_time - report.dlsr / 65536)
            on_report(report.fraction_lost / 256, round_trip)
        await handle(packet)

    sender._handle_rtcp_packet = observed


def hook_sender(sender: Any, packer: Encoder) -> None:
    """Let ready packets through `packer`; it must be done before anything is sent."""
    sender._RTCRtpSender__encoder = packer


def hook_video(sender: Any, packer: VideoPacker, on_keyframe: Callable[[], None]) -> None:
    """All that a video sender needs, except pacing."""
    hook_sender(sender, packer)
    sender._send_keyframe = on_keyframe
    sender._RTCRtpSender__rtp_header_extensions_map = NoPlayoutDelay()
    _count_retransmissions(sender)


def _count_retransmissions(sender: Any) -> None:
    retransmit: Callable[[int], Awaitable[None]] = sender._retransmit
    sender.retransmitted = 0

    async def counted(sequence_number: int) -> None:
        sender.retransmitted += 1
        await retransmit(sequence_number)

    sender._retransmit = counted


def pace(sender: Any, pacer: BurstPacer, on_frame: Callable[[int, int], None]) -> None:
    """Pace the sender's frames; only once its transport is final, that is after the remote description.

    What others send on the same transport (sound, RTCP, what is sent again) does not wait. `on_frame` hears the RTP
    timestamp and the capture time of each frame.
    """
    transport, packer = sender.transport, sender._RTCRtpSender__encoder
    send: Callable[[bytes], Awaitable[None]] = transport._send_rtp
    loop = asyncio.get_running_loop()
    told = -1

    async def paced(data: bytes) -> None:
        nonlocal told
        if asyncio.current_task() is sender._RTCRtpSender__rtp_task:
            if told != packer.capture_us:
                told = packer.capture_us
                on_frame(int.from_bytes(data[4:8], "big"), told)
            seconds = pacer.delay(len(data), loop.time())
            if seconds >= MIN_SLEEP:
                await asyncio.sleep(seconds)
        await send(data)

    transport._send_rtp = paced


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
