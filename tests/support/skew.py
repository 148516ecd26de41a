"""How far sound and picture are apart in the viewer page, by the test pattern of `av_pattern`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.support.av_pattern import PERIOD
from tests.support.viewer_session import ViewerSession
from tests.support.waiting import PATIENCE

PATTERN = (sys.executable, "-m", "tests.support.av_pattern")
WATCH = Path(__file__).with_suffix(".js")
SHOWN = "() => window.streamspace?.connected && window.streamspace.transport === '{}'"
CONVERGED_MS = 4000
"""Until the browser's own buffers for WebRTC's sound have found their size."""


def open_page(page: Page, session: ViewerSession, transport: str) -> None:
    """Open the viewer page on a transport, with its sound turned on."""
    page.add_init_script(path=WATCH)
    page.goto(session.url(transport=transport))
    page.wait_for_function(SHOWN.format(transport), timeout=PATIENCE * 1000)
    # Not in the middle, where the flashes are looked for: noVNC's picture has the pointer in it.
    page.locator(".ss-surface").click(position={"x": 60, "y": 300})


def skews(page: Page, count: int, period: float = PERIOD) -> list[float]:
    """Milliseconds by which the sound comes after the picture, for `count` flashes; negative: before it.

    `period` is the pattern's, in seconds.
    """
    page.wait_for_timeout(CONVERGED_MS)
    page.evaluate("() => { window.skew.flashes.length = window.skew.beeps.length = 0; }")
    page.wait_for_function(
        "count => window.skew.flashes.length > count", arg=count, timeout=(count * period + 30) * 1000
    )
    page.wait_for_timeout(600 * period)
    seen: dict[str, Any] = page.evaluate("window.skew")
    return paired(seen["flashes"], seen["beeps"], period)[:count]


def paired(flashes: list[float], beeps: list[float], period: float = PERIOD) -> list[float]:
    """Distance from each flash to the tone that is nearest, if there is one within half a period."""
    nearest = (min((beep - flash for beep in beeps), key=abs, default=1e9) for flash in flashes)
    return [distance for distance in nearest if abs(distance) < 500 * period]
