"""From navigation to the first picture while the session runs, and how soon WebRTC takes over where nothing is forced.

The page is loaded in a new tab of a browser that has its scripts in the cache, as on every visit but the first.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from playwright.sync_api import BrowserContext
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.bench.report import Figure
from tests.bench.streaming.content import Layout
from tests.bench.streaming.options import Options
from tests.bench.streaming.quiet import quiet
from tests.bench.streaming.variant import Size, Target
from tests.bench.streaming.watching import SETTLE, content, opened
from tests.support.chromium import chromium

LIMIT = 20_000
"""Milliseconds after which a picture counts as not coming, and as having taken so long."""
STAY, BETWEEN = 2000, 2.0
"""How long a page stays, in ms, and how long none is there, in s: some servers take who comes again at once for two."""
TAKEN_OVER = "() => window.streamspace?.transport === 'webrtc' && performance.now()"


def measure(options: Options) -> Iterator[Figure]:
    """Each variant in turn, a static picture."""
    times = max(5, options.clicks // 6)
    with chromium() as browser:
        for size in options.sizes:
            for variant in options.variants:
                with variant.start(size) as target, ExitStack() as stack:
                    context, page = stack.enter_context(opened(browser, target, size))
                    stack.enter_context(content("static", size, target))
                    page.wait_for_timeout(SETTLE)
                    page.close()
                    time.sleep(BETWEEN)
                    conditions = {"content": "static", "size": str(size)}
                    with quiet():
                        samples = [_first(context, target, size) for _ in range(times)]
                    yield Figure("first picture", variant.name, "ms", samples=samples, conditions=conditions)
                    if variant.ours and variant.name.endswith("-websocket"):
                        with quiet():
                            samples = [_taken_over(context, target) for _ in range(times)]
                        name = variant.name.removesuffix("-websocket")
                        yield Figure("WebRTC takes over", name, "ms", samples=samples, conditions=conditions)


def _first(context: BrowserContext, target: Target, size: Size) -> float:
    page = context.new_page()
    screen = {"width": size.width, "height": size.height}
    light = list(Layout(size.width, size.height).code[0])
    watch = f"window.firstPicture = streamBench.lit({light}, {screen}, {LIMIT})"
    page.add_init_script(watch)
    try:
        page.goto(target.url)
        target.opened(page)
        shown = float(page.evaluate("window.firstPicture"))
        page.wait_for_timeout(STAY)
        return shown
    finally:
        page.close()
        time.sleep(BETWEEN)


def _taken_over(context: BrowserContext, target: Target) -> float:
    page = context.new_page()
    try:
        page.goto(target.url.replace("transport=websocket", ""))
        taken = float(page.wait_for_function(TAKEN_OVER, timeout=LIMIT).json_value())
        page.wait_for_timeout(STAY)
        return taken
    except PlaywrightTimeout:
        return LIMIT
    finally:
        page.close()
        time.sleep(BETWEEN)
