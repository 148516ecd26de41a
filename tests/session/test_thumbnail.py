"""Small pictures of a session's screen from a real streamer and X server."""

from __future__ import annotations

import asyncio
import io

import aiohttp
import numpy as np
import psutil
import pytest
from PIL import Image
from streamspace_proxy.streamer.thumbnail import size_for

from tests.support.streamer import Running, identity, running_streamer
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.x11


async def thumbnail(running: Running, role: str = "viewer") -> bytes:
    url = "http://session/api/v1/thumbnail"
    async with running.http.get(url, headers=identity(role)) as reply:
        assert (reply.status, reply.content_type) == (200, "image/jpeg"), await reply.text()
        return await reply.read()


def mean(jpeg: bytes) -> tuple[float, float, float]:
    red, green, blue = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"), float).mean(axis=(0, 1))
    return red, green, blue


async def test_it_shows_the_screen_in_its_colours_to_who_may_only_look() -> None:
    async with running_streamer() as running:
        await running.ready()
        running.x.output("xsetroot", "-solid", "#c03060")
        jpeg = await thumbnail(running, "viewer")
        assert Image.open(io.BytesIO(jpeg)).size == (320, 240)
        assert mean(jpeg) == pytest.approx((0xC0, 0x30, 0x60), abs=4)
        assert len(jpeg) < 20_000


async def test_one_picture_serves_all_who_ask_within_two_seconds() -> None:
    async with running_streamer() as running:
        await running.ready()
        running.x.output("xsetroot", "-solid", "red")
        one, other = await asyncio.gather(thumbnail(running), thumbnail(running))
        assert one == other
        running.x.output("xsetroot", "-solid", "blue")
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while mean(await thumbnail(running))[2] < 200:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.2)


async def test_nothing_of_it_is_left_at_the_x_server() -> None:
    async with running_streamer() as running:
        await running.ready()
        server = psutil.Process(running.x.process.pid)
        await asyncio.sleep(1)
        before = server.num_fds()
        await thumbnail(running)
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while server.num_fds() > before:
            assert asyncio.get_running_loop().time() < deadline, "a connection stayed open"
            await asyncio.sleep(0.1)


async def test_without_a_display_there_is_no_picture() -> None:
    async with running_streamer() as running:
        await running.ready()
        running.x.process.kill()
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while True:
            async with running.http.get("http://session/api/v1/thumbnail", headers=identity("owner")) as reply:
                if reply.status == 503:
                    break
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.1)


async def test_nobody_gets_one_without_a_role() -> None:
    async with running_streamer() as running:
        with pytest.raises(aiohttp.ClientResponseError):
            async with running.http.get("http://session/api/v1/thumbnail", raise_for_status=True):
                pass


@pytest.mark.parametrize(
    ("screen", "size"),
    [((1920, 1080), (320, 180)), ((1280, 800), (320, 200)), ((1080, 1920), (320, 568)), ((301, 200), (300, 198)),
     ((3840, 2), (320, 2))],
)  # fmt: skip
def test_it_has_the_shape_of_the_screen(screen: tuple[int, int], size: tuple[int, int]) -> None:
    assert size_for(*screen) == size
