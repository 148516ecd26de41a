"""The process between the two ends of a shaped link: reads packets from one TUN device, writes them to the other later.

`shaped_link_process.py SERVER_TUN CLIENT_TUN CONTROL`: three open file descriptors. Each line on CONTROL is a JSON
object of changed settings, answered with a JSON object of counts; it ends when CONTROL closes. Standard library only.
"""

from __future__ import annotations

import gc
import json
import os
import random
import select
import socket
import struct
import sys
import time
from collections import deque
from typing import Any

SERVER, LOOPBACK = socket.inet_aton("10.200.0.1"), socket.inet_aton("127.0.0.1")
TCP, UDP = 6, 17
SOURCE, DESTINATION = 12, 16
"""Offsets of the addresses in an IPv4 header."""


class Direction:
    """Packets on their way from one device to the other."""

    def __init__(self, source: int, target: int, old: bytes, new: bytes, offset: int) -> None:
        self.source, self.target = source, target
        self.rewrite = (old, new, offset)
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.free_at = 0.0
        """When the last packet of the queue will have been sent."""
        self.bytes = self.packets = self.dropped = 0

    def receive(self, settings: dict[str, Any], now: float) -> None:
        """Take what has come, at most a burst, so that the other direction has its turn."""
        for _ in range(64):
            try:
                packet = os.read(self.source, 2048)
            except BlockingIOError:
                return
            if packet[0] >> 4 != 4:
                continue  # IPv6 neighbour discovery
            if self._lost(packet, settings, now):
                self.dropped += 1
            else:
                self._queue(packet, settings, now)

    def _lost(self, packet: bytes, settings: dict[str, Any], now: float) -> bool:
        backlog = max(0.0, self.free_at - now) * settings["rate_bps"] / 8
        return (
            not settings["up"]
            or (settings["block_udp"] and packet[9] == UDP)
            or (packet[9] == UDP and random.random() < settings["udp_loss"])
            or random.random() < settings["loss"]
            or (settings["rate_bps"] > 0 and backlog + len(packet) > settings["queue_bytes"])
        )

    def _queue(self, packet: bytes, settings: dict[str, Any], now: float) -> None:
        self.free_at = max(self.free_at, now)
        if settings["rate_bps"]:
            self.free_at += len(packet) * 8 / settings["rate_bps"]
        self.waiting.append((self.free_at + settings["delay_ms"] / 1000, translated(packet, *self.rewrite)))

    def deliver(self, now: float) -> None:
        while self.waiting and self.waiting[0][0] <= now:
            packet = self.waiting.popleft()[1]
            try:
                os.write(self.target, packet)
            except OSError:
                self.dropped += 1
            else:
                self.bytes += len(packet)
                self.packets += 1


def translated(packet: bytes, old: bytes, new: bytes, offset: int) -> bytes:
    """The packet with the address at `offset` changed from `old` to `new`, where it is TCP and has it."""
    if packet[9] != TCP or packet[offset : offset + 4] != old:
        return packet
    changed = bytearray(packet)
    changed[offset : offset + 4] = new
    header = (packet[0] & 15) * 4
    for at in (10, header + 16):  # the checksums of IP and of TCP, which covers the addresses too
        changed[at : at + 2] = adjusted(changed[at : at + 2], old, new)
    return bytes(changed)


def adjusted(checksum: bytes | bytearray, old: bytes, new: bytes) -> bytes:
    """RFC 1624: the checksum after four bytes have changed."""
    total = ~int.from_bytes(checksum, "big") & 0xFFFF
    total += sum(~word & 0xFFFF for word in struct.unpack(">HH", old)) + sum(struct.unpack(">HH", new))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~total & 0xFFFF)


def main(server: int, client: int, control_fd: int) -> None:
    """Move packets until the control socket closes."""
    control = socket.socket(fileno=control_fd)
    up = Direction(client, server, SERVER, LOOPBACK, DESTINATION)
    down = Direction(server, client, LOOPBACK, SERVER, SOURCE)
    settings: dict[str, Any] = {"delay_ms": 0, "rate_bps": 0, "queue_bytes": 0, "loss": 0, "up": False}
    lines = b""
    while True:
        due = [direction.waiting[0][0] for direction in (up, down) if direction.waiting]
        # select, since epoll's timeout counts in whole milliseconds.
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        readable, _, _ = select.select([server, client, control_fd], [], [], timeout)
        now = time.monotonic()
        for direction in (up, down):
            if direction.source in readable:
                direction.receive(settings, now)
            direction.deliver(time.monotonic())
        if control_fd in readable:
            received = control.recv(65536)
            if not received:
                return
            *complete, lines = (lines + received).split(b"\n")
            for line in complete:
                settings |= json.loads(line)
                if not settings["up"]:
                    up.waiting.clear()
                    down.waiting.clear()
                control.sendall(json.dumps(counts(up, down)).encode() + b"\n")


def counts(up: Direction, down: Direction) -> dict[str, int]:
    return {
        "up_bytes": up.bytes,
        "up_packets": up.packets,
        "down_bytes": down.bytes,
        "down_packets": down.packets,
        "dropped": up.dropped + down.dropped,
    }


if __name__ == "__main__":
    gc.disable()
    main(*map(int, sys.argv[1:4]))
