"""Media's binary messages, byte for byte as the protocol's page has them."""

from __future__ import annotations

import struct

import pytest
from streamspace_proxy.streamer import packing
from streamspace_proxy.streamer.frames import EncodedFrame, OpusPacket


def test_the_header_of_media_is_the_documented_one() -> None:
    frame = EncodedFrame(b"AU", True, 7, 123_456_789_012, 640, 480)
    assert packing.pack_video(frame, 9) == struct.pack(">BBHIQ", 1, 1, 7, 9, 123_456_789_012) + b"AU"
    assert packing.pack_sound(OpusPacket(b"op", 5), 3) == struct.pack(">BBHIQ", 2, 0, 0, 3, 5) + b"op"


@pytest.mark.parametrize(
    ("frame_id", "newest", "sent"),
    [(0, 0, True), (4, 5, True), (6, 5, False), (0, 5, True), (0xFFFF_FFFF, 3, True), (4, 0xFFFF_FFFF, False)],
)
def test_a_frame_beyond_the_newest_was_not_sent(frame_id: int, newest: int, sent: bool) -> None:
    assert packing.is_sent(frame_id, newest) is sent
