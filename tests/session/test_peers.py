"""A viewer's WebRTC connections by turns: the new one takes over when it is connected, and no picture is missed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from streamspace_proxy.streamer import messages, peers
from streamspace_proxy.streamer.messages import Refusal
from streamspace_proxy.streamer.metrics import RtpFigures
from streamspace_proxy.streamer.peers import RtcCodec, ViewerPeers

from streamspace_hub.model import Policy
from tests.session.test_webrtc import until
from tests.support.h264 import TestPicture


class Page:
    """One RTCPeerConnection of the viewer's."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.addTransceiver("video", direction="recvonly")
        self.frames = 0
        self._task: asyncio.Task[None] | None = None
        self.connection.on("track", self._track)

    def _track(self, track: Any) -> None:
        self._task = asyncio.create_task(self._receive(track))

    async def _receive(self, track: Any) -> None:
        while True:
            await track.recv()
            self.frames += 1

    async def offer(self) -> None:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        await self.viewer.peers.answer(self.connection.localDescription.sdp)

    async def accept(self) -> None:
        answer = next(m["sdp"] for m in reversed(self.viewer.sent) if m["type"] == "rtc_answer")
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def connect(self) -> None:
        await self.offer()
        await self.accept()
        await until(lambda: self.frames > 2)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self.connection.close()


class Viewer:
    """What `ViewerMedia` is to the connections."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.peers = ViewerPeers(self, Policy(audio=False), self.sent.append, self._refuse)
        self.picture = TestPicture()
        self.events: list[str] = []
        self.packets = self.taken = 0
        self.pages: list[Page] = []

    def _refuse(self, refusal: Refusal) -> None:
        self.events.append(refusal.code)

    def rtc_connected(self, codec: RtcCodec) -> None:
        self.events.append(f"connected {codec}")
        self.picture.want_keyframe()

    def rtc_lost(self) -> None:
        self.events.append("lost")

    def rtc_keyframe(self) -> None:
        self.picture.want_keyframe()

    def rtc_bitrate(self, bitrate: int) -> None:
        pass

    def rtc_taken(self, frame_id: int) -> None:
        self.taken += 1

    def rtc_sent(self, before: RtpFigures, now: RtpFigures) -> None:
        assert now.packets >= before.packets
        self.packets += now.packets - before.packets

    def page(self) -> Page:
        self.pages.append(Page(self))
        return self.pages[-1]

    async def feed(self) -> None:
        while True:
            self.peers.send_video(self.picture.next(), 0)
            await asyncio.sleep(1 / 30)


@contextlib.asynccontextmanager
async def viewer() -> AsyncIterator[Viewer]:
    running = Viewer()
    feeder = asyncio.create_task(running.feed())
    try:
        yield running
    finally:
        feeder.cancel()
        running.peers.drop()
        await asyncio.gather(*(page.close() for page in running.pages), return_exceptions=True)
        await asyncio.gather(*peers._closing)


async def test_the_old_connection_goes_on_until_the_new_one_has_a_picture() -> None:
    async with viewer() as running:
        old, new = running.page(), running.page()
        await old.connect()
        await new.offer()
        count = old.frames
        await asyncio.sleep(0.3)
        assert old.frames > count + 3, "an offer alone must not end the picture"
        await new.accept()
        await until(lambda: new.frames)
        count = old.frames
        await asyncio.sleep(0.3)
        assert old.frames > count + 3
        await old.close()
        count = new.frames
        await until(lambda: new.frames > count + 30)
        assert running.events == ["connected h264", "connected h264"]
        clocks = [message for message in running.sent if message["type"] == "rtc_clock"]
        assert len(clocks) == 2


async def test_a_viewer_that_does_not_close_the_old_connection_is_not_sent_everything_twice(
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(peers, "OVERLAP_SECONDS", 0.3)
    async with viewer() as running:
        old, new = running.page(), running.page()
        await old.connect()
        await new.connect()
        await until(lambda: old.connection.connectionState == "closed")
        count = new.frames
        await until(lambda: new.frames > count + 10)
        assert "lost" not in running.events


async def test_a_new_connection_that_fails_leaves_the_old_one_alone() -> None:
    async with viewer() as running:
        old, new = running.page(), running.page()
        await old.connect()
        await new.offer()
        coming = running.peers._coming
        assert coming is not None
        coming._give_up()
        assert running.peers._coming is None
        count = old.frames
        await until(lambda: old.frames > count + 10)
        assert running.events == ["connected h264"]


async def test_when_the_old_one_is_gone_the_new_one_still_comes() -> None:
    async with viewer() as running:
        old, new = running.page(), running.page()
        await old.connect()
        await new.offer()
        await old.close()
        await until(lambda: running.peers.connected is None)
        await new.accept()
        await until(lambda: new.frames > 10)
        assert running.events == ["connected h264", "connected h264"]


async def test_losing_the_only_connection_is_told_once() -> None:
    async with viewer() as running:
        page = running.page()
        await page.connect()
        await page.close()
        await until(lambda: running.events == ["connected h264", "lost"])
        assert running.peers.connected is None
        assert running.packets > 2, "what was sent up to the end is counted"
        await running.peers.add_candidate(messages.RtcCandidate(type="rtc_candidate", candidate="x", mid="0"))
        assert running.events[-1] == "bad_message"
