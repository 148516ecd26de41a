"""A real streamer with a hostile viewer and a good one: the good one's picture goes on, and memory does not grow."""

from __future__ import annotations

import asyncio
import json
import os
import random
import struct
import time
from itertools import pairwise
from typing import Any

import psutil
import pytest

from tests.fuzz.targets import _offer, mutated
from tests.support.streamer import Running, identity, running_streamer
from tests.support.waiting import STALL

pytestmark = pytest.mark.x11
SECONDS = min(60, int(os.environ.get("FUZZ_SECONDS", "10")))
GROWTH_MB = 30

GOOD: list[dict[str, Any]] = [
    {"type": "start", "transport": "websocket", "audio": True},
    {"type": "start", "transport": "rfb", "audio": False},
    {"type": "start", "transport": "webrtc", "audio": True},
    {"type": "stop", "transport": "websocket"},
    {"type": "stop", "transport": "webrtc"},
    {"type": "rtc_candidate", "candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "mid": "0"},
    {"type": "rtc_offer", "sdp": "v=0"},
    {"type": "pointer", "x": 1, "y": 2, "buttons": 1},
    {"type": "key", "keysym": 97, "down": True},
    {"type": "clipboard", "text": "x" * 1000},
    {"type": "resize", "width": 640, "height": 480},
    {"type": "quality", "preset": "low_data"},
    {"type": "keyframe"},
    {"type": "visibility", "hidden": True},
    {"type": "restart_app"},
    {"type": "ping", "t": 1},
    {"type": "report", "latency_ms": [1.0] * 50},
]


def noise(dice: random.Random) -> str | bytes:
    """Anything; acknowledgements of what was never sent; voices."""
    number = dice.randrange(0x10000)
    match dice.randrange(4):
        case 0:
            return dice.randbytes(dice.randrange(60))
        case 1:
            return struct.pack(">BBHI", 1, 0, number, dice.getrandbits(32))
        case 2:
            return struct.pack(">BBHI", 2, 0, number, 0) + dice.randbytes(dice.randrange(1300))
        case _:
            return "".join(map(chr, dice.choices(range(1, 0xD7FF), k=dice.randrange(80))))


def nonsense(dice: random.Random) -> str | bytes:
    """One message: good, almost good, or noise."""
    if dice.random() < 0.4:
        return noise(dice)
    match dice.randrange(4):
        case 0:
            edits = [
                (dice.choice(["drop", "double", "word"]), dice.randrange(99), dice.randrange(9), "x") for _ in "ab"
            ]
            return json.dumps({"type": "rtc_offer", "sdp": mutated(edits)})
        case 1:
            message = dict(dice.choice(GOOD))
            field = dice.choice([*message, "more"])
            message[field] = dice.choice([None, -1, 1e300, "", [], {}, "x" * 5000, [[[[1]]]], True])
            return json.dumps(message)
        case _:
            return json.dumps(dice.choice(GOOD))


async def attack(running: Running, role: str, seed: int, until: float) -> int:
    """Send nonsense as fast as it goes until then, on a new socket whenever the old one is closed."""
    dice, count = random.Random(seed), 0
    while time.monotonic() < until:
        viewer = await running.viewer(role, "mallory")
        while not viewer.closed and time.monotonic() < until:
            message = nonsense(dice)
            count += 1
            try:
                await (viewer.ws.send_str(message) if isinstance(message, str) else viewer.ws.send_bytes(message))
            except ConnectionError:
                break
            if count % 500 == 0:
                await asyncio.sleep(0.01)
            if count % 20_000 == 0:
                break
        await viewer.ws.close()
    return count


async def attack_rfb(running: Running, seed: int, until: float) -> None:
    dice = random.Random(seed)
    while time.monotonic() < until:
        url = "http://session/rfb"
        async with running.http.ws_connect(url, headers=identity("viewer"), protocols=["binary"]) as ws:
            greeting = b"RFB 003.008\n\x01\x01" if dice.random() < 0.8 else b""
            try:
                await ws.send_bytes(greeting + dice.randbytes(dice.randrange(200)))
                await ws.send_bytes(dice.randbytes(2000))
            except ConnectionError:
                pass
            await asyncio.sleep(0.05)


@pytest.mark.timeout(SECONDS + 120)
async def test_a_hostile_viewer_disturbs_nobody_else() -> None:
    await asyncio.to_thread(_offer)  # on a loop of its own
    async with running_streamer(policy={"microphone": True}) as running:
        running.x.start("xterm", "-geometry", "80x24+0+0", "-e", "sh", "-c", "while :; do date; sleep 0.03; done")
        good = await running.viewer()
        await good.start()
        await attack(running, "viewer", 0, time.monotonic() + 3)  # what is loaded at first use is loaded now
        process = psutil.Process(running.process.pid)
        memory = process.memory_info().rss
        started = time.monotonic()
        until = started + SECONDS
        sent = await asyncio.gather(
            attack(running, "viewer", 1, until), attack(running, "viewer", 2, until), attack_rfb(running, 3, until)
        )
        ended = time.monotonic()
        pauses = [b.at - a.at for a, b in pairwise(frame for frame in good.frames if started < frame.at < ended)]
        print(f"{sum(sent[:2])} messages; {len(pauses) / (ended - started):.0f} fps; longest pause {max(pauses):.2f} s")
        assert min(sent[:2]) > 0
        assert max(pauses) < STALL
        await asyncio.sleep(2)
        growth = (process.memory_info().rss - memory) / 1e6
        figures = await running.get("stats")
        print(f"memory {memory / 1e6:.0f} MB, grown by {growth:.1f} MB; {figures['refusals']} refusals")
        assert growth < GROWTH_MB
        assert figures["refusals"] > 0
        assert figures["rfb_viewers"] == 0
        assert [viewer["role"] for viewer in figures["viewers"]] == ["owner"]
        assert "Traceback" not in running.log(), running.log()[-3000:]
        assert (await running.get("activity"))["last_input"] is None, "a watcher's input went nowhere"
        good.picture()
