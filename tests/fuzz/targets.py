"""What is fuzzed: each target takes one value made by its strategy, and fails by an exception.

Every target says the same of its parser: any bytes become a message or a refusal, and nothing else happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection
from hypothesis import strategies as st
from streamspace_proxy.streamer import messages, polling, transport_feedback
from streamspace_proxy.streamer.congestion import CongestionControl
from streamspace_proxy.streamer.messages import Ack, Refusal, Voice
from streamspace_proxy.streamer.metrics import Metrics
from streamspace_proxy.streamer.microphone import OpusDecoder
from streamspace_proxy.streamer.rfb_filter import PASSED, ClientFilter, ProtocolViolation
from streamspace_proxy.streamer.webrtc import WebRtcError, WebRtcPeer

from streamspace_hub.model import Policy, Role

LIMIT = 100_000
POLICY = Policy(microphone=True)


@dataclass(frozen=True)
class Target:
    """A strategy for inputs, and what must hold for each; and how a fuzzer of bytes gets at it."""

    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], None]
    seeds: Callable[[], Sequence[bytes]]
    """Good inputs to start from."""
    from_bytes: Callable[[bytes], Any] = lambda data: data


# Texts of the viewer socket

TYPES = st.sampled_from([*messages._TYPE_NAMES, "", "hello", "START"])
FIELDS = st.sampled_from(
    [
        "type", "transport", "audio", "codecs", "sdp", "candidate", "mid", "x", "y", "dx", "dy", "buttons", "keysym",
        "down", "text", "width", "height", "hidden", "t", "preset", "first_picture_ms", "freezes", "freeze_ms",
        "switches", "latency_ms", "input_ms", "round_trip_ms", "dropped", "__proto__", "é",
    ]
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(-2, 4000)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["websocket", "webrtc", "rfb", "http", "h264", "jpeg", "sharp", "v=0", "1e999", "\x00", "\ud800"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=60) | st.dictionaries(FIELDS, inner, max_size=3), max_leaves=70
)
OBJECTS = st.tuples(TYPES, st.dictionaries(FIELDS, VALUES, max_size=8)).map(
    lambda pair: json.dumps({**pair[1], "type": pair[0]})
)
CUT = st.tuples(OBJECTS, st.integers(0, 400), st.text(max_size=4)).map(lambda cut: cut[0][: cut[1]] + cut[2])
TEXTS = OBJECTS | CUT | st.text(max_size=200) | st.binary(max_size=200)


@cache
def _metrics() -> Metrics:
    return Metrics()


def check_text(raw: str | bytes) -> None:
    parsed = messages.parse_text(raw, LIMIT)
    if isinstance(parsed, Refusal):
        _check_refusal(parsed)
        return
    for role in Role:
        refusal = messages.permit(parsed, role, POLICY)
        if refusal is not None:
            _check_refusal(refusal)
    if isinstance(parsed, messages.Report):
        _metrics().report(parsed, "websocket")


def _check_refusal(refusal: Refusal) -> None:
    text = messages.dump(refusal.as_json())
    text.encode()
    assert len(text) < 2000
    assert refusal.code in ("bad_message", "too_large", "forbidden")
    assert refusal.message.endswith((".", ".'"))


# Binary messages of the viewer socket

BINARY = st.binary(max_size=1400) | st.tuples(
    st.integers(0, 3), st.integers(0, 1), st.integers(0, 0xFFFF), st.integers(0, 1), st.binary(max_size=60)
).map(lambda parts: struct.pack(">BBHI", *parts[:4]) + parts[4])


@cache
def _decoder() -> OpusDecoder:
    return OpusDecoder()


def check_binary(raw: bytes) -> None:
    parsed = messages.parse_binary(raw)
    if isinstance(parsed, Refusal):
        _check_refusal(parsed)
    elif isinstance(parsed, Ack):
        assert len(raw) == 8
    else:
        assert isinstance(parsed, Voice)
        # Opus packets hold 120 ms at most.
        assert len(_decoder().decode(parsed.data)) <= 6 * 960 * 4


# Bodies of the viewer socket by requests

BODIES = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**32 - 1) | st.none(), st.binary(max_size=40))).map(
    lambda given: b"".join(
        struct.pack(">BI", kind, len(data) if size is None else size) + data for kind, size, data in given
    )
) | st.binary(max_size=60)


def check_body(body: bytes) -> None:
    try:
        found = polling.unpack(body)
    except ValueError:
        return
    again = (
        polling.pack(polling.TEXT, one.data.encode()) if isinstance(one.data, str) else polling.pack(2, one.data)
        for one in found
    )
    assert b"".join(again) == body


# RFB

PIECES = st.lists(st.binary(max_size=40) | st.sampled_from([bytes([kind]) for kind in range(256)]), max_size=25)
STREAMS = st.tuples(st.booleans(), PIECES.map(b"".join), st.lists(st.integers(0, 400), max_size=8))


def check_rfb(stream: tuple[bool, bytes, list[int]]) -> None:
    greeted, data, cuts = stream
    data = (b"RFB 003.008\n\x01\x01" if greeted else b"") + data
    bounds = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    filtered, passed = ClientFilter(), b""
    try:
        for start, end in pairwise(bounds):
            passed += filtered.feed(data[start:end])
    except ProtocolViolation:
        pass
    assert len(passed) <= len(data)
    if greeted and len(passed) > 14:
        assert passed[14] in {kind.value for kind in PASSED}


# Transport feedback (RTCP)


def _rtcp(parts: tuple[int, int, int, bytes]) -> bytes:
    """A packet whose length is right, or wrong by some words."""
    form, kind, wrong, body = parts
    body += bytes(-len(body) % 4)
    return transport_feedback.HEADER.pack(0x80 | form, kind, (len(body) // 4 + wrong) & 0xFFFF) + body


SENT, CEILING = 64, 8_000_000
NUMBERS = st.integers(0, 0xFFFF) | st.integers(0, SENT)
CHUNKS = st.lists(st.integers(0, 0xFFFF), max_size=12).map(lambda words: struct.pack(f">{len(words)}H", *words))
FEEDBACK = st.tuples(NUMBERS, NUMBERS, st.integers(0, 2**32 - 1), CHUNKS, st.binary(max_size=500)).map(
    lambda parts: transport_feedback.FIXED.pack(1, 2, *parts[:3]) + parts[3] + parts[4]
)
FEEDBACK_SEED = transport_feedback.FIXED.pack(1, 2, 0, 7, 5 << 8) + b"\x20\x07" + bytes([4] * 7)
PACKETS = st.tuples(
    st.sampled_from([transport_feedback.TRANSPORT_CC, 1, 31]),
    st.sampled_from([transport_feedback.RTPFB, 200, 201, 206]),
    st.sampled_from([0, 0, 0, 0, -1, 1, 0xFFFF]),
    FEEDBACK | st.binary(max_size=60),
).map(_rtcp)
RTCP = st.lists(PACKETS, max_size=4).map(b"".join) | st.binary(max_size=100)


def check_rtcp(data: bytes) -> None:
    try:
        bodies, rest = transport_feedback.split_feedback(data)
    except ValueError:
        return
    assert len(rest) + sum(transport_feedback.HEADER.size + len(body) for body in bodies) == len(data)
    reader, control = transport_feedback.FeedbackReader(), CongestionControl(CEILING)
    for at, body in enumerate(bodies):
        for number in range(SENT):
            control.sent(number, 1200, at + number / 1000)
        try:
            arrivals = reader.read(body)
        except ValueError:
            continue
        first, count = struct.unpack_from(">HH", body, 8)
        assert [number for number, _ in arrivals] == [(first + i) & 0xFFFF for i in range(count)]
        assert 0 < control.report(arrivals, at + 0.5) <= CEILING
        assert control.pace > 0


# WebRTC


class _Nobody:
    """A `PeerListener` that does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


