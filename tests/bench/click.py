"""Click on a tile to first picture, cold and warm.

Cold: the session has to start, and the browser has seen nothing yet but JupyterLab. Warm: the session runs, and the
browser has seen it before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

from tests.bench.report import Figure
from tests.support.chromium import chromium
from tests.support.demo import Demo, running_demo
from tests.support.lab import desktop, fresh_launcher, sign_in, tile, wait_for_picture

COLD, WARM = 10, 20
SETTLE = 2000
"""Milliseconds that a newly loaded JupyterLab gets to come to rest."""


def measure() -> Iterator[Figure]:
    """Click GIMP's tile in a real JupyterLab."""
    with running_demo() as demo, chromium() as browser:
        cold = []
        for _ in range(COLD):
            # A browser that has seen nothing of us yet: no cache, no connection.
            with _signed_in(browser, demo) as page:
                cold.append(_click(page, "GIMP", "gimp"))
            demo.stop("gimp")
        yield Figure(
            "click to first picture", "streamspace", "s", samples=cold, conditions={"app": "gimp", "start": "cold"}
        )
        warm = []
        with _signed_in(browser, demo) as page:
            _click(page, "GIMP", "gimp")
            for _ in range(WARM):
                fresh_launcher(page, demo)
                page.wait_for_timeout(SETTLE)
                warm.append(_click(page, "GIMP", "gimp"))
        yield Figure(
            "click to first picture", "streamspace", "s", samples=warm, conditions={"app": "gimp", "start": "warm"}
        )
        yield from _memory(demo)


@contextmanager
def _signed_in(browser: Browser, demo: Demo) -> Iterator[Page]:
    """Give JupyterLab's launcher, at rest, in a browser context of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    sign_in(page, demo)
    page.wait_for_timeout(SETTLE)
    yield page
    context.close()


def _click(page: Page, title: str, server: str) -> float:
    start = time.perf_counter()
    tile(page, title).click()
    wait_for_picture(desktop(page, server))
    return time.perf_counter() - start


def _memory(demo: Demo) -> Iterator[Figure]:
    from tests.bench.processes import pss_mb, session_processes
    from tests.support.sessions import runner_pid

    parts = session_processes(runner_pid("gimp"))
    own = 0.0
    for part, processes in sorted(parts.items()):
        size = pss_mb(processes)
        own += 0 if part == "app" else size
        yield Figure("session memory (PSS)", "streamspace", "MB", value=size, conditions={"part": part, "app": "gimp"})
    yield Figure("session memory (PSS)", "streamspace", "MB", value=own, conditions={"part": "all without the app"})
