"""How sharp a picture at rest becomes: text on a real X server, decoded and compared with the screen."""

from __future__ import annotations

import pytest

from tests.support.crispness import CRISP_DB, crispness_of_text, psnr
from tests.support.streamer import running_streamer, screenshot
from tests.support.waiting import STALL

pytestmark = pytest.mark.x11


@pytest.mark.parametrize("geometry", ["1280x720", "1920x1080"])
async def test_text_becomes_crisp_by_itself_after_the_last_change(geometry: str) -> None:
    (found,) = await crispness_of_text(geometry)
    assert found.decibels >= CRISP_DB
    assert found.seconds is not None
    assert found.seconds < STALL


@pytest.mark.parametrize(("colour", "ground", "least"), [("#61afef", "#282c34", 30), ("red", "white", 25)])
async def test_coloured_text_is_as_crisp_in_its_brightness(colour: str, ground: str, least: float) -> None:
    (found,) = await crispness_of_text("1280x720", colour=colour, ground=ground)
    assert found.brightness >= CRISP_DB
    assert found.decibels >= least, "one sample of colour for four pixels"


async def test_a_still_picture_of_a_narrow_line_gets_its_full_size_back() -> None:
    scroll = (
        "for i in $(seq 1 700); do head -c 600 /dev/urandom | base64; sleep 0.005; done; printf '\\033[?25l'; sleep 100"
    )
    async with running_streamer(policy={"max_bitrate": 300_000}) as running:
        running.x.start("xterm", "-fs", "8", "-geometry", "130x44+0+0", "-e", "sh", "-c", scroll)
        viewer = await running.viewer()
        await viewer.send("quality", preset="smooth")
        await viewer.start()
        small = await viewer.until(
            lambda: next((video for video in viewer.of("video") if video["width"] < 800), None), "a smaller picture"
        )
        assert (small["width"], small["height"]) in ((600, 450), (400, 300))
        await viewer.until(lambda: viewer.of("video")[-1]["width"] == 800, "the full size")
        await viewer.settled()
        assert viewer.of("video")[-1]["width"] == 800
        assert psnr(viewer.picture(), screenshot(running.x)) > 40
