"""Memory of the server side with one viewer, and what our streamer keeps for a viewer that has stopped reading."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import aiohttp

from tests.bench.processes import pss_mb
from tests.bench.report import Figure
from tests.bench.streaming.options import Options
from tests.bench.streaming.quiet import quiet
from tests.bench.streaming.variant import Target
from tests.bench.streaming.watching import watcher
from tests.support.chromium import chromium

WATCH = 15
"""Seconds of full motion before memory is read."""
ATTENTIVE = 60
"""Messages that the viewer reads before it stops."""


def measure(options: Options) -> Iterator[Figure]:
    """Each variant in turn, full motion at each size."""
    with chromium() as browser:
        for size in options.sizes:
            for variant in options.variants:
                conditions = {"content": "motion", "size": str(size)}
                with variant.start(size) as target, watcher(browser, target, size, "motion") as watching, quiet():
                    watching.page.wait_for_timeout(WATCH * 1000)
                    parts = {part: pss_mb(processes) for part, processes in target.parts().items()}
                    detail = " + ".join(f"{part} {used:.0f}" for part, used in sorted(parts.items()))
                    total = sum(parts.values())
                    yield Figure(
                        "server side memory (PSS)",
                        variant.name,
                        "MB",
                        value=total,
                        conditions=conditions | {"parts": detail},
                    )
                    if "streamer" in parts:
                        name = "streamer memory with one viewer"
                        yield Figure(name, variant.name, "MB", value=parts["streamer"], conditions=conditions)
                    if target.viewer_socket:
                        growth = _with_deaf_viewer(target, target.viewer_socket)
                        name = "streamer memory for a viewer that stopped reading"
                        yield Figure(name, variant.name, "MB", value=growth, conditions=conditions)


def _with_deaf_viewer(target: Target, url: str) -> float:
    """Growth of the streamer's memory. In a thread, since Playwright has this one's event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _deaf_viewer(target, url)).result()


async def _deaf_viewer(target: Target, url: str) -> float:
    before = pss_mb(target.parts()["streamer"])
    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=["streamspace.v1"]) as socket:
        await socket.send_str(json.dumps({"type": "start", "transport": "websocket", "audio": False}))
        for _ in range(ATTENTIVE):
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.BINARY:
                _, _, _, number = struct.unpack_from(">BBHI", message.data)
                await socket.send_bytes(struct.pack(">BBHI", 1, 0, 0, number))
        await asyncio.sleep(WATCH)
        return pss_mb(target.parts()["streamer"]) - before
