"""Click to photon and delivered frames over networks that people have: delay, a rate, a short queue, loss."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from playwright.sync_api import Browser

from tests.bench.report import Figure
from tests.bench.streaming.latency import PAUSE, delivered
from tests.bench.streaming.options import Options
from tests.bench.streaming.quiet import quiet
from tests.bench.streaming.variant import Size, Variant
from tests.bench.streaming.watching import watcher
from tests.support.chromium import chromium
from tests.support.shaped_link import CHROMIUM_ARGUMENTS, Link, Settings, shaped_link, unavailable

LINKS = {
    "40 ms, 8 Mbit/s": Settings(delay_ms=20, rate_bps=8e6),
    "40 ms, 2.5 Mbit/s": Settings(delay_ms=20, rate_bps=2.5e6, queue_bytes=50_000),
    "40 ms, 1 % loss": Settings(delay_ms=20, loss=0.01),
}
SETTLE = 5.0
"""Seconds that congestion control gets to learn what the link carries."""


def measure(options: Options) -> Iterator[Figure]:
    """Each size and variant in turn over each link."""
    if reason := unavailable():
        print(f"links: {reason}")
        return
    for name, settings in LINKS.items():
        for size, variant, kind in itertools.product(options.sizes, options.variants, options.content):
            yield from _cell(variant, (name, settings), kind, size, options)


def _cell(variant: Variant, line: tuple[str, Settings], kind: str, size: Size, options: Options) -> Iterator[Figure]:
    name, settings = line
    conditions = {"content": kind, "size": str(size), "link": name}
    with (
        over_link() as (link, browser),
        variant.start(size) as target,
        watcher(browser, target, size, kind) as watching,
        quiet(),
    ):
        link.set(**vars(settings))
        watching.page.wait_for_timeout(SETTLE * 1000)
        before = link.counts()["down_bytes"]
        if kind == "motion":
            yield from delivered(variant, watching, options.seconds, conditions)
        else:
            watching.page.wait_for_timeout(options.seconds * 1000)
        rate = (link.counts()["down_bytes"] - before) * 8 / options.seconds / 1000
        yield Figure("to the browser", variant.name, "kbit/s", value=rate, conditions=conditions)
        samples = watching.clicks(options.clicks, PAUSE[kind])
        yield Figure("click to photon", variant.name, "ms", samples=samples, conditions=conditions)


@contextmanager
def over_link() -> Iterator[tuple[Link, Browser]]:
    """A link, perfect until it is set otherwise, and a browser at its far end; this thread is at its near end."""
    with shaped_link() as link, ExitStack() as stack:
        with link.client.entered():
            browser = stack.enter_context(chromium(*CHROMIUM_ARGUMENTS))
        with link.server.entered():
            yield link, browser
