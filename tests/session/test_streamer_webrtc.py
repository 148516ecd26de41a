"""WebRTC through the streamer: signalling on the viewer socket, the same frames by RTP, and the way back."""

from __future__ import annotations

import asyncio
from typing import Any

import av
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from tests.support.streamer import Pixels, Running, Viewer, difference, running_streamer, screenshot

pytestmark = pytest.mark.x11


class Page:
    """A browser page's end of WebRTC: receives video and keeps the last picture."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.frames = 0
        self.picture: Pixels | None = None
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.addTransceiver("video", direction="recvonly")
        self._task: asyncio.Task[None] | None = None
        self.connection.on("track", self._on_track)

    async def connect(self) -> None:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        await self.viewer.send("rtc_offer", sdp=self.connection.localDescription.sdp)
        answer = await self.viewer.message("rtc_answer")
        await self.connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))

    async def close(self) -> None:
        await self.connection.close()
        if self._task is not None:
            self._task.cancel()

    def _on_track(self, track: Any) -> None:
        self._task = asyncio.create_task(self._receive(track))

    async def _receive(self, track: Any) -> None:
        while True:
            frame: av.VideoFrame = await track.recv()
            self.frames += 1
            self.picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


async def busy(running: Running) -> None:
    """Change something on the screen again and again."""
    running.x.start("xterm", "-e", "sh", "-c", "while true; do date +%N; sleep 0.03; done")
    await asyncio.sleep(0.5)


async def test_the_page_moves_from_websocket_to_webrtc_and_back() -> None:
    async with running_streamer() as running:
        await busy(running)
        viewer = await running.viewer()
        await viewer.start()
        page = Page(viewer)
        try:
            await page.connect()
            await viewer.send("start", transport="webrtc", audio=False)
            await viewer.until(lambda: page.frames > 3, "pictures by WebRTC")
            count = len(viewer.frames)
            await viewer.until(lambda: len(viewer.frames) > count, "both at once while switching")
            await viewer.send("stop", transport="websocket")
            await asyncio.sleep(0.3)
            count, received = len(viewer.frames), page.frames
            await asyncio.sleep(0.5)
            assert len(viewer.frames) == count
            assert page.frames > received
            (figures,) = (await running.get("stats"))["viewers"]
            assert figures["transports"] == ["webrtc"]
            assert figures["webrtc"]["state"] == "connected"
            back = await viewer.start()
            assert back.keyframe
            assert back.id == viewer.frames[count - 1].id + 1, "ids count up within the socket"
            (figures,) = (await running.get("stats"))["viewers"]
            assert figures["transports"] == ["websocket"]
        finally:
            await page.close()


async def test_a_still_screen_arrives_whole_and_right() -> None:
    async with running_streamer() as running:
        running.x.output("xsetroot", "-solid", "#c03060")
        viewer = await running.viewer()
        page = Page(viewer)
        try:
            await page.connect()
            await viewer.send("start", transport="webrtc", audio=False)
            await viewer.until(lambda: page.picture is not None, "a picture of a screen that does not change")
            screen = screenshot(running.x)
            await viewer.until(
                lambda: page.picture is not None and difference(page.picture, screen) < 6, "the picture to be right"
            )
            assert viewer.frames == []
        finally:
            await page.close()


async def test_a_lost_connection_is_said_and_the_websocket_goes_on() -> None:
    async with running_streamer() as running:
        await busy(running)
        viewer = await running.viewer()
        await viewer.start()
        page = Page(viewer)
        await page.connect()
        await viewer.send("start", transport="webrtc", audio=False)
        await viewer.until(lambda: page.frames, "a picture by WebRTC")
        await page.close()
        assert (await viewer.message("error"))["code"] == "transport_failed"
        count = len(viewer.frames)
        await viewer.until(lambda: len(viewer.frames) > count + 5, "the WebSocket's frames")


async def test_a_wrong_offer_gets_a_sentence_and_disturbs_nothing() -> None:
    async with running_streamer() as running:
        await busy(running)
        viewer = await running.viewer()
        await viewer.send("rtc_candidate", candidate="candidate:1 1 udp 1 127.0.0.1 9 typ host", mid="0")
        assert (await viewer.message("error"))["message"] == "rtc_candidate comes after rtc_offer."
        await viewer.send("rtc_offer", sdp="nonsense")
        error = await viewer.message("error")
        assert (error["code"], error["field"]) == ("transport_failed", "sdp")
        await viewer.start()
        await viewer.until(lambda: len(viewer.frames) > 10, "frames")
