"""What each further viewer costs the server side, while all of them watch a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Browser

from tests.bench.report import Figure
from tests.bench.streaming.latency import cpu_shares
from tests.bench.streaming.options import Options, defaults
from tests.bench.streaming.quiet import quiet
from tests.bench.streaming.variant import Variant
from tests.bench.streaming.watching import page_on, watcher
from tests.support.chromium import chromium

MOST = 4


def measure(options: Options | None = None) -> Iterator[Figure]:
    """One viewer, then up to four, as pages of one browser; its decoding takes from the same cores."""
    options = options or defaults()
    with chromium() as browser:
        for variant in options.variants:
            yield from _one(browser, variant, options)


def _one(browser: Browser, variant: Variant, options: Options) -> Iterator[Figure]:
    size = options.sizes[0]
    shares = []
    with variant.start(size) as target, watcher(browser, target, size, "terminal") as watching, quiet():
        for number in range(1, MOST + 1):
            if number > 1:
                page_on(watching.context.new_page(), target).wait_for_timeout(3000)
            shares.append(sum(cpu_shares(target, options.seconds).values()))
    each = (shares[-1] - shares[0]) / (MOST - 1)
    conditions = {"content": "terminal", "size": str(size), "viewers": " ".join(f"{share:.1f}" for share in shares)}
    yield Figure("each further viewer", variant.name, "% of a core", value=each, conditions=conditions)
