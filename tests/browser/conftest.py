"""One demo for all browser tests: starting it is what the first test of the main job waits for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.chromium import chromium
from tests.support.demo import Demo, running_demo
from tests.support.lab import sign_in
from tests.support.waiting import PATIENCE

# A slow machine runs hub, sessions and browser side by side: five seconds are too few.
expect.set_options(timeout=PATIENCE * 1000)

VIEWPORT = {"width": 1280, "height": 800}


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    with running_demo() as demo:
        yield demo


# Per module: Playwright's event loop runs until it ends, and asyncio tests of other folders need one of their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def new_context(browser: Browser, demo: Demo) -> BrowserContext:
    context = browser.new_context(viewport=VIEWPORT)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=demo.url)
    return context


@pytest.fixture
def context(browser: Browser, demo: Demo) -> Iterator[BrowserContext]:
    context = new_context(browser, demo)
    yield context
    context.close()


@pytest.fixture
def lab(context: BrowserContext, demo: Demo) -> Page:
    """JupyterLab's launcher, signed in as `demo`."""
    page = context.new_page()
    sign_in(page, demo)
    return page


@pytest.fixture
def terminal(demo: Demo) -> str:
    """The name of a running terminal session of `demo`, shared between tests."""
    if not demo.server("terminal").get("ready"):
        demo.start("terminal")
    return "terminal"
