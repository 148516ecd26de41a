"""Click on a tile to first picture, cold (the session has to start) and warm (it runs already)."""

from __future__ import annotations

import time
from collections.abc import Iterator

from playwright.sync_api import Page

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
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        sign_in(page, demo)
        cold = []
        for _ in range(COLD):
            cold.append(_click(page, "GIMP", "gimp"))
            demo.stop("gimp")
            fresh_launcher(page, demo)
            page.wait_for_timeout(SETTLE)
        yield Figure(
            "click to first picture", "streamspace", "s", samples=cold, conditions={"app": "gimp", "start": "cold"}
        )
        _click(page, "GIMP", "gimp")
        warm = []
        for _ in range(WARM):
            fresh_launcher(page, demo)
            page.wait_for_timeout(SETTLE)
            warm.append(_click(page, "GIMP", "gimp"))
        yield Figure(
            "click to first picture", "streamspace", "s", samples=warm, conditions={"app": "gimp", "start": "warm"}
        )
        yield from _memory(demo)


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
