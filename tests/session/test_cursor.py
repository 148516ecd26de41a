"""Cursor shapes from a real X server, looked at through Pillow."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
from PIL import Image
from streamspace_proxy.streamer.cursor import CursorWatcher, cursor_shape
from streamspace_proxy.streamer.frames import CursorShape

from tests.support.xserver import XServer, x_server


class Seen(list[CursorShape]):
    async def wait(self, count: int) -> CursorShape:
        deadline = time.monotonic() + 5
        while len(self) < count and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert len(self) == count
        return self[-1]


def opened(shape: CursorShape) -> Image.Image:
    assert shape.png is not None
    image = Image.open(io.BytesIO(shape.png))
    image.load()
    assert (image.mode, image.size) == ("RGBA", (shape.width, shape.height))
    return image


@pytest.fixture
def server() -> Iterator[XServer]:
    with x_server() as server:
        yield server


@pytest.fixture
async def seen(server: XServer) -> AsyncIterator[Seen]:
    server.output("xsetroot", "-cursor_name", "left_ptr")
    seen = Seen()
    watcher = CursorWatcher(server.display, server.xauthority, seen.append)
    watcher.start()
    yield seen
    watcher.close()


@pytest.mark.x11
async def test_the_shape_is_reported_at_the_start_and_at_each_change(server: XServer, seen: Seen) -> None:
    arrow = opened(await seen.wait(1))
    server.output("xsetroot", "-cursor_name", "xterm")
    beam = opened(await seen.wait(2))
    assert arrow.tobytes() != beam.tobytes()
    assert 0 < np.asarray(arrow)[..., 3].mean() < 255
    server.output("xsetroot", "-cursor_name", "left_ptr")
    assert opened(await seen.wait(3)).tobytes() == arrow.tobytes()
    assert seen[0] == seen[2]


@pytest.mark.x11
async def test_the_same_shape_again_is_not_reported(server: XServer, seen: Seen) -> None:
    await seen.wait(1)
    for _ in range(3):
        server.output("xsetroot", "-cursor_name", "left_ptr")
    await asyncio.sleep(0.3)
    assert len(seen) == 1


@pytest.mark.x11
async def test_a_hidden_cursor_has_no_picture(server: XServer, seen: Seen) -> None:
    await seen.wait(1)
    blank = server.folder / "blank.xbm"
    bits = ", ".join(["0x00"] * 8)
    size = "#define b_width 8\n#define b_height 8\n#define b_x_hot 0\n#define b_y_hot 0\n"
    blank.write_text(f"{size}static char b_bits[] = {{\n  {bits}}};\n")
    server.output("xsetroot", "-cursor", str(blank), str(blank))
    assert (await seen.wait(2)).png is None


@pytest.mark.x11
async def test_an_animated_pointer_is_never_hidden_and_does_not_flood(server: XServer, seen: Seen) -> None:
    await seen.wait(1)
    server.output("xsetroot", "-cursor_name", "watch")
    await asyncio.sleep(1)
    assert 1 < len(seen) <= 1 + 5 + 10 + 1
    assert all(shape.png is not None for shape in seen)


def test_premultiplied_colours_become_straight() -> None:
    bgra = np.array([[[0, 64, 128, 128], [255, 255, 255, 255], [0, 0, 0, 0]]], np.uint8)
    assert np.asarray(opened(cursor_shape(bgra, 1, 0))).tolist() == [[[255, 128, 0, 128], [255] * 4, [0] * 4]]


def test_a_shape_larger_than_browsers_take_is_made_smaller_with_its_hot_spot() -> None:
    bgra = np.full((200, 300, 4), 255, np.uint8)
    shape = cursor_shape(bgra, 150, 99)
    assert (shape.width, shape.height, shape.hot_x, shape.hot_y) == (100, 67, 50, 33)
    assert opened(shape).size == (100, 67)
