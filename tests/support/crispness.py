"""How sharp a picture of text becomes, and how soon after its last change: decoded, and compared with the screen."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import av
import numpy as np

from tests.support.streamer import Pixels, Running, Viewer, running_streamer, screenshot
from tests.support.waiting import PATIENCE

CRISP_DB = 45.0
# As many lines as fill the screen come at once when they are asked for; then nothing changes.
PAGE = (
    'while ! [ -e "$FOLDER/go" ]; do sleep 0.1; done; '
    "for i in $(seq 1 60); do echo $i 'The quick brown fox jumps over the lazy dog, 0123456789 times.'; done; "
    "printf '\\033[?25l'; touch \"$FOLDER/done\"; sleep 100"
)


@dataclass(frozen=True)
class Crispness:
    """What a picture at rest came to."""

    decibels: float
    """PSNR of the last picture."""
    seconds: float | None
    """From the last change until `CRISP_DB` was reached; None if it never was."""


def psnr(one: Pixels, other: Pixels) -> float:
    """Peak signal to noise ratio in dB; 99 for equal pictures."""
    error = float(np.mean((one.astype(float) - other.astype(float)) ** 2))
    return 99.0 if error == 0 else 10 * math.log10(255**2 / error)


def pictures(viewer: Viewer) -> list[tuple[float, Pixels]]:
    """What is shown from the last keyframe on, and since when (seconds)."""
    last = max(index for index, frame in enumerate(viewer.frames) if frame.keyframe)
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    return [
        (frame.at, np.asarray(decoder.decode(av.Packet(frame.data))[0].to_ndarray(format="rgb24"), np.uint8))
        for frame in viewer.frames[last:]
    ]


async def crispness_of_text(geometry: str) -> Crispness:
    """Fill a screen with text, wait until it rests, and look."""
    async with running_streamer(geometry) as running:
        running.x.start(
            "env", f"FOLDER={running.x.folder}",
            "xterm", "-fa", "Monospace", "-fs", "11", "-geometry", "110x34+20+20", "-bg", "white", "-fg", "black",
            "-e", "sh", "-c", PAGE,
        )  # fmt: skip
        viewer = await running.viewer()
        await viewer.start()
        await viewer.settled()
        count = len(viewer.frames)
        (running.x.folder / "go").touch()
        await viewer.until((running.x.folder / "done").exists, "the text to be written")
        truth = await _at_rest(running)
        await viewer.until(lambda: len(viewer.frames) > count, "the text to be seen")
        await viewer.settled()
        quality = [(at, psnr(picture, truth)) for at, picture in pictures(viewer)]
    # The last change is the last picture that looks quite different from the one before it.
    changes = [later for (_, before), (later, now) in pairwise(quality) if abs(now - before) > 8]
    last_change = changes[-1] if changes else quality[0][0]
    crisp = next((at for at, decibels in quality if decibels >= CRISP_DB and at >= last_change), None)
    return Crispness(quality[-1][1], None if crisp is None else crisp - last_change)


async def _at_rest(running: Running) -> Pixels:
    """The screen, once it is the same for a second."""
    seen = screenshot(running.x)
    async with asyncio.timeout(PATIENCE):
        while True:
            await asyncio.sleep(1)
            before, seen = seen, screenshot(running.x)
            if np.array_equal(before, seen):
                return seen
