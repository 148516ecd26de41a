"""From the end of a network outage to the next new picture, without anybody touching the page."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench.report import Figure
from tests.bench.streaming.links import over_link
from tests.bench.streaming.options import Options
from tests.bench.streaming.quiet import quiet
from tests.bench.streaming.variant import Target, Variant
from tests.bench.streaming.watching import Watcher, page_on, watcher
from tests.support.shaped_link import Link, unavailable

OUTAGES = (2.0, 6.0)
"""Seconds. TCP's retransmission timer doubles meanwhile; in the longer one page and streamer give up the connection.
What 30 seconds do is tested (`tests/browser/test_transitions.py`), and ten of them would take six minutes a variant."""
PATIENCE = 20.0
BETWEEN = 1500
HOPELESS = 2
"""After so many outages from which the picture has not come back, no more of that length are tried."""


def measure(options: Options) -> Iterator[Figure]:
    """Each variant in turn, full motion over a link of 20 ms round trip that lets nothing through for a while."""
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
            samples = _samples(link, watching, target, outage, max(2, options.clicks // 6))
            yield Figure("picture back after an outage", variant.name, "ms", samples=samples, conditions=conditions)


def _samples(link: Link, watching: Watcher, target: Target, outage: float, times: int) -> list[float]:
    """One for each of `times` outages; a page whose picture does not come back is opened anew."""
    samples: list[float] = []
    while len(samples) < times and samples.count(PATIENCE * 1000) < HOPELESS:
        samples.append(_back_after(link, watching, outage))
        if samples[-1] == PATIENCE * 1000:
            page_on(watching.page, target)
        watching.page.wait_for_timeout(BETWEEN)
    return samples


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
