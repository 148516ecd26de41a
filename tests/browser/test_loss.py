"""WebRTC to a real browser over a line that loses packets: the picture goes on, and repairs cost in proportion."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page

from tests.support.chromium import chromium
from tests.support.shaped_link import CHROMIUM_ARGUMENTS, Link, shaped_link, unavailable
from tests.support.viewer import KEEP_PEERS, wait_for_transport
from tests.support.viewer_session import viewer_session
from tests.support.waiting import STALL, eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.x11,
    pytest.mark.skipif(bool(unavailable()), reason=unavailable()),
]
SCROLL = "while true; do date +%N; ls -l /usr/lib | head -20; sleep 0.03; done"
BUSY = ("xterm", "-geometry", "120x40", "-e", "sh", "-c", SCROLL)
SECONDS = 5.0
FIGURES = """async () => {
  const all = [...(await window.peers.at(-1).getStats()).values()];
  const video = all.find(item => item.type === 'inbound-rtp' && item.kind === 'video') ?? {};
  const names = ['framesDecoded', 'keyFramesDecoded', 'pliCount', 'packetsReceived', 'retransmittedPacketsReceived',
    'totalFreezesDuration'];
  return names.map(name => video[name] ?? 0);
}"""


@dataclass
class Figures:
    """What the browser counted."""

    frames: float
    keyframes: float
    asked: float
    packets: float
    again: float
    frozen: float

    def __sub__(self, before: Figures) -> Figures:
        return Figures(*(now - then for now, then in zip(vars(self).values(), vars(before).values(), strict=True)))


@dataclass
class Watched:
    """A page that gets its picture by WebRTC over the link."""

    link: Link
    page: Page

    def figures(self) -> Figures:
        return Figures(*self.page.evaluate(FIGURES))

    def during(self, seconds: float) -> Figures:
        before = self.figures()
        time.sleep(seconds)
        return self.figures() - before


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with shaped_link(delay_ms=20, rate_bps=20e6) as link, ExitStack() as stack:
        with link.server.entered():
            session = stack.enter_context(viewer_session(*BUSY))
        with link.client.entered():
            browser = stack.enter_context(chromium(*CHROMIUM_ARGUMENTS))
        page = browser.new_page()
        page.add_init_script(KEEP_PEERS)
        page.goto(session.url(transport="webrtc"))
        wait_for_transport(page, "webrtc")
        watching = Watched(link, page)
        eventually(lambda: watching.figures().frames > 60, "a running picture")
        yield watching
        page.close()


@pytest.mark.parametrize("percent", [1, 3, 5])
def test_the_picture_goes_on_and_repairs_stay_in_proportion(watched: Watched, percent: int) -> None:
    watched.link.set(loss=0)
    time.sleep(1)
    good = watched.during(3)
    watched.link.set(loss=percent / 100)
    dropped = watched.link.counts()["dropped"]
    bad = watched.during(SECONDS)
    dropped = watched.link.counts()["dropped"] - dropped
    watched.link.set(loss=0)
    print(f"{percent} % loss: {good.frames / 3:.0f} -> {bad.frames / SECONDS:.0f} frames/s, {bad}, {dropped} dropped")
    assert dropped > 5
    assert bad.frames > 0, "goes on; how well, the bench says"
    assert bad.again > 0
    assert bad.again < 0.25 * bad.packets, "what is sent again must not become the traffic"
    assert bad.asked <= 2 * SECONDS, "a lost packet is sent again; a keyframe is the exception"
    assert watched.page.evaluate("window.streamspace.transport") == "webrtc"
    told = watched.page.evaluate("window.streamspace.stats().packets")
    assert told["received"] > bad.packets, "the page says what came,"
    assert told["retransmitted"] > 0, "and what was repaired"


def test_a_moment_without_any_packet_ends_in_a_picture_again(watched: Watched) -> None:
    watched.link.set(loss=1)
    time.sleep(0.7)
    watched.link.set(loss=0)
    before = watched.figures()
    eventually(lambda: (watched.figures() - before).frames > 5, "pictures", STALL)
    assert watched.page.evaluate("window.streamspace.transport") == "webrtc"
