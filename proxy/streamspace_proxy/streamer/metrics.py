"""The session's figures for Prometheus: what is counted, in which unit, and in which buckets.

Names are `streamspace_session_...`, units are base units (seconds, bytes), label values exist from the start, so that a
rate over a counter never misses its first event. A frame costs some microseconds here. Knows no viewers: it is told.
docs/reference/metrics.md lists every metric, and a test compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from streamspace_hub.model import Role
from streamspace_proxy.streamer.capture import BACKENDS, Backend
from streamspace_proxy.streamer.frames import EncodedFrame
from streamspace_proxy.streamer.messages import Code, Report, Transport

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "streamspace_session"
TRANSPORTS: Final[tuple[Transport, ...]] = get_args(Transport)
PHASES: Final = ("grab", "convert", "encode")
CODES: Final[tuple[Code, ...]] = get_args(Code)
STEPS: Final = (0.0005, 0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.016, 0.025, 0.05, 0.1, 0.25)
"""What happens within one frame interval."""
LATENCIES: Final = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)
"""What a user feels."""
STARTS: Final = (0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the text and say when the streamer started, which Prometheus knows


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is read off at the time of a scrape."""

    fps: float
    bitrate: float
    """bit/s of encoded video over the last seconds."""
    target_bitrate: float
    viewers: dict[Role, int]
    transports: dict[Transport, int]
    """Viewers whose picture comes on each."""
    idle: float = 0.0
    """Seconds since the session was last active."""
    busy: bool = False
    """Whether it is at work by itself."""
    frozen: bool = False
    """Whether its processes are stopped."""


@dataclass(frozen=True, slots=True)
class RtpFigures:
    """Totals of one WebRTC connection's video."""

    packets: int = 0
    bytes: int = 0
    lost: int = 0
    retransmitted: int = 0


