"""GIMP in a pod, seen and drawn in by a real Chromium."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import Page

from tests.support.chromium import chromium
from tests.support.hub import TempHub
from tests.support.kube import Namespace, kube_hub
from tests.support.viewer import SURFACE, colours, picture, wait_for_app
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kube, pytest.mark.browser, pytest.mark.timeout(500)]


class HubInThread:
    """A hub whose loop runs beside Playwright's, which wants a thread for itself."""

    def __init__(self, namespace: Namespace, image: str, folder: Path) -> None:
        self._ready, self._end = threading.Event(), asyncio.Event()
        self.hub: TempHub | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(namespace, image, folder)))

    async def _run(self, namespace: Namespace, image: str, folder: Path) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            async with kube_hub(namespace, image, folder) as self.hub:
                await self.hub.start_server(self.hub.users[0], "gimp", {"app": "gimp"})
                self._ready.set()
                await self._end.wait()
                await self.hub.stop_server(self.hub.users[0], "gimp")
        except BaseException as failure:
            self._failure = failure
        finally:
            self._ready.set()

    def __enter__(self) -> TempHub:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        assert self.hub is not None
        return self.hub

    def __exit__(self, *_exception: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure


@pytest.fixture
def hub(namespace: Namespace, image: str, tmp_path: Path) -> Iterator[TempHub]:
    """A hub with a session of GIMP."""
    with HubInThread(namespace, image, tmp_path) as running:
        yield running


def sign_in(page: Page, hub: TempHub) -> None:
    page.goto(f"{hub.url}/hub/login")
    page.fill("#username_input", hub.users[0])
    page.fill("#password_input", "x")
    page.click("#login_submit")
    page.wait_for_url("**/hub/**")


def settled(page: Page) -> bool:
    """Return whether nothing moves for a while."""
    before = picture(page, page)
    page.wait_for_timeout(3000)
    return not differs(before, picture(page, page))


def differs(one: Image.Image, other: Image.Image) -> bool:
    """Return whether more than a blinking cursor or the pointer has changed."""
    box = ImageChops.difference(one, other).point(lambda value: 255 if value > 24 else 0).getbbox()
    return box is not None and (box[2] - box[0]) * (box[3] - box[1]) > 10_000


def test_gimp_in_a_pod_is_seen_and_used(hub: TempHub, namespace: Namespace) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        sign_in(page, hub)
        page.goto(f"{hub.url}/user/{hub.users[0]}/gimp/streamspace/")
        wait_for_app(page, limit=120)
        eventually(lambda: colours(picture(page, page)) > 100, "GIMP's window", 60)
        eventually(lambda: settled(page), "GIMP to have finished starting", 120)
        page.click(SURFACE)
        before = picture(page, page)
        page.keyboard.press("Control+n")
        eventually(lambda: differs(before, picture(page, page)), "a picture that answers a key", 60)
        if folder := os.environ.get("STREAMSPACE_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/gimp-pod.png")
    assert namespace.pod()["status"]["phase"] == "Running"
