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


ASK_SECONDS = 0.2
"""Chromium's patience, as long as it got packets and has no picture of them."""


class Page:
    """A browser page's end of WebRTC: receives video, keeps the last picture, and asks for one while it has none."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.deaf = False
        """No packet of the video arrives."""
        self.frames = 0
        self.picture: Pixels | None = None
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.addTransceiver("video", direction="recvonly")
        self._tasks: list[asyncio.Task[None]] = []
        self.connection.on("track", self._on_track)

    async def connect(self) -> None:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        await self.viewer.send("rtc_offer", sdp=self.connection.localDescription.sdp)
        answer = await self.viewer.message("rtc_answer")
        transport: Any = self.connection.getTransceivers()[0].receiver.transport
        hear = transport._handle_rtp_data

        async def unless_deaf(data: bytes, arrival_time_ms: int) -> None:
            if not self.deaf:
                await hear(data, arrival_time_ms=arrival_time_ms)

        transport._handle_rtp_data = unless_deaf
        await self.connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))

    async def close(self) -> None:
        await self.connection.close()
        for task in self._tasks:
            task.cancel()

    def _on_track(self, track: Any) -> None:
        self._tasks = [asyncio.create_task(self._receive(track)), asyncio.create_task(self._ask())]

    async def _receive(self, track: Any) -> None:
        while True:
            frame: av.VideoFrame = await track.recv()
            self.frames += 1
            self.picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)

    async def _ask(self) -> None:
        receiver: Any = self.connection.getTransceivers()[0].receiver
        while self.picture is None:
            await asyncio.sleep(ASK_SECONDS)
            for stream in receiver.getSynchronizationSources():
                await receiver._send_rtcp_pli(stream.source)


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


@pytest.mark.parametrize("lost", [0.0, 1.0])
async def test_a_still_screen_arrives_whole_and_right_also_where_its_first_packets_are_lost(lost: float) -> None:
    async with running_streamer() as running:
        running.x.output("xsetroot", "-solid", "#c03060")
        viewer = await running.viewer()
        page = Page(viewer)
        page.deaf = lost > 0
        try:
            await page.connect()
            await viewer.send("start", transport="webrtc", audio=False)
            if lost:
                await viewer.message("rtc_clock")  # the first packet has left
                await asyncio.sleep(lost)
                page.deaf = False
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
