"""One page that watches one variant: opening it, clicking the probe, counting pictures. Knows no variant by name."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page

from tests.bench.streaming.content import Layout
from tests.bench.streaming.variant import Size, Target
from tests.support.running import PYTHONPATH, ROOT

PROBE = Path(__file__).with_name("probe.js")
PICTURE_LIMIT = 40_000
CLICK_LIMIT = 5000
"""Milliseconds after which a click counts as unanswered, and as having taken so long."""
WARM_UP = 5
ENOUGH, LONGEST = 10, 60.0
"""So many clicks do when they have taken longer than so many seconds: on a thin line some take seconds each."""
SETTLE = 2000
"""Milliseconds for the picture to come to rest: refinement, congestion windows, just-in-time compilers."""


@dataclass(frozen=True)
class Watcher:
    """A page with the picture, on which content runs."""

    context: BrowserContext
    page: Page
    size: Size

    @property
    def layout(self) -> Layout:
        return Layout(self.size.width, self.size.height)

    @property
    def screen(self) -> dict[str, int]:
        return {"width": self.size.width, "height": self.size.height}

    def clicks(self, count: int, pause: tuple[float, float]) -> list[float]:
        """Milliseconds from the page's `pointerdown` to the changed picture, for each of `count` clicks or fewer.

        The pauses between are random, so that no click keeps time with the frames.
        """
        x, y = self.page.evaluate("a => streamBench.place(...a)", [*self.layout.target, self.screen])
        self.page.mouse.move(x, y)
        for _ in range(WARM_UP):
            self._click(pause)
        samples: list[float] = []
        begun = time.monotonic()
        while len(samples) < count and (len(samples) < ENOUGH or time.monotonic() - begun < LONGEST):
            samples.append(self._click(pause))
        return samples

    def _click(self, pause: tuple[float, float]) -> float:
        self.page.evaluate("a => streamBench.arm(...a)", [list(self.layout.probe), self.screen, CLICK_LIMIT])
        self.page.mouse.down()
        seen = self.page.evaluate("streamBench.outcome()")
        self.page.mouse.up()
        self.page.wait_for_timeout(random.uniform(*pause) * 1000)
        return CLICK_LIMIT if seen is None else float(seen)

    def frames(self, seconds: float) -> list[float]:
        """When it began, and when the picture changed within so many seconds; milliseconds since 1970."""
        code = [list(middle) for middle in self.layout.code]
        times: list[float] = self.page.evaluate("a => streamBench.frames(...a)", [code, self.screen, seconds * 1000])
        return times


@contextmanager
def content(kind: str, size: Size, target: Target) -> Iterator[subprocess.Popen[str]]:
    """Run the content on the target's screen once that has its size."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.streaming.content", kind, str(size)],
        cwd=ROOT,
        env={**os.environ, **target.display(), "PYTHONPATH": PYTHONPATH},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the content {kind} did not start")
        yield process
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@contextmanager
def opened(browser: Browser, target: Target, size: Size) -> Iterator[tuple[BrowserContext, Page]]:
    """A browser context of its own, and a page in it that shows the target's picture."""
    viewport = {"width": size.width + target.margin.width, "height": size.height + target.margin.height}
    context = browser.new_context(viewport=viewport, ignore_https_errors=True)  # type: ignore[arg-type]
    context.add_init_script(f"window.streamBenchNot = {target.not_picture!r};")
    context.add_init_script(path=PROBE)
    try:
        page = context.new_page()
        target.prepare(page)
        yield context, page_on(page, target)
    finally:
        context.close()


def page_on(page: Page, target: Target) -> Page:
    """Open the target on this page, and wait for its picture."""
    page.goto(target.url)
    target.opened(page)
    page.wait_for_function("() => streamBench.hasPicture()", timeout=PICTURE_LIMIT)
    return page


@contextmanager
def watcher(browser: Browser, target: Target, size: Size, kind: str) -> Iterator[Watcher]:
    """Open the page, wait for the screen to have its size, start the content, wait for it to be seen."""
    with opened(browser, target, size) as (context, page), content(kind, size, target):
        page.wait_for_timeout(SETTLE)
        yield Watcher(context, page, size)
