"""How sharp a picture of text becomes, and how soon after its last change: decoded, and compared with the screen."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
import xcffib
import xcffib.damage
from streamspace_proxy.streamer import x11

from tests.support.streamer import Pixels, Running, Viewer, running_streamer, screenshot
from tests.support.waiting import PATIENCE
from tests.support.xserver import XServer

CRISP_DB = 45.0
# As many lines as fill the screen come at once when they are asked for, other ones each time; then nothing changes.
PAGES = (
    "printf '\\033[?25l'; page=0; while :; do "
    'while ! [ -e "$FOLDER/go" ]; do sleep 0.1; done; rm "$FOLDER/go"; page=$((page+1)); '
    "for i in $(seq 1 60); do echo $page.$i 'The quick brown fox jumps over the lazy dog, 0123456789 times.'; done; "
    'touch "$FOLDER/done"; done'
)


@dataclass(frozen=True)
class Crispness:
    """What a picture at rest came to."""

    decibels: float
    """PSNR of the last picture."""
    brightness: float
    """The same of its luma alone, of which there is a sample for each pixel."""
    seconds: float | None
    """From the last change of the screen until a picture came with `CRISP_DB`; None if none did."""


def psnr(one: Pixels, other: Pixels) -> float:
    """Peak signal to noise ratio in dB; 99 for equal pictures."""
    error = float(np.mean((one.astype(float) - other.astype(float)) ** 2))
    return 99.0 if error == 0 else 10 * math.log10(255**2 / error)


def pictures(viewer: Viewer) -> list[tuple[float, Pixels, Pixels]]:
    """What is shown from the last keyframe on, and since when (seconds): in colour, and its luma."""
    last = max(index for index, frame in enumerate(viewer.frames) if frame.keyframe)
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    shown = [(frame.at, decoder.decode(av.Packet(frame.data))[0]) for frame in viewer.frames[last:]]
    return [
        (at, *(np.asarray(picture.to_ndarray(format=form), np.uint8) for form in ("rgb24", "gray")))
        for at, picture in shown
    ]


def luma(picture: Pixels) -> Pixels:
    """Brightness by BT.601."""
    return np.asarray(np.rint(picture @ np.array([0.299, 0.587, 0.114])), np.uint8)


class LastChange:
    """When the screen changed last, as the X server tells a client of its own."""

    def __init__(self, server: XServer) -> None:
        self.at = -math.inf
        self._connection = x11.connect(server.display, server.xauthority)
        damage = self._connection(xcffib.damage.key)
        damage.QueryVersion(1, 1).reply()
        root = self._connection.get_setup().roots[0].root
        damage.CreateChecked(self._connection.generate_id(), root, xcffib.damage.ReportLevel.RawRectangles).check()
        self._descriptor = self._connection.get_file_descriptor()
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def _read(self) -> None:
        while self._connection.poll_for_event() is not None:
            self.at = time.monotonic()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self._connection.disconnect()


async def crispness_of_text(
    geometry: str, count: int = 1, colour: str = "black", ground: str = "white"
) -> list[Crispness]:
    """Fill a screen with text `count` times, wait each time until it rests, and look."""
    async with running_streamer(geometry) as running:
        running.x.start(
            "env", f"FOLDER={running.x.folder}",
            "xterm", "-fa", "Monospace", "-fs", "11", "-geometry", "110x34+20+20", "-bg", ground, "-fg", colour,
            "-e", "sh", "-c", PAGES,
        )  # fmt: skip
        viewer = await running.viewer()
        await viewer.start()
        change = LastChange(running.x)
        try:
            return [await _one_page(running, viewer, change) for _ in range(count)]
        finally:
            change.close()


async def _one_page(running: Running, viewer: Viewer, change: LastChange) -> Crispness:
    await viewer.settled()
    # What follows is decoded from here on.
    keyframes = sum(frame.keyframe for frame in viewer.frames)
    await viewer.send("keyframe")
    await viewer.until(lambda: sum(frame.keyframe for frame in viewer.frames) > keyframes, "a keyframe")
    await viewer.settled()
    done, count = running.x.folder / "done", len(viewer.frames)
    (running.x.folder / "go").touch()
    await viewer.until(done.exists, "the text to be written")
    done.unlink()
    truth = await _at_rest(running)
    await viewer.until(lambda: len(viewer.frames) > count, "the text to be seen")
    await viewer.settled()
    shown = pictures(viewer)
    quality = [(at, psnr(picture, truth)) for at, picture, _ in shown]
    crisp = next((at for at, decibels in quality if decibels >= CRISP_DB and at >= change.at), None)
    return Crispness(quality[-1][1], psnr(shown[-1][2], luma(truth)), None if crisp is None else crisp - change.at)


async def _at_rest(running: Running) -> Pixels:
    """The screen, once it is the same for a second."""
    seen: Pixels | None = None
    async with asyncio.timeout(PATIENCE):
        while True:
            # First: whatever else takes time here would take it from noting when things come.
            await asyncio.sleep(1)
            before, seen = seen, await asyncio.to_thread(screenshot, running.x)
            if before is not None and np.array_equal(before, seen):
                return seen