class Metrics:
    """One session's registry. All methods are called on the event loop."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._frames = self._counter("frames", "Encoded video frames, by kind.", "kind")
        self._encoded = self._counter("encoded_bytes", "Encoded video, before it is sent to anybody.")
        self._phases = self._histogram("frame_phase_seconds", "Time in each phase of a frame.", STEPS, "phase")
        self._queue = self._histogram(
            "queue_seconds", "From encoded to written to the viewer's socket or RTP sender.", STEPS, "transport"
        )
        self._sent = self._counter(
            "sent_bytes", "Bytes sent to viewers; websocket and http count all messages.", "transport"
        )
        self._round_trip = self._histogram("round_trip_seconds", "Round trip as viewers report it.", LATENCIES)
        self._presented = self._histogram(
            "presented_seconds", "From capture to presented in the page, as viewers report it.", LATENCIES, "transport"
        )
        self._input = self._histogram(
            "input_seconds", "From input in the page to the next picture, as viewers report it.", LATENCIES, "transport"
        )
        self._first = self._histogram("first_picture_seconds", "From navigation to the first picture.", STARTS)
        self._freezes = self._counter("freezes", "Times that a moving picture stood still, as viewers report it.")
        self._frozen = self._counter("freeze_seconds", "How long those freezes were together.")
        self._dropped = self._counter("dropped_frames", "Frames that viewers received and did not show.")
        self._switches = self._counter("transport_switches", "Changes of transport, as viewers report them.")
        self._refusals = self._counter("refusals", "Messages of viewers that were refused, by error code.", "code")
        self._keyframe_requests = self._counter("keyframe_requests", "Keyframes that viewers' decoders asked for.")
        self._backends = self._counter("capture_failures", "Capture backends that failed, by name.", "backend")
        self._rtp_packets = self._counter("rtp_packets", "WebRTC: RTP packets of video sent.")
        self._rtp_lost = self._counter("rtp_lost_packets", "WebRTC: packets that viewers reported as lost.")
        self._rtp_again = self._counter("rtp_retransmissions", "WebRTC: packets that viewers asked for again.")
        self._voice = self._counter(
            "microphone_packets", "Packets of viewers' microphones, by what became of them.", "result"
        )
        self._fps = self._gauge("frames_per_second", "Encoded frames over the last two seconds.")
        self._bitrate = self._gauge("bitrate_bits_per_second", "Encoded video over the last two seconds.")
        self._target = self._gauge("target_bitrate_bits_per_second", "Ceiling that the encoder works under now.")
        self._viewers = self._gauge("viewers", "Connected viewers.", "role")
        self._transports = self._gauge("transport_viewers", "Viewers by the transport of their picture.", "transport")
        self._idle = self._gauge("idle_seconds", "Time since the last input, or sign of work.")
        self._busy = self._gauge("busy", "1 while the session is at work by itself.")
        self._asleep = self._gauge("frozen", "1 while the desktop's processes are stopped.")
        self._create_labels()

    def frame(self, frame: EncodedFrame) -> None:
        """Count an encoded frame."""
        self._frames.labels("keyframe" if frame.keyframe else "delta").inc()
        self._encoded.inc(len(frame.data))
        if (timings := frame.timings) is not None:
            for phase in PHASES:
                if (seconds := getattr(timings, phase)) is not None:
                    self._phases.labels(phase).observe(seconds)

    def queued(self, transport: Transport, seconds: float) -> None:
        """Note how long an encoded frame waited before it left for a viewer."""
        self._queue.labels(transport).observe(seconds)

    def sent(self, transport: Transport, size: int) -> None:
        """Count bytes sent."""
        self._sent.labels(transport).inc(size)

    def refused(self, code: Code) -> None:
        """Count a refused message."""
        self._refusals.labels(code).inc()

    def keyframe_requested(self) -> None:
        """Count a decoder's wish for a keyframe."""
        self._keyframe_requests.inc()

    def backend_failed(self, backend: Backend) -> None:
        """Count a capture backend that was of no use."""
        self._backends.labels(backend).inc()

    def voice(self, in_time: bool) -> None:
        """Count a packet of a viewer's microphone that was let in."""
        self._voice.labels("played" if in_time else "late").inc()

    def rtp(self, before: RtpFigures, now: RtpFigures) -> None:
        """Count what a WebRTC connection has sent since `before`. Losses are an estimate, and may be taken back."""
        self._rtp_packets.inc(max(0, now.packets - before.packets))
        self._rtp_lost.inc(max(0, now.lost - before.lost))
        self._rtp_again.inc(max(0, now.retransmitted - before.retransmitted))
        self.sent("webrtc", max(0, now.bytes - before.bytes))

    def report(self, report: Report, transport: Transport | None) -> None:
        """Take what a viewer measured while `transport` carried its picture."""
        if transport is not None:
            presented, reaction = self._presented.labels(transport), self._input.labels(transport)
            for value in report.latency_ms:
                presented.observe(value / 1000)
            for value in report.input_ms:
                reaction.observe(value / 1000)
        if report.round_trip_ms is not None:
            self._round_trip.observe(report.round_trip_ms / 1000)
        if report.first_picture_ms is not None:
            self._first.observe(report.first_picture_ms / 1000)
        self._freezes.inc(report.freezes)
        self._frozen.inc(report.freeze_ms / 1000)
        self._dropped.inc(report.dropped)
        self._switches.inc(report.switches)

    def render(self, snapshot: Snapshot) -> bytes:
        """Return the text that Prometheus scrapes."""
        self._fps.set(snapshot.fps)
        self._bitrate.set(snapshot.bitrate)
        self._target.set(snapshot.target_bitrate)
        self._idle.set(snapshot.idle)
        self._busy.set(snapshot.busy)
        self._asleep.set(snapshot.frozen)
        for role, count in snapshot.viewers.items():
            self._viewers.labels(role.value).set(count)
        for transport, count in snapshot.transports.items():
            self._transports.labels(transport).set(count)
        return generate_latest(self.registry)

    def _create_labels(self) -> None:
        for kind in ("keyframe", "delta"):
            self._frames.labels(kind)
        for phase in PHASES:
            self._phases.labels(phase)
        for transport in TRANSPORTS:
            self._sent.labels(transport)
            self._presented.labels(transport)
            self._input.labels(transport)
        for sends in ("websocket", "webrtc", "http"):
            self._queue.labels(sends)
        for result in ("played", "late"):
            self._voice.labels(result)
        for backend in BACKENDS:
            self._backends.labels(backend)
        for code in CODES:
            self._refusals.labels(code)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", text, labels, registry=self.registry, buckets=buckets)
