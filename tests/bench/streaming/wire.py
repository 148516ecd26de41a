"""Bytes between server and browser, with the headers of TCP, UDP and IP, over a link that holds up nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.report import Figure
from tests.bench.streaming.links import over_link
from tests.bench.streaming.options import Options
from tests.bench.streaming.quiet import quiet
from tests.bench.streaming.watching import watcher
from tests.support.shaped_link import unavailable

SETTLE = 3.0


def measure(options: Options) -> Iterator[Figure]:
    """Each variant in turn, with nobody touching anything."""
    if reason := unavailable():
        print(f"wire: {reason}")
        return
    for size in options.sizes:
        for variant in options.variants:
            with over_link() as (link, browser), variant.start(size) as target:
                for kind in options.content:
                    conditions = {"content": kind, "size": str(size)}
                    with watcher(browser, target, size, kind) as watching, quiet():
                        watching.page.wait_for_timeout(SETTLE * 1000)
                        before = link.counts()
                        watching.page.wait_for_timeout(options.seconds * 1000)
                        after = link.counts()
                    for name, key in (("to the browser", "down_bytes"), ("from the browser", "up_bytes")):
                        rate = (after[key] - before[key]) * 8 / options.seconds / 1000
                        yield Figure(name, variant.name, "kbit/s", value=rate, conditions=conditions)
