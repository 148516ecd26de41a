"""Transport-wide congestion control feedback as it comes by RTCP. Pure.

The format is draft-holmer-rmcat-transport-wide-cc-extensions-01's. Bytes from a browser: whatever they are,
they are read, or refused by `ValueError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

RTPFB, TRANSPORT_CC = 205, 15
HEADER: Final = struct.Struct(">BBH")
FIXED: Final = struct.Struct(">IIHHI")
"""Sender, media source, first number, count of packets, reference time (24 bits) and count of reports (8)."""
REFERENCE_TICK, DELTA_TICK = 0.064, 0.000_25
REFERENCE_RANGE: Final = 1 << 24
NOT_RECEIVED, SMALL, LARGE = 0, 1, 2

Arrivals = list[tuple[int, float | None]]


def split_feedback(data: bytes) -> tuple[list[bytes], bytes]:
    """Part a compound RTCP packet into the bodies of its transport feedback, and all else as it was."""
    feedback: list[bytes] = []
    rest: list[bytes] = []
    at = 0
    while at < len(data):
        if len(data) - at < HEADER.size:
            raise ValueError("the RTCP packet ends within a header")
        first, kind, words = HEADER.unpack_from(data, at)
        end = at + 4 * (words + 1)
        if end > len(data):
            raise ValueError("the RTCP packet is shorter than it says")
        if kind == RTPFB and first & 0x1F == TRANSPORT_CC:
            feedback.append(data[at + HEADER.size : end])
        else:
            rest.append(data[at:end])
        at = end
    return feedback, b"".join(rest)


class FeedbackReader:
    """Reads the reports of one connection, whose reference time wraps around every twelve days."""

    def __init__(self) -> None:
        self._reference: int | None = None

    def read(self, body: bytes) -> Arrivals:
        """Return for each packet number when it arrived, in seconds of the viewer's clock; None: it has not."""
        if len(body) < FIXED.size:
            raise ValueError("the feedback is too short")
        _, _, number, count, reference = FIXED.unpack_from(body)
        symbols, at = _symbols(body, count)
        clock = REFERENCE_TICK * self._unwrap(reference >> 8)
        arrivals: Arrivals = []
        for symbol in symbols:
            arrival = None
            if symbol != NOT_RECEIVED:
                form = ">B" if symbol == SMALL else ">h"
                if at + struct.calcsize(form) > len(body):
                    raise ValueError("the feedback ends within its arrival times")
                clock += DELTA_TICK * struct.unpack_from(form, body, at)[0]
                at += struct.calcsize(form)
                arrival = clock
            arrivals.append((number, arrival))
            number = (number + 1) & 0xFFFF
        return arrivals

    def _unwrap(self, reference: int) -> int:
        if self._reference is None:
            self._reference = reference
        half = REFERENCE_RANGE // 2
        self._reference += (reference - self._reference + half) % REFERENCE_RANGE - half
        return self._reference


def _symbols(body: bytes, count: int) -> tuple[list[int], int]:
    """Return `count` packet statuses, and where the arrival times begin."""
    symbols: list[int] = []
    at = FIXED.size
    while len(symbols) < count:
        if at + 2 > len(body):
            raise ValueError("the feedback ends within its packet statuses")
        (chunk,) = struct.unpack_from(">H", body, at)
        symbols.extend(_chunk(chunk, count - len(symbols)))
        at += 2
    if any(symbol > LARGE for symbol in symbols):
        raise ValueError("the feedback has a packet status that is reserved")
    return symbols, at


def _chunk(chunk: int, wanted: int) -> Iterator[int]:
    if not chunk & 0x8000:
        yield from [chunk >> 13 & 3] * min(chunk & 0x1FFF, wanted)
    elif chunk & 0x4000:
        yield from [chunk >> shift & 3 for shift in range(12, -2, -2)][:wanted]
    else:
        yield from [chunk >> shift & 1 for shift in range(13, -1, -1)][:wanted]
