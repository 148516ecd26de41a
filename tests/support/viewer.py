"""Work in a viewer page as its user: look at the picture, type, click; and look into the session from outside."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Frame, Page

from tests.support.waiting import PATIENCE, eventually

SURFACE = "#streamspace"
# To run in a page before its own scripts: every connection that it makes is one of `window.peers`.
KEEP_PEERS = """
window.peers = [];
const Native = RTCPeerConnection;
window.RTCPeerConnection = class extends Native { constructor(...given) { super(...given); window.peers.push(this); } };
"""


def picture(page: Page, frame: Frame | Page) -> Image.Image:
    """What the user sees of the desktop now."""
    box = frame.locator(SURFACE)
    return Image.open(io.BytesIO(box.screenshot())).convert("RGB")


def colours(image: Image.Image) -> int:
    """Number of different colours: 1 is an empty screen."""
    found = image.getcolors(maxcolors=1 << 24)
    assert found is not None
    return len(found)


def alike(one: Image.Image, other: Image.Image) -> bool:
    """Whether two pictures of one size show the same, but for what a video encoder makes of it."""
    assert one.size == other.size
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean) < 3


def at_rest(page: Page, frame: Frame | Page) -> Image.Image:
    """The picture once it no longer changes."""
    seen = [picture(page, frame)]

    def still() -> bool:
        page.wait_for_timeout(500)
        seen.append(picture(page, frame))
        return alike(seen[-1], seen[-2])

    eventually(still, "the picture to stand still")
    return seen[-1]


def stats(frame: Frame | Page) -> dict[str, Any]:
    """`window.streamspace.stats()`."""
    result: dict[str, Any] = frame.evaluate("() => window.streamspace.stats()")
    return result


def wait_for_transport(frame: Frame | Page, transport: str, limit: float = PATIENCE) -> None:
    """Wait until pictures come by `transport`."""
    shown = f"window.streamspace?.transport === '{transport}' && window.streamspace.stats().frames > 0"
    frame.wait_for_function(f"() => {shown}", timeout=limit * 1000)


def wait_for_app(frame: Frame | Page, limit: float = PATIENCE) -> None:
    """Wait until nothing is said over the picture: the app's window is there, and keys reach it."""
    frame.locator("#streamspace[data-state=connected]").wait_for(timeout=limit * 1000)