@dataclass
class _Loop:
    """An event loop of our own that notes what goes wrong behind our back."""

    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loop.set_exception_handler(lambda _, context: self.errors.append(str(context)))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(work)
        assert not self.errors, self.errors


@cache
def _loop() -> _Loop:
    return _Loop()


async def _make_offer() -> str:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    for kind in ("video", "audio"):
        connection.addTransceiver(kind, direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    sdp = str(connection.localDescription.sdp)
    await connection.close()
    return sdp


@cache
def _offer() -> tuple[str, ...]:
    return tuple(_loop().loop.run_until_complete(_make_offer()).splitlines())


WORDS = st.sampled_from(
    ["", "0", "-1", "99999999999", "a=mid:", "m=video 9 UDP/TLS/RTP/SAVPF 0", "a=setup:active", "a=ice-ufrag:", "H264"]
) | st.text(max_size=12)
EDIT = st.tuples(
    st.sampled_from(["drop", "double", "word", "line", "swap"]), st.integers(0, 200), st.integers(0, 9), WORDS
)


def mutated(edits: list[tuple[str, int, int, str]]) -> str:
    """Return a good offer after some bad edits."""
    lines = list(_offer())
    for how, where, which, word in edits:
        at = where % max(1, len(lines))
        if how == "line" or not lines:
            lines.insert(at, word)
        elif how == "drop":
            del lines[at]
        elif how == "double":
            lines.insert(at, lines[at])
        elif how == "swap":
            lines.insert(0, lines.pop(at))
        else:
            words = lines[at].split(" ")
            words[which % len(words)] = word
            lines[at] = " ".join(words)
    return "\r\n".join(lines) + "\r\n"


OFFERS = st.lists(EDIT, max_size=6).map(mutated) | st.text(max_size=300)
CANDIDATE = "candidate:1 1 udp 2130706431 127.0.0.1 9 typ host"
CANDIDATES = (
    st.lists(WORDS | st.sampled_from(CANDIDATE.split()), max_size=14).map(" ".join)
    | st.tuples(st.integers(0, 7), WORDS).map(
        lambda edit: " ".join(edit[1] if i == edit[0] else word for i, word in enumerate(CANDIDATE.split()))
    )
    | st.text(max_size=60)
)


async def _answer(offer: str, candidates: list[tuple[str, str]]) -> None:
    peer = WebRtcPeer(_Nobody())
    try:
        assert (await peer.answer(offer, audio=True)).startswith("v=0")
        for candidate, mid in candidates:
            with contextlib.suppress(WebRtcError):
                await peer.add_candidate(candidate, mid)
    except WebRtcError:
        return
    finally:
        await peer.close()


def check_webrtc(sent: tuple[str, list[tuple[str, str]]]) -> None:
    _loop().run(asyncio.wait_for(_answer(*sent), 20))


def _text_seeds() -> list[bytes]:
    return [
        b'{"type": "start", "transport": "websocket", "audio": true, "codecs": ["h264"]}',
        b'{"type": "pointer", "x": 5, "y": 6, "buttons": 1}',
        b'{"type": "clipboard", "text": "\\u00e9"}',
        b'{"type": "report", "latency_ms": [12.5, 3], "freezes": 1}',
    ]


TARGETS = {
    "text": Target(TEXTS, check_text, _text_seeds),
    "binary": Target(BINARY, check_binary, lambda: [b"\1\0\0\0\0\0\0\7", b"\2\0\0\1\0\0\0\0\xfc\xff\xfe"]),
    "body": Target(BODIES, check_body, lambda: [polling.pack(1, b'{"type": "keyframe"}') + polling.pack(2, bytes(8))]),
    "rfb": Target(
        STREAMS,
        check_rfb,
        lambda: [b"\2\0\0\1\0\0\0\7", b"\3\0" + bytes(8) + b"\4\1\0\0\0\0\0a", b"\xf8\0\0\0\0\0\0\1\2ab"],
        lambda data: (True, data, list(data[:4])),
    ),
    "rtcp": Target(RTCP, check_rtcp, lambda: [_rtcp((15, 205, 0, FEEDBACK_SEED)), _rtcp((1, 200, 0, bytes(24)))]),
    "webrtc": Target(
        st.tuples(OFFERS, st.lists(st.tuples(CANDIDATES, WORDS), max_size=5)),
        check_webrtc,
        lambda: ["\r\n".join(_offer()).encode()],
        lambda data: (data.decode("utf-8", "replace"), []),
    ),
}
