"""Transport-wide feedback: against a writer of the test's own, and against nonsense."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamspace_proxy.streamer.transport_feedback import FeedbackReader, split_feedback


def write(first: int, ticks: Sequence[int | None], reference: int, vectors: bool = True) -> bytes:
    """The body of a report: `ticks` are arrivals in 250 us after the reference time (64 ms each)."""
    symbols, deltas, before = [], b"", 0
    for tick in ticks:
        if tick is None:
            symbols.append(0)
            continue
        delta, before = tick - before, tick
        small = 0 <= delta <= 255
        symbols.append(1 if small else 2)
        deltas += struct.pack(">B" if small else ">h", delta)
    chunks = b""
    at = 0
    while at < len(symbols):
        if vectors:
            seven = (symbols[at : at + 7] + [0] * 7)[:7]
            chunks += struct.pack(">H", 0xC000 | sum(symbol << 2 * (6 - i) for i, symbol in enumerate(seven)))
            at += 7
        else:
            run = next((i for i, symbol in enumerate(symbols[at:]) if symbol != symbols[at]), len(symbols) - at)
            chunks += struct.pack(">H", symbols[at] << 13 | run)
            at += run
    body = struct.pack(">IIHHI", 1, 2, first, len(ticks), (reference & 0xFFFFFF) << 8) + chunks + deltas
    return body + bytes(-len(body) % 4)


arrivals = st.lists(st.none() | st.integers(0, 2000), min_size=1, max_size=100)


@given(st.integers(0, 0xFFFF), arrivals, st.integers(0, 0xFFFFFF), st.booleans())
def test_what_was_written_is_read(first: int, ticks: list[int | None], reference: int, vectors: bool) -> None:
    read = FeedbackReader().read(write(first, ticks, reference, vectors))
    assert [number for number, _ in read] == [(first + i) & 0xFFFF for i in range(len(ticks))]
    expected = [None if tick is None else pytest.approx(reference * 0.064 + tick * 0.00025) for tick in ticks]
    assert [arrival for _, arrival in read] == expected


def test_one_bit_vectors_are_read() -> None:
    body = struct.pack(">IIHHIH", 1, 2, 7, 3, 5 << 8, 0x8000 | 0b10100000000000) + bytes([4, 8])
    assert FeedbackReader().read(body) == [(7, pytest.approx(0.321)), (8, None), (9, pytest.approx(0.323))]


def test_the_clock_goes_on_when_it_wraps_around() -> None:
    reader = FeedbackReader()
    before = reader.read(write(0, [0], 0xFFFFFF))[0][1]
    after = reader.read(write(1, [0], 0))[0][1]
    assert before is not None
    assert after == pytest.approx(before + 0.064)


@given(st.binary(max_size=200))
def test_nonsense_is_refused_or_read(body: bytes) -> None:
    try:
        read = FeedbackReader().read(body)
    except ValueError:
        return
    assert len(read) <= 0xFFFF


def test_feedback_is_parted_from_the_rest() -> None:
    report = struct.pack(">BBHI", 0x80, 201, 1, 9)
    feedback = write(1, [1, 2, None], 3)
    packet = struct.pack(">BBH", 0x80 | 15, 205, len(feedback) // 4) + feedback
    nack = struct.pack(">BBHIIHH", 0x81, 205, 3, 1, 2, 3, 0)
    assert split_feedback(report + packet + nack) == ([feedback], report + nack)


@given(st.binary(max_size=100))
def test_parting_nonsense_loses_nothing_or_is_refused(data: bytes) -> None:
    try:
        feedback, rest = split_feedback(data)
    except ValueError:
        return
    assert len(rest) + sum(len(body) + 4 for body in feedback) == len(data)
