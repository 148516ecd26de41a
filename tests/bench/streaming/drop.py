"""From the end of a network outage to the next new picture, without anybody touching the page."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench.report import Figure
from tests.bench.streaming.links import over_link
from tests.bench.streaming.options import Options, defaults
from tests.bench.streaming.quiet import quiet
from tests.bench.streaming.variant import Variant
from tests.bench.streaming.watching import Watcher, watcher
from tests.support.shaped_link import Link, unavailable

OUTAGES = (2.0, 10.0, 30.0)
"""Seconds. TCP's retransmission timer doubles meanwhile, ICE's consent expires, a page's patience ends."""
PATIENCE = 40.0


def measure(options: Options | None = None) -> Iterator[Figure]:
    """Each variant in turn, full motion over a link of 20 ms round trip that lets nothing through for a while."""
    options = options or defaults()
    if reason := unavailable():
        print(f"drop: {reason}")
        return
    for variant in options.variants:
        yield from _one(variant, options)


def _one(variant: Variant, options: Options) -> Iterator[Figure]:
    size = options.sizes[0]
    with (
        over_link() as (link, browser),
        variant.start(size) as target,
        watcher(browser, target, size, "motion") as watching,
        quiet(),
    ):
        link.set(delay_ms=10)
        for outage in OUTAGES:
            conditions = {"size": str(size), "outage": f"{outage:.0f} s"}
            value = _back_after(link, watching, outage)
            yield Figure("picture back after an outage", variant.name, "ms", value=value, conditions=conditions)
            watching.page.wait_for_timeout(5000)


def _back_after(link: Link, watching: Watcher, outage: float) -> float:
    """Milliseconds until the picture moves again; `PATIENCE` when it does not."""
    link.set(up=False)
    watching.page.wait_for_timeout(outage * 1000)
    link.set(up=True)
    up = time.time() * 1000
    while time.time() * 1000 - up < PATIENCE * 1000:
        # The element may be a new one since: it is looked for each time.
        for moment in watching.frames(0.3)[1:]:
            return max(0.0, moment - up)
    return PATIENCE * 1000
