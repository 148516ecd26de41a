"""The viewer protocol's binary messages to a viewer: a header, then the payload (docs/reference/protocol.md). Pure."""

from __future__ import annotations

import struct
from typing import Final

from streamspace_proxy.streamer.frames import EncodedFrame, OpusPacket

VIDEO_KIND: Final = 1
AUDIO_KIND: Final = 2
KEYFRAME_FLAG: Final = 1
HEADER: Final = struct.Struct(">BBHIQ")


def pack_video(frame: EncodedFrame, frame_id: int) -> bytes:
    """Return the binary message of one video frame."""
    flags = KEYFRAME_FLAG if frame.keyframe else 0
    return HEADER.pack(VIDEO_KIND, flags, frame.epoch, frame_id, frame.capture_us) + frame.data


def pack_sound(packet: OpusPacket, packet_id: int) -> bytes:
    """Return the binary message of one packet of sound."""
    return HEADER.pack(AUDIO_KIND, 0, 0, packet_id & 0xFFFF_FFFF, packet.capture_us) + packet.data


def is_sent(frame_id: int, newest_id: int) -> bool:
    """Whether a frame is the newest or an older one; ids wrap at 2^32, so half of them are older."""
    return (newest_id - frame_id) & 0xFFFF_FFFF < 1 << 31
