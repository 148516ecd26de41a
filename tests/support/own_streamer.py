"""A streamer in the process of who measures or tests it, with one sink whose frames are collected."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from streamspace_proxy.streamer.backends import Wanted
from streamspace_proxy.streamer.config import Config
from streamspace_proxy.streamer.core import Streamer
from streamspace_proxy.streamer.frames import EncodedFrame
from streamspace_proxy.streamer.stream import VideoFormat

from streamspace_hub.model import AppTemplate, Policy
from tests.support.streamer import TEMPLATE, Pixels, decode
from tests.support.waiting import PATIENCE
from tests.support.xserver import XServer

KEY: Any = ("v1", "websocket")


class OwnStreamer:
    """Its frames are acknowledged as they come; `core` is the streamer itself."""

    def __init__(self, server: XServer, capture: Wanted = "auto") -> None:
        self.frames: list[tuple[float, EncodedFrame, VideoFormat]] = []
        policy = Policy.model_validate({})
        self.core = Streamer(Config(server.folder, AppTemplate.model_validate(TEMPLATE), policy, capture))
        self.core._streams._deliver = self._frame

    def _frame(self, key: Any, frame: EncodedFrame, frame_id: int, video: VideoFormat) -> None:
        self.frames.append((time.monotonic(), frame, video))
        self.core.acknowledge(key, frame_id)

    async def frame(self, count: int) -> None:
        """Wait for more than `count` frames."""
        async with asyncio.timeout(PATIENCE):
            while len(self.frames) <= count:
                await asyncio.sleep(0.002)

    async def settled(self, quiet: float = 1.0) -> None:
        """Wait until no frame has come for `quiet` seconds."""
        async with asyncio.timeout(PATIENCE):
            while time.monotonic() - self.frames[-1][0] < quiet:
                await asyncio.sleep(0.05)

    def picture(self, matrix: int = 6) -> Pixels:
        """Decode the frames since the last keyframe: height x width x RGB. `matrix` as of `decode`."""
        last = max(index for index, (_, frame, _) in enumerate(self.frames) if frame.keyframe)
        return decode([frame.data for _, frame, _ in self.frames[last:]], matrix)

    async def taken_again(self, server: XServer) -> float:
        """Take the display again after its release; seconds until the first frame, which is the last of `frames`."""
        count, began = len(self.frames), time.monotonic()
        self.core.display.follow(server.display)
        await self.frame(count)
        return self.frames[count][0] - began
