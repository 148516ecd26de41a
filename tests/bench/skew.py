"""How far sound and picture are apart in the page: milliseconds by which the sound comes later than the picture."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tests.bench.report import Figure
from tests.support.chromium import chromium
from tests.support.skew import PATTERN, open_page, skews
from tests.support.viewer_session import viewer_session

COUNT = 10 if os.environ.get("QUICK") else 30


def measure() -> Iterator[Figure]:
    """On all transports: each carries sound or picture in a way of its own."""
    with viewer_session(*PATTERN, title="Pattern") as session, chromium() as browser:
        for transport in ("websocket", "webrtc", "rfb", "http"):
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            open_page(page, session, transport)
            found = skews(page, COUNT)
            page.close()
            conditions = {"flashes": COUNT, "paired": len(found)}
            signed = Figure("sound after picture", f"streamspace-{transport}", "ms", None, found, conditions)
            yield signed
            distances = [abs(skew) for skew in found]
            yield Figure("sound/picture skew", f"streamspace-{transport}", "ms", None, distances, conditions)
