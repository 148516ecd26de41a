"""The viewer protocol's messages: what is taken, what is refused and how it is said."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamspace_proxy.streamer import messages
from streamspace_proxy.streamer.messages import Ack, Message, Refusal, Voice, parse_binary, parse_text, permit

from streamspace_hub.model import ClipboardDirection, Policy, Role

LIMIT = 1_048_576
GOOD: list[dict[str, Any]] = [
    {"type": "start", "transport": "websocket", "audio": True, "codecs": ("vp8", "something-new")},
    {"type": "quality", "preset": "low_data"},
    {"type": "stop", "transport": "rfb"},
    {"type": "rtc_offer", "sdp": "v=0"},
    {"type": "rtc_candidate", "candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "mid": "0"},
    {"type": "pointer", "x": 0, "y": 65535, "buttons": 31},
    {"type": "pointer_relative", "dx": -5, "dy": 7, "buttons": 0},
    {"type": "wheel", "x": 1, "y": 2, "dx": -20, "dy": 20},
    {"type": "key", "keysym": 0x1FFFFFFF, "down": False},
    {"type": "release_keys"},
    {"type": "clipboard", "text": "größer 🎨"},
    {"type": "resize", "width": 1280, "height": 720},
    {"type": "keyframe"},
    {"type": "visibility", "hidden": True},
    {"type": "restart_app"},
    {"type": "ping", "t": 12.5},
    {
        "type": "report", "first_picture_ms": 92.5, "freezes": 1, "freeze_ms": 640.0, "switches": 2,
        "latency_ms": [12.5, 14.0], "input_ms": [21.0], "round_trip_ms": 3.5, "dropped": 4,
    },
]  # fmt: skip


def parse(message: dict[str, Any]) -> Message | Refusal:
    return parse_text(json.dumps(message), LIMIT)


@pytest.mark.parametrize("message", GOOD, ids=lambda message: message["type"])
def test_every_message_of_the_protocol_is_taken_as_it_is(message: dict[str, Any]) -> None:
    parsed = parse(message)
    assert not isinstance(parsed, Refusal), parsed
    assert parsed.model_dump() == message


@pytest.mark.parametrize(
    ("message", "field", "said"),
    [
        ({}, "type", "type is missing"),
        ({"type": "reboot"}, "type", "type reboot is unknown; it is one of start"),
        ({"type": "key", "keysym": 0, "down": True}, "keysym", "greater than or equal to 1"),
        ({"type": "key", "keysym": 0x20000000, "down": True}, "keysym", "less than or equal to"),
        ({"type": "key", "keysym": "97", "down": True}, "keysym", "valid integer"),
        ({"type": "key", "keysym": 97, "down": 1}, "down", "valid boolean"),
        ({"type": "key", "keysym": 97}, "down", "key needs the field down"),
        ({"type": "key", "keysym": 97, "down": True, "shift": 1}, "shift", "key has no field shift"),
        ({"type": "wheel", "x": 0, "y": 0, "dx": 0, "dy": 21}, "dy", "less than or equal to 20"),
        ({"type": "pointer", "x": -1, "y": 0, "buttons": 0}, "x", "greater than or equal to 0"),
        ({"type": "pointer", "x": 0, "y": 0, "buttons": 32}, "buttons", "less than or equal to 31"),
        ({"type": "quality", "preset": "best"}, "preset", "'sharp', 'smooth' or 'low_data'"),
        ({"type": "start", "transport": "webrtc", "codecs": ["x" * 33]}, "codecs", "at most 32"),
        ({"type": "start", "transport": "webrtc", "codecs": ["x"] * 17}, "codecs", "at most 16"),
        ({"type": "start", "transport": "pigeon"}, "transport", "'websocket', 'webrtc', 'rfb' or 'http'"),
        ({"type": "clipboard", "text": "\ud800"}, "text", ""),
        ({"type": "report", "freezes": -1}, "freezes", "greater than or equal to 0"),
        ({"type": "report", "latency_ms": [1.0] * 51}, "latency_ms", "at most 50 items"),
        ({"type": "report", "input_ms": [1e9]}, "input_ms", "less than or equal to 3600000"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_accepted(message: dict[str, Any], field: str, said: str) -> None:
    refusal = parse(message)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "bad_message"
    assert said in refusal.message
    assert refusal.field in (field, None) if field == "text" else refusal.field == field


@pytest.mark.parametrize(
    "raw", ["", "nonsense", "[]", "1", "null", '"key"', "{", "[" * 10_000, '{"type": []}', '{"type": NaN}']
)
def test_what_is_no_message_is_refused_with_a_sentence(raw: str) -> None:
    refusal = parse_text(raw, LIMIT)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "bad_message"
    assert refusal.message.endswith(".")


def test_an_error_repeats_little_of_what_was_sent() -> None:
    refusal = parse({"type": "x" * 5000})
    assert isinstance(refusal, Refusal)
    assert len(refusal.message) < 400
    refusal = parse({"type": "ping", "t": 1, "y" * 5000: 1})
    assert isinstance(refusal, Refusal)
    assert len(refusal.message) < 200


def test_the_clipboard_is_measured_in_bytes_and_refused_with_both_sizes() -> None:
    assert not isinstance(parse({"type": "clipboard", "text": "a" * LIMIT}), Refusal)
    refusal = parse_text(json.dumps({"type": "clipboard", "text": "é" * (LIMIT // 2 + 1)}, ensure_ascii=False), LIMIT)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "too_large"
    assert refusal.field == "text"
    assert str(LIMIT + 2) in refusal.message
    assert str(LIMIT) in refusal.message


def test_ten_megabytes_are_refused_without_being_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_ADAPTER", None)
    for body in (
        {"type": "clipboard", "text": "a" * 10_000_000},
        {"type": "rtc_offer", "sdp": "a" * 10_000_000},
    ):
        refusal = parse(body)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "too_large"


def test_only_the_clipboard_may_be_larger_than_64_kib() -> None:
    assert isinstance(refusal := parse({"type": "rtc_offer", "sdp": "a" * 65_536}), Refusal)
    assert refusal.code == "too_large"
    # Nor by pretending.
    hidden = json.dumps({"sdp": '"clipboard"' + "a" * 65_536, "type": "rtc_offer"})
    assert isinstance(refusal := parse_text(hidden, LIMIT), Refusal)
    assert refusal.code == "too_large"


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300)))
def test_the_parser_never_raises_on_noise(raw: str | bytes) -> None:
    assert isinstance(parse_text(raw, LIMIT), Refusal)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([message["type"] for message in GOOD])
FIELDS = st.sampled_from(sorted({field for message in GOOD for field in message} - {"type"}))


@given(NAMES, st.dictionaries(FIELDS, JSON, max_size=4))
def test_the_parser_never_raises_on_wrong_values(name: str, fields: dict[str, Any]) -> None:
    parsed = parse_text(json.dumps({"type": name, **fields}), LIMIT)
    if isinstance(parsed, Refusal):
        json.dumps(parsed.as_json()).encode()
    else:
        assert permit(parsed, Role.OWNER, Policy()) is None or parsed.type == "resize"


@given(st.binary(max_size=40) | st.binary(max_size=20).map(lambda tail: b"\2\0\1\2\0\0\0\0" + tail))
def test_binary_messages_are_acknowledgements_voices_or_refused(raw: bytes) -> None:
    parsed = parse_binary(raw)
    if isinstance(parsed, Ack):
        assert raw == struct.pack(">BBHI", 1, round(parsed.held * 1000), parsed.decode_queue, parsed.frame_id)
    elif isinstance(parsed, Voice):
        assert raw == struct.pack(">BBHI", 2, 0, parsed.sequence, 0) + parsed.data
        assert parsed.data
    else:
        assert parsed.code == "bad_message"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\1\0", "begins with 8 bytes, this one has only 2"),
        (bytes([1, 0, 0, 0, 0, 0, 0, 0, 9]), "acknowledgement has 8 bytes, this one 9"),
        (bytes([2, 0, 0, 0, 0, 0, 0, 0]), "1 to 1275 bytes, this one 0"),
        (bytes([2, 0, 0, 0, 0, 0, 0, 0]) + bytes(1276), "1 to 1275 bytes, this one 1276"),
        (bytes([2, 1, 0, 0, 0, 0, 0, 0, 5]), "reserved byte must be 0, not 1"),
        (bytes([2, 0, 0, 0, 0, 0, 0, 1, 5]), "reserved word must be 0, not 1"),
        (bytes([3, 0, 0, 0, 0, 0, 0, 0]), "kind 3 is unknown; 1 is an acknowledgement, 2 the microphone"),
    ],
)
def test_a_wrong_binary_message_is_refused_with_what_is_accepted(raw: bytes, said: str) -> None:
    refusal = parse_binary(raw)
    assert isinstance(refusal, Refusal)
    assert said in refusal.message


@pytest.mark.parametrize(
    ("allowed", "role", "said"),
    [
        (True, Role.OWNER, None),
        (True, Role.CONTROLLER, None),
        (True, Role.VIEWER, "You are watching"),
        (False, Role.OWNER, "turned off"),
        (False, Role.VIEWER, "turned off"),
    ],
)
def test_who_may_be_heard(allowed: bool, role: Role, said: str | None) -> None:
    refusal = messages.permit_voice(role, Policy(microphone=allowed))
    if said is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.code == "forbidden"
        assert said in refusal.message


NEEDS_CONTROL = {
    "pointer", "pointer_relative", "wheel", "key", "release_keys", "clipboard", "resize", "restart_app", "quality",
}  # fmt: skip


@pytest.mark.parametrize("message", GOOD, ids=lambda message: message["type"])
@pytest.mark.parametrize("role", list(Role))
def test_who_may_send_what(message: dict[str, Any], role: Role) -> None:
    parsed = parse(message)
    assert not isinstance(parsed, Refusal)
    refusal = permit(parsed, role, Policy())
    if role is Role.VIEWER and message["type"] in NEEDS_CONTROL:
        assert refusal is not None
        assert refusal.code == "forbidden"
        assert message["type"] in refusal.message
    else:
        assert refusal is None


@pytest.mark.parametrize(
    ("direction", "sends", "reads"),
    [("both", True, True), ("in", True, False), ("out", False, True), ("none", False, False)],
)
def test_the_policy_directs_the_clipboard(direction: str, sends: bool, reads: bool) -> None:
    policy = Policy(clipboard=ClipboardDirection(direction))
    message = parse({"type": "clipboard", "text": "x"})
    assert not isinstance(message, Refusal)
    assert (permit(message, Role.OWNER, policy) is None) is sends
    assert messages.may_read_clipboard(Role.CONTROLLER, policy) is reads
    assert not messages.may_read_clipboard(Role.VIEWER, policy)


@pytest.mark.parametrize(
    ("width", "height", "field"),
    [(4000, 1000, "width"), (1000, 2200, "height"), (10, 1000, "width"), (3840, 2160, None)],
)
def test_the_policy_bounds_the_screen(width: int, height: int, field: str | None) -> None:
    message = parse({"type": "resize", "width": width, "height": height})
    assert not isinstance(message, Refusal)
    refusal = permit(message, Role.OWNER, Policy())
    assert (None if refusal is None else refusal.field) == field
