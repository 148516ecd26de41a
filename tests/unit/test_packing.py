"""Media's binary messages, byte for byte as the protocol's page has them."""

from __future__ import annotations

import struct

from streamspace_proxy.streamer import packing
from streamspace_proxy.streamer.frames import EncodedFrame, OpusPacket


def test_the_header_of_media_is_the_documented_one() -> None:
    frame = EncodedFrame(b"AU", True, 7, 123_456_789_012, 640, 480)
    assert packing.pack_video(frame, 9) == struct.pack(">BBHIQ", 1, 1, 7, 9, 123_456_789_012) + b"AU"
    assert packing.pack_sound(OpusPacket(b"op", 5), 3) == struct.pack(">BBHIQ", 2, 0, 0, 3, 5) + b"op"
