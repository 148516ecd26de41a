"""What each further viewer costs the server side, while all of them watch the same."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Browser

from tests.bench.report import Figure
from tests.bench.streaming.latency import cpu_shares
from tests.bench.streaming.options import Options
from tests.bench.streaming.quiet import quiet
from tests.bench.streaming.variant import Variant
from tests.bench.streaming.watching import page_on, watcher
from tests.support.chromium import chromium

MOST = {"motion": 2}
"""Viewers by content, else `USUALLY`: four software decoders in full motion would leave the server side no core."""
USUALLY = 4


def measure(options: Options) -> Iterator[Figure]:
    """One viewer, then more, as pages of one browser; its decoding takes from the same cores."""
    with chromium() as browser:
        for variant in options.variants:
            for kind in options.content:
                yield from _one(browser, variant, kind, options)


def _one(browser: Browser, variant: Variant, kind: str, options: Options) -> Iterator[Figure]:
    size, most = options.sizes[0], MOST.get(kind, USUALLY)
    shares = []
    with variant.start(size) as target, watcher(browser, target, size, kind) as watching, quiet():
        for number in range(1, most + 1):
            if number > 1:
                page_on(watching.context.new_page(), target).wait_for_timeout(3000)
            shares.append(sum(cpu_shares(target, options.seconds).values()))
    each = (shares[-1] - shares[0]) / (most - 1)
    conditions = {"content": kind, "size": str(size), "viewers": " ".join(f"{share:.1f}" for share in shares)}
    yield Figure("each further viewer", variant.name, "% of a core", value=each, conditions=conditions)
