"""The RFB filter against messages built here from the specification, in arbitrary pieces."""

from __future__ import annotations

import contextlib
import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamspace_proxy.streamer.rfb_filter import MAX_ENCODINGS, ClientFilter, ProtocolViolation

HANDSHAKE = b"RFB 003.008\n\x01\x01"

u8, u16, u32 = st.integers(0, 255), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
i32 = st.integers(-(2**31), 2**31 - 1)


def packed(layout: str, *parts: st.SearchStrategy[int]) -> st.SearchStrategy[bytes]:
    return st.tuples(*parts).map(lambda values: struct.pack(">" + layout, *values))


def counted(layout: str, kind: int, body: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return body.map(lambda data: struct.pack(">" + layout, kind, len(data)) + data)


encodings = st.lists(i32.filter(lambda encoding: encoding != -316), max_size=40)
passed = st.one_of(
    packed("BxxxIIII", st.just(0), u32, u32, u32, u32),
    encodings.map(lambda items: struct.pack(f">BxH{len(items)}i", 2, len(items), *items)),
    packed("BBHHHH", st.just(3), u8, u16, u16, u16, u16),
    packed("BBHHHH", st.just(150), u8, u16, u16, u16, u16),
    st.tuples(st.integers(0, 2**31 - 1), st.binary(max_size=64)).map(
        lambda fence: struct.pack(">BxxxIB", 248, fence[0], len(fence[1])) + fence[1]
    ),
)
dropped = st.one_of(
    packed("BBxxI", st.just(4), u8, u32),
    packed("BBHH", st.just(5), u8, u16, u16),
    counted("BxxxI", 6, st.binary(max_size=300)),
    st.binary(min_size=1, max_size=300).map(lambda data: struct.pack(">Bxxxi", 6, -len(data)) + data),
    packed("BxBB", st.just(250), u8, u8),
    st.lists(st.binary(min_size=16, max_size=16), max_size=5).map(
        lambda screens: struct.pack(">BxHHBx", 251, 640, 480, len(screens)) + b"".join(screens)
    ),
    st.binary(max_size=50).map(lambda data: struct.pack(">BBH", 253, 0x81, len(data)) + data),
    st.binary(max_size=50).map(lambda data: struct.pack("<BBH", 253, 0x01, len(data)) + data),
    packed("BBHII", st.just(255), st.just(0), u16, u32, u32),
    packed("BBH", st.just(255), st.just(1), st.integers(0, 1)),
    packed("BBHBBI", st.just(255), st.just(1), st.just(2), u8, u8, u32),
    st.binary(max_size=64).map(lambda data: struct.pack(">BxxxIB", 248, 1 << 31, len(data)) + data),
)
messages = st.lists(st.one_of(passed.map(lambda m: (True, m)), dropped.map(lambda m: (False, m))), max_size=25)


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    bounds = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(bounds)]


@given(messages, st.lists(st.integers(0, 10_000), max_size=40))
def test_exactly_the_allowed_messages_pass_whatever_the_pieces(sent: list[tuple[bool, bytes]], cuts: list[int]) -> None:
    stream = HANDSHAKE + b"".join(message for _, message in sent)
    expected = HANDSHAKE + b"".join(message for allowed, message in sent if allowed)
    filtered = ClientFilter()
    assert b"".join(filtered.feed(piece) for piece in in_pieces(stream, cuts)) == expected


def types_of(passed_on: bytes) -> list[int]:
    """Parse what went on as the server would; fail on anything but pictures' messages."""
    kinds = []
    position = len(HANDSHAKE)
    while position < len(passed_on):
        kind = passed_on[position]
        kinds.append(kind)
        if kind == 2:
            position += 4 + 4 * struct.unpack_from(">H", passed_on, position + 2)[0]
        elif kind == 248:
            position += 9 + passed_on[position + 8]
        else:
            position += {0: 20, 3: 10, 150: 10}[kind]
    assert position == max(len(passed_on), len(HANDSHAKE))
    return kinds


kinds_alone = st.sampled_from([0, 2, 3, 4, 5, 6, 248, 251, 255]).map(lambda kind: bytes([kind]))
noise = st.lists(st.one_of(passed, dropped, st.binary(max_size=40), kinds_alone), max_size=20).map(b"".join)


@given(noise, st.lists(st.integers(0, 3000), max_size=30))
@settings(max_examples=300)
def test_noise_never_becomes_input_and_raises_nothing_else(data: bytes, cuts: list[int]) -> None:
    def run(pieces: list[bytes]) -> bytes:
        filtered, passed_on = ClientFilter(), b""
        try:
            for piece in pieces:
                passed_on += filtered.feed(piece)
        except ProtocolViolation:
            with pytest.raises(ProtocolViolation):
                filtered.feed(b"")
        return passed_on

    stream = HANDSHAKE + data
    byte_by_byte = run([stream[i : i + 1] for i in range(len(stream))])
    assert byte_by_byte.startswith(run(in_pieces(stream, cuts)))
    assert set(types_of(byte_by_byte)) <= {0, 2, 3, 150, 248}


@given(st.binary(max_size=40))
def test_a_noisy_handshake_raises_nothing_else(data: bytes) -> None:
    with contextlib.suppress(ProtocolViolation):
        assert HANDSHAKE.startswith(ClientFilter().feed(data)[: len(HANDSHAKE)])


def test_client_init_is_always_shared() -> None:
    assert ClientFilter().feed(b"RFB 003.008\n\x01\x00") == b"RFB 003.008\n\x01\x01"


def test_extended_mouse_buttons_are_never_negotiated() -> None:
    filtered = ClientFilter()
    filtered.feed(HANDSHAKE)
    assert filtered.feed(struct.pack(">BxH3i", 2, 3, 7, -316, -308)) == struct.pack(">BxH2i", 2, 2, 7, -308)


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"RFB 003.003\n", "version 3.8"),
        (b"GET / HTTP/1.1", "version 3.8"),
        (b"RFB 003.008\n\x02", "security type"),
        (HANDSHAKE + b"\x07", "unknown message type 7"),
        (HANDSHAKE + b"\xff\x09\x00\x00", "QEMU message 9/0"),
        (HANDSHAKE + struct.pack(">BxH", 2, MAX_ENCODINGS + 1), "at most 1024"),
        (HANDSHAKE + struct.pack(">BxxxIB", 248, 0, 65), "at most 64"),
    ],
)
def test_a_malformed_stream_is_refused_with_a_sentence(stream: bytes, words: str) -> None:
    filtered = ClientFilter()
    with pytest.raises(ProtocolViolation, match=words):
        filtered.feed(stream)
    with pytest.raises(ProtocolViolation):
        filtered.feed(b"")


def test_a_huge_clipboard_is_discarded_without_being_held() -> None:
    filtered = ClientFilter()
    filtered.feed(HANDSHAKE + struct.pack(">BxxxI", 6, 64 * 2**20))
    for _ in range(1024):
        assert filtered.feed(bytes(65536)) == b""
        assert len(filtered._buffer) == 0
    update = struct.pack(">BBHHHH", 3, 1, 0, 0, 640, 480)
    assert filtered.feed(update) == update
