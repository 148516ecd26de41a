"""What an app plays is heard on the viewer page, as loud as it was played, on every transport."""

from __future__ import annotations

import math
import shutil
import struct
import wave
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.test_transports import viewer
from tests.browser.test_way_of_a_click import home, type_line
from tests.support.demo import Demo
from tests.support.viewer import stats, wait_for_app, wait_for_transport
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.x11]

RATE = 48_000
LOUDNESS = 0.5


@pytest.fixture
def tone(demo: Demo) -> Path:
    """A minute of 440 Hz at half of the loudest, in the user's home."""
    path = home(demo) / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        second = (round(LOUDNESS * 32767 * math.sin(2 * math.pi * 440 * n / RATE)) for n in range(RATE))
        file.writeframes(struct.pack(f"<{RATE}h", *second) * 60)
    owner = home(demo).stat()
    shutil.chown(path, owner.st_uid, owner.st_gid)
    return path


def as_loud_as_it_was_played(page: Page) -> bool:
    return bool(0.8 * LOUDNESS < stats(page)["audio"] < 1.2 * LOUDNESS)


@pytest.mark.parametrize("transport", ["websocket", "webrtc", "rfb", "http"])
def test_a_tone_is_heard_until_it_is_muted_or_ends(
    context: BrowserContext, demo: Demo, terminal: str, tone: Path, transport: str
) -> None:
    page = viewer(context, demo, terminal, f"?transport={transport}")
    wait_for_transport(page, transport)
    wait_for_app(page)
    page.locator(".ss-surface").click()
    assert stats(page)["audio"] == 0
    type_line(page, f"paplay {tone}")
    eventually(lambda: as_loud_as_it_was_played(page), f"the tone to be heard, not {stats(page)}")

    def press(button: str) -> None:
        page.mouse.move(640, 1)
        page.get_by_role("button", name=button).click()
        page.mouse.move(500, 400)
        page.locator(".ss-surface").focus()

    press("Sound is on: mute")
    eventually(lambda: stats(page)["audio"] == 0, "the sound to be muted")
    press("Sound is muted: turn on")
    eventually(lambda: as_loud_as_it_was_played(page), "the tone to be heard again")
    page.keyboard.press("Control+c")
    eventually(lambda: stats(page)["audio"] == 0, "silence after the end of the tone")
