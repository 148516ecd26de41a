"""How long the page takes to get from one transport to another, and whether that is seen. Ours only: peers have one.

Nothing is forced: the page chooses, over a link of 20 ms there and back.
"""

from __future__ import annotations

import itertools
import json
import random
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace

from playwright.sync_api import Page

from tests.bench.report import Figure
from tests.bench.streaming import ours
from tests.bench.streaming.links import over_link
from tests.bench.streaming.options import Options
from tests.bench.streaming.quiet import quiet
from tests.bench.streaming.variant import Target
from tests.bench.streaming.watching import Watcher, watcher
from tests.support.shaped_link import Link, unavailable

VARIANT = "streamspace"
LIMIT = 20_000
"""Milliseconds after which a transition counts as not coming, and as having taken so long."""
STEADY = 3.0
"""Seconds that a page stays as it is before something happens to it."""
STARVED, SILENT = "back on the WebSocket after UDP ended", "WebRTC given up after UDP ended, nothing to send"
NOTICED = "ICE failure noticed by the streamer"
CLIMB = "longest time without a picture while WebRTC takes over"
# Notes each picture that the page presents, and on which transport.
NOTE = """() => {
  window.shownAt = [];
  window.streamspace.on('frame', () =>
    window.shownAt.push([performance.timeOrigin + performance.now(), window.streamspace.transport]));
}"""
FORGET = "localStorage.clear()"
# Moments by performance.timeOrigin, so that they compare with those of this process.
BY = "t => window.streamspace?.transport === t && performance.timeOrigin + performance.now()"


def measure(options: Options) -> Iterator[Figure]:
    """With the screen in full motion: climbing and falling back. With a screen at rest: noticing that nothing comes."""
    if reason := unavailable():
        print(f"transitions: {reason}")
        return
    size, times = options.sizes[0], max(3, options.clicks // 6)
    for kind, figures in (("motion", _moving), ("static", _still)):
        with (
            over_link() as (link, browser),
            ours.start("websocket", size) as started,
            watcher(browser, replace(started, url=started.url.partition("?")[0]), size, kind) as watching,
            quiet(),
        ):
            link.set(delay_ms=10)
            conditions = {"content": kind, "size": str(size), "link": "20 ms"}
            for name, samples in figures(link, watching, started, times).items():
                yield Figure(name, VARIANT, "ms", samples=samples, conditions=conditions)


def _moving(link: Link, watching: Watcher, target: Target, times: int) -> dict[str, list[float]]:
    gaps, backs = [], []
    for _ in range(times):
        _opened_again(watching.page, target)
        gaps.append(_climb(watching.page))
        backs.append(_given_up(link, watching.page))
    return {CLIMB: gaps, STARVED: backs}


def _still(link: Link, watching: Watcher, target: Target, times: int) -> dict[str, list[float]]:
    """Nothing is starved where nothing is sent: only the connection itself can be missed."""
    silent, noticed = [], []
    for _ in range(times):
        _opened_again(watching.page, target)
        _reached(watching.page, "webrtc")
        silent.append(_given_up(link, watching.page))
        _opened_again(watching.page, target)
        _reached(watching.page, "webrtc")
        noticed.append(_noticed(link, watching.page, target))
    return {SILENT: silent, NOTICED: noticed}


def _opened_again(page: Page, target: Target) -> None:
    """Without a memory of what failed before, so that WebRTC is tried at once."""
    page.evaluate(FORGET)
    page.goto(target.url.partition("?")[0])


def _climb(page: Page) -> float:
    """The longest time between two pictures, from the second before WebRTC's first one to the second after."""
    page.wait_for_function("() => window.streamspace?.transport === 'websocket'", timeout=LIMIT)
    page.evaluate(NOTE)
    _reached(page, "webrtc")
    page.wait_for_timeout(STEADY * 1000)
    shown: list[tuple[float, str]] = page.evaluate("window.shownAt")
    change = next((at for at, transport in shown if transport == "webrtc"), None)
    if change is None:
        return LIMIT
    near = [at for at, _ in shown if abs(at - change) <= 1000]
    return max((later - earlier for earlier, later in itertools.pairwise(near)), default=LIMIT)


def _given_up(link: Link, page: Page) -> float:
    """From the last datagram that comes through until the page shows the WebSocket's picture."""
    # At a random moment, since much of what notices it keeps time.
    page.wait_for_timeout((STEADY + random.random()) * 1000)
    cut = time.time() * 1000
    link.set(block_udp=True)
    try:
        back = _reached(page, "websocket")
        return LIMIT if back is None else back - cut
    finally:
        link.set(block_udp=False)


def _noticed(link: Link, page: Page, target: Target) -> float:
    """From an outage, in which the page can tell it nothing, until the streamer holds the connection for lost."""
    page.wait_for_timeout((STEADY + random.random()) * 1000)
    cut = time.monotonic()
    link.set(up=False)
    try:
        while _streams_by_webrtc(target) and time.monotonic() - cut < LIMIT / 1000:
            time.sleep(0.02)
        return min(1000 * (time.monotonic() - cut), LIMIT)
    finally:
        link.set(up=True)


def _streams_by_webrtc(target: Target) -> bool:
    with urllib.request.urlopen(target.viewer_socket.removesuffix("ws") + "api/v1/stats") as answer:
        viewers = json.load(answer)["viewers"]
    return any(viewer["webrtc"] and viewer["webrtc"]["state"] == "connected" for viewer in viewers)


def _reached(page: Page, transport: str) -> float | None:
    """When the page came to show `transport`, in milliseconds since 1970; None if it does not."""
    deadline = time.monotonic() + LIMIT / 1000
    while time.monotonic() < deadline:
        at: float | bool = page.evaluate(BY, transport)
        if at:
            return float(at)
        page.wait_for_timeout(5)
    return None
