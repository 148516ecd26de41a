"""WebRtcPeer against a second aiortc peer and against a real Chromium; one test for each hook into aiortc."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import time
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiohttp import WSMsgType, web
from aioice import stun
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, rtcrtpsender, rtp
from streamspace_proxy.streamer import webrtc, webrtc_hooks
from streamspace_proxy.streamer.frames import EncodedFrame, OpusPacket
from streamspace_proxy.streamer.webrtc import WebRtcError, WebRtcPeer
from streamspace_proxy.streamer.webrtc_hooks import (
    HISTORY_PACKETS,
    PLAYOUT_DELAY_URI,
    TRANSPORT_CC_URI,
    AudioPacker,
    BurstPacer,
)

from tests.support.chromium import ARGUMENTS
from tests.support.h264 import TestPicture
from tests.support.waiting import PATIENCE
from tests.unit.test_transport_feedback import write as write_feedback


class Viewer:
    """The other end, by aiortc: it offers to receive, and decodes."""

    def __init__(self, audio: bool = False) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.video = self.connection.addTransceiver("video", direction="recvonly")
        self.audio = self.connection.addTransceiver("audio", direction="recvonly") if audio else None
        self.tracks: dict[str, Any] = {}
        self.connection.on("track", lambda track: self.tracks.__setitem__(track.kind, track))

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    @property
    def transport(self) -> Any:
        return self.video.receiver.transport


class Listener:
    """Notes what a peer says."""

    def __init__(self, want_keyframe: Callable[[], None] = lambda: None) -> None:
        self.keyframes_asked = 0
        self.bitrates: list[int] = []
        self.states: list[str] = []
        self.clocks: list[tuple[int, int]] = []
        self.left: list[int] = []
        self.refused: list[str] = []
        self._want_keyframe = want_keyframe

    def peer_needs_keyframe(self, peer: WebRtcPeer) -> None:
        self.keyframes_asked += 1
        self._want_keyframe()

    def peer_carries(self, peer: WebRtcPeer, bitrate: int) -> None:
        self.bitrates.append(bitrate)

    def peer_changed(self, peer: WebRtcPeer, state: str) -> None:
        self.states.append(state)

    def peer_sent(self, peer: WebRtcPeer, frame_id: int) -> None:
        self.left.append(frame_id)

    def peer_refused(self, peer: WebRtcPeer, why: str) -> None:
        self.refused.append(why)

    def peer_clock(self, peer: WebRtcPeer, rtp: int, capture_us: int) -> None:
        self.clocks.append((rtp, capture_us))


class Session(Listener):
    """A peer, its viewer, and what the peer says."""

    def __init__(self, audio: bool = False, picture: TestPicture | None = None) -> None:
        self.picture = picture or TestPicture()
        super().__init__(self.picture.want_keyframe)
        self.viewer = Viewer(audio)
        self.peer = WebRtcPeer(self)
        self._feeder: Any = None

    async def connect(self) -> None:
        answer = await self.peer.answer(await self.viewer.offer(), audio=self.viewer.audio is not None)
        await self.viewer.accept(answer)
        await until(lambda: "connected" in self.states)
        self._feeder = asyncio.create_task(self._feed())

    async def _feed(self) -> None:
        while True:
            self.peer.send_video(self.picture.next(), self.picture.count)
            await asyncio.sleep(1 / 30)

    async def close(self) -> None:
        if self._feeder is not None:
            self._feeder.cancel()
        await self.peer.close()
        await self.viewer.connection.close()


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def connected(audio: bool = False, picture: TestPicture | None = None) -> AsyncIterator[Session]:
    session = Session(audio, picture)
    try:
        await session.connect()
        yield session
    finally:
        await session.close()


async def test_h264_arrives_decoded_although_the_viewer_prefers_vp8() -> None:
    async with connected() as session:
        track = session.viewer.tracks["video"]
        frames = [await asyncio.wait_for(track.recv(), PATIENCE) for _ in range(20)]
        assert all((frame.width, frame.height) == (320, 240) for frame in frames)
        assert session.viewer.video._codecs[0].name == "H264"
        stats = session.peer.stats()
        assert stats["state"] == "connected"
        assert stats["frames"] >= 20
        assert stats["bytes"] > 1000


async def test_a_viewer_without_h264_gets_vp8() -> None:
    viewer, listener = Viewer(), Listener()
    peer = WebRtcPeer(listener)
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 320, 240, "yuv420p"
    encoder.time_base = Fraction(1, 1_000_000)
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "g": "9999"}
    encoder.bit_rate = 2_000_000
    try:
        offer = (await viewer.offer()).replace("H264", "H265")
        await viewer.accept(await peer.answer(offer, audio=False))
        await until(lambda: "connected" in listener.states)
        assert peer.codec == "vp8"
        seen: list[Any] = []
        receiving = asyncio.create_task(collect(viewer.tracks["video"], seen))
        await until(lambda: listener.keyframes_asked)
        started, count = time.monotonic_ns() // 1000, 0
        while len(seen) < 20:
            assert count < 300
            plane = np.full((360, 320), 128, np.uint8)
            plane[:240] = (np.arange(320)[None, :] + count * 3) % 200 + 20
            frame = av.VideoFrame.from_ndarray(plane, format="yuv420p")
            frame.pts, frame.time_base = count * 33_333, encoder.time_base
            for packet in encoder.encode(frame):
                capture_us = started + count * 33_333
                peer.send_video(EncodedFrame(bytes(packet), packet.is_keyframe, 1, capture_us, 320, 240), count)
            count += 1
            await asyncio.sleep(1 / 30)
        receiving.cancel()
        assert viewer.video._codecs[0].name == "VP8"
        picture = seen[-1].to_ndarray(format="gray")
        assert np.std(picture.astype(float)) > 30, "a grey picture"
    finally:
        await peer.close()
        await viewer.connection.close()


async def collect(track: Any, seen: list[Any]) -> None:
    while True:
        seen.append(await track.recv())


async def test_the_clock_says_which_frame_was_captured_when() -> None:
    async with connected() as session:
        packets: list[bytes] = []
        send = session.peer._video.transport._send_rtp

        async def note(data: bytes) -> None:
            packets.append(data)
            await send(data)

        session.peer._video.transport._send_rtp = note
        await until(lambda: len(session.clocks) == 1 and len(packets) > 20)
        rtp, capture_us = session.clocks[0]
        session.peer._clock_told = 0.0
        await until(lambda: len(session.clocks) == 2)
        later, later_us = session.clocks[1]
        assert abs((later - rtp) / 90_000 - (later_us - capture_us) / 1e6) < 0.0001
        assert later in {int.from_bytes(data[4:8], "big") for data in packets}


async def test_a_picture_loss_reaches_the_encoder() -> None:
    async with connected() as session:
        await asyncio.wait_for(session.viewer.tracks["video"].recv(), PATIENCE)
        await asyncio.sleep(0.5)
        asked, made = session.keyframes_asked, session.picture.keyframes
        await session.viewer.video.receiver._send_rtcp_pli(session.peer._video._ssrc)
        await until(lambda: session.keyframes_asked > asked and session.picture.keyframes > made)


async def test_at_rest_a_decoder_that_asks_once_only_wonders_and_one_that_asks_again_cannot_go_on() -> None:
    async with connected() as session:
        await at_rest(session)
        peer, receiver = session.peer, session.viewer.video.receiver
        # Longer ago than a decoder may take for what it got.
        peer._queued_at -= webrtc.REST_SECONDS
        before, asked_at = session.keyframes_asked, peer._decoder_asked
        await receiver._send_rtcp_pli(peer._video._ssrc)
        await until(lambda: peer._decoder_asked != asked_at)
        assert session.keyframes_asked == before
        peer._decoder_asked = time.monotonic()  # a busy machine must not make the second one the first
        await receiver._send_rtcp_pli(peer._video._ssrc)
        await until(lambda: session.keyframes_asked == before + 1)


async def test_a_last_picture_of_which_nothing_came_is_made_again_until_it_comes() -> None:
    async with connected() as session:
        await at_rest(session)
        hear, asked = session.viewer.transport._handle_rtp_data, session.keyframes_asked

        async def nothing(data: bytes, arrival_time_ms: int) -> None:
            pass

        session.viewer.transport._handle_rtp_data = nothing
        session.peer.send_video(session.picture.next(), 0)
        await until(lambda: session.keyframes_asked > asked)
        assert session.picture.keyframe_wanted
        session.viewer.transport._handle_rtp_data = hear
        session.peer.send_video(session.picture.next(), 0)
        await until(lambda: session.peer._next_look is None)


async def at_rest(session: Session) -> None:
    """Send no more, and wait until the viewer has said that it got the last packet."""
    await asyncio.wait_for(session.viewer.tracks["video"].recv(), PATIENCE)
    session._feeder.cancel()
    await until(lambda: session.peer._next_look is None)
    assert session.peer._settled


async def test_every_video_packet_says_play_without_delay() -> None:
    async with connected() as session:
        ids = [e.id for e in session.viewer.video._headerExtensions if e.uri == PLAYOUT_DELAY_URI]
        values = []
        receive = session.viewer.transport._handle_rtp_data

        async def note(data: bytes, arrival_time_ms: int) -> None:
            profile, length = int.from_bytes(data[12:14], "big"), 4 * int.from_bytes(data[14:16], "big")
            values.append(dict(rtp.unpack_header_extensions(profile, data[16 : 16 + length])).get(ids[0]))
            await receive(data, arrival_time_ms=arrival_time_ms)

        session.viewer.transport._handle_rtp_data = note
        await until(lambda: len(values) > 20)
        assert set(values) == {b"\0\0\0"}


async def test_every_video_packet_has_a_number_of_its_own_also_one_that_is_sent_again() -> None:
    async with connected() as session:
        ids = [e.id for e in session.viewer.video._headerExtensions if e.uri == TRANSPORT_CC_URI]
        numbers: list[int] = []
        receive = session.viewer.transport._handle_rtp_data

        async def note(data: bytes, arrival_time_ms: int) -> None:
            profile, length = int.from_bytes(data[12:14], "big"), 4 * int.from_bytes(data[14:16], "big")
            packed = dict(rtp.unpack_header_extensions(profile, data[16 : 16 + length]))
            numbers.append(int.from_bytes(packed[ids[0]], "big"))
            await receive(data, arrival_time_ms=arrival_time_ms)

        session.viewer.transport._handle_rtp_data = note
        await until(lambda: len(numbers) > 10)
        sender: Any = session.peer._video
        await sender._retransmit(max(packet.sequence_number for packet in sender._RTCRtpSender__rtp_history.values()))
        await until(lambda: len(numbers) > 20)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_reports_of_arrival_steer_the_bitrate_and_the_pace() -> None:
    async with connected(picture=TestPicture(640, 480, noise=60)) as session:
        control = session.peer._control
        await until(lambda: len(control._sent) > 40)
        session._feeder.cancel()
        first = next(iter(control._sent))
        # As a line of 1 Mbit/s would have it: 1200 bytes every 9.6 ms.
        body = write_feedback(first, [38 * tick for tick in range(30)], reference=1000)
        packet = struct.pack(">BBH", 0x80 | 15, 205, len(body) // 4) + body
        await session.viewer.transport._send_rtp(packet)
        await until(lambda: control.capacity is not None)
        assert control.capacity is not None
        assert control.capacity < 3_000_000
        assert session.peer._pacer.rate < 6_000_000
        await session.viewer.transport._send_rtp(struct.pack(">BBHII", 0x80 | 15, 205, 2, 1, 2))  # nonsense
        await until(lambda: session.refused)
        assert session.peer.state == "connected"


async def test_packets_far_back_can_be_sent_again() -> None:
    assert vars(rtcrtpsender)["RTP_HISTORY_SIZE"] == HISTORY_PACKETS
    async with connected(picture=TestPicture(640, 480, noise=120)) as session:
        sender: Any = session.peer._video
        await until(lambda: sender._RTCRtpSender__packet_count > 500)
        history = sender._RTCRtpSender__rtp_history
        newest = max(history.values(), key=lambda packet: packet.sequence_number).sequence_number
        sent: list[bytes] = []
        transport = sender.transport
        send = transport._send_rtp

        async def note(data: bytes) -> None:
            sent.append(data)
            await send(data)

        transport._send_rtp = note
        await sender._retransmit(newest - 400)
        assert any((newest - 400).to_bytes(2, "big") in data for data in sent)


async def test_a_fallen_estimate_of_the_viewer_lowers_the_bitrate() -> None:
    async with connected() as session:
        ssrc = session.peer._video._ssrc
        await asyncio.sleep(0.3)
        for bitrate in (9_437_184, 3_145_728):
            packet = rtp.RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=rtp.pack_remb_fci(bitrate, [ssrc]))
            await session.viewer.video.receiver._send_rtcp(packet)
        await until(lambda: 3_145_728 in session.bitrates)


async def test_receiver_reports_raise_the_bitrate_on_a_good_network() -> None:
    async with connected() as session:
        await until(lambda: session.bitrates and session.bitrates[-1] > session.bitrates[0])
        assert session.peer.stats()["rtt_ms"] is not None


async def test_a_keyframe_is_spread_and_a_small_frame_is_not() -> None:
    async with connected() as session:
        await asyncio.wait_for(session.viewer.tracks["video"].recv(), PATIENCE)
        session._feeder.cancel()
        await asyncio.sleep(0.2)
        # The pacer's clock is not the machine's: it goes on by what the pacer waits, and by nothing else.
        pacer: Any = session.peer._pacer
        delay, clock, packets = pacer.delay, pacer._at, 0
        pacer.set_rate(8_000_000)
        pacer.set_rate = lambda rate: None

        def paced(size: int, _: float) -> float:
            nonlocal clock, packets
            packets += 1
            seconds: float = delay(size, clock)
            clock += seconds
            return seconds

        pacer.delay = paced

        async def burst(size: int) -> float:
            nonlocal clock, packets
            clock, packets = clock + 1, 0
            began = clock
            data = b"\0\0\0\1\x65" + bytes([1]) * size
            session.peer.send_video(EncodedFrame(data, True, 1, int(time.monotonic() * 1e6), 320, 240), 0)
            await until(lambda: packets >= size // 1300)
            return clock - began

        assert await burst(20_000) == 0
        # About 150 kB beyond the burst that is let through at once, at 8 Mbit/s.
        assert 0.12 < await burst(180_000) < 0.17


def test_the_pacer_never_holds_a_normal_frame() -> None:
    pacer = BurstPacer()
    assert all(pacer.delay(1200, 10.0) == 0 for _ in range(27))
    assert pacer.delay(1200, 10.0) > 0
    assert pacer.delay(1200, 10.1) == 0
    pacer.set_rate(1)
    assert pacer.rate == 1_000_000
    pacer.set_rate(10**9)
    assert pacer.rate == 64_000_000


async def test_a_viewer_that_vanishes_is_noticed_within_seconds() -> None:
    async with connected() as session:
        for protocol in session.viewer.transport.transport._connection._protocols:
            protocol.datagram_received = lambda data, addr: None
        started = time.monotonic()
        await until(lambda: session.states[-1] in ("failed", "closed"), 15)  # consent alone would take 30 s (RFC 7675)
        assert time.monotonic() - started > 1.9, "a moment without packets is not the end"


def test_the_longest_that_a_lost_way_goes_unnoticed_is_below_three_seconds() -> None:
    pause = webrtc_hooks.CONSENT_INTERVAL * (1 + webrtc_hooks.CONSENT_SPREAD)
    assert pause + webrtc_hooks.CONSENT_FAILURES * stun.RETRY_RTO < 2.9


async def test_overflow_drops_up_to_the_next_keyframe_and_asks_for_it() -> None:
    async with connected() as session:
        await asyncio.wait_for(session.viewer.tracks["video"].recv(), PATIENCE)
        session._feeder.cancel()
        await asyncio.sleep(0.5)
        asked, dropped = session.keyframes_asked, session.peer.stats()["dropped"]
        for _ in range(10):  # the loop does not run meanwhile: nothing is taken
            session.peer.send_video(
                session.picture.next() if not session.picture.keyframe_wanted else delta(session), 0
            )
        assert session.keyframes_asked == asked + 1
        assert session.peer.stats()["dropped"] == dropped + 10
        sent = session.peer.stats()["frames"]
        session.peer.send_video(session.picture.next(), 0)
        assert session.peer.stats()["frames"] == sent + 1


def delta(session: Session) -> EncodedFrame:
    session.picture.keyframe_wanted = False
    frame = session.picture.next()
    session.picture.keyframe_wanted = True
    return frame


async def test_sound_arrives_in_a_stream_of_its_own() -> None:
    async with connected(audio=True) as session:
        encoder = av.CodecContext.create("libopus", "w")
        encoder.sample_rate, encoder.layout, encoder.format = 48000, "stereo", "s16"
        packets: list[bytes] = []
        for _ in range(60):
            tone = (8000 * np.sin(np.arange(960) * 2 * np.pi * 440 / 48000)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.repeat(tone, 2)[None, :], format="s16", layout="stereo")
            frame.sample_rate = 48000
            packets += [bytes(packet) for packet in encoder.encode(frame)]
        for index, packet in enumerate(packets):
            session.peer.send_audio(OpusPacket(packet, index * 20_000))
            await asyncio.sleep(0.01)
        heard = await asyncio.wait_for(session.viewer.tracks["audio"].recv(), PATIENCE)
        assert heard.sample_rate == 48000
        sdp = session.peer._connection.localDescription.sdp
        streams = {line.split()[0] for line in sdp.splitlines() if line.startswith("a=msid:")}
        assert len(streams) == 2


def test_audio_timestamps_are_even_and_jump_over_pauses() -> None:
    packer = AudioPacker()
    captured = [0, 21_000, 39_000, 60_500, 1_060_000]
    stamps = [packer.pack(OpusPacket(b"x", at))[1] for at in captured]
    assert stamps == [0, 960, 1920, 2880, 50880]


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        ("", "no video section"),
        ("v=0\r\n", "no video section"),
        ("nonsense", "no video section"),
        ("v=0\r\nm=video x y\r\n", "session description"),
        ("v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "."),
    ],
)
async def test_a_useless_offer_is_refused_with_a_sentence(offer: str, words: str) -> None:
    peer = WebRtcPeer(Listener())
    with pytest.raises(WebRtcError, match=words):
        await peer.answer(offer, audio=True)
    await peer.close()


async def test_a_viewer_without_h264_and_vp8_is_told_to_use_another_transport() -> None:
    viewer = Viewer()
    offer = (await viewer.offer()).replace("H264", "H265").replace("VP8", "VP9")
    peer = WebRtcPeer(Listener())
    with pytest.raises(WebRtcError, match=r"H\.264"):
        await peer.answer(offer, audio=False)
    await peer.close()
    await viewer.connection.close()


async def test_candidates_are_checked_and_limited() -> None:
    viewer, peer = Viewer(), WebRtcPeer(Listener())
    await peer.answer(await viewer.offer(), audio=False)
    with pytest.raises(WebRtcError, match="RFC 8839"):
        await peer.add_candidate("candidate:nonsense", "0")
    hidden = "candidate:1 1 udp 2122260223 8c2d5e5e-0000-4000-8000-000000000000.local 50000 typ host"
    await asyncio.wait_for(peer.add_candidate(hidden, "0"), 1)  # a look-up of the name would take 5 s
    for port in range(62):
        await peer.add_candidate(f"candidate:1 1 udp 2122260223 192.0.2.9 {50000 + port} typ host", "0")
    with pytest.raises(WebRtcError, match="at most 64"):
        await peer.add_candidate("candidate:1 1 udp 2122260223 192.0.2.9 50999 typ host", "0")
    await peer.add_candidate("", "0")
    await peer.add_candidate("", None)
    await peer.close()
    await viewer.connection.close()


PAGE = """<!doctype html><video id=v autoplay muted playsinline></video><script>
window.frames_seen = 0; window.log = [];
const ws = new WebSocket(`ws://${location.host}/ws`);
const pc = new RTCPeerConnection();
window.pc = pc;
pc.addTransceiver("video", {direction: "recvonly"});
pc.addTransceiver("audio", {direction: "recvonly"});
pc.ontrack = e => { if (e.track.kind == "video") {
  const v = document.getElementById("v"); v.srcObject = new MediaStream([e.track]);
  const tick = () => { window.frames_seen++; v.requestVideoFrameCallback(tick); };
  v.requestVideoFrameCallback(tick);
}};
pc.onicecandidate = e => ws.send(JSON.stringify({candidate: e.candidate ? e.candidate.candidate : "", mid: e.candidate ? e.candidate.sdpMid : null}));
ws.onopen = async () => { await pc.setLocalDescription(await pc.createOffer());
  const unwanted = location.hash.slice(1), lines = pc.localDescription.sdp.split("\\r\\n");
  ws.send(JSON.stringify({sdp: lines.filter(line => !unwanted || !line.includes(unwanted)).join("\\r\\n")})); };
ws.onmessage = async e => { await pc.setRemoteDescription({type: "answer", sdp: JSON.parse(e.data).sdp}); };
</script>"""  # noqa: E501


STATS = "(async () => [...(await pc.getStats()).values()])()"


@contextlib.asynccontextmanager
async def page_server(peer: WebRtcPeer) -> AsyncIterator[str]:
    async def ws_handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        waiting: list[dict[str, Any]] = []
        answered = False
        async for message in ws:
            assert message.type is WSMsgType.TEXT
            data = json.loads(message.data)
            if "sdp" in data:
                await ws.send_json({"sdp": await peer.answer(data["sdp"], audio=True)})
                answered = True
            else:
                waiting.append(data)
            if answered:
                for item in waiting:
                    await peer.add_candidate(item["candidate"], item["mid"])
                waiting.clear()
        return ws

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    application = web.Application()
    application.router.add_get("/", page)
    application.router.add_get("/ws", ws_handler)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        await runner.cleanup()


@pytest.mark.browser
@pytest.mark.skipif(not Path("/usr/bin/chromium").exists(), reason="no Chromium")
async def test_chromium_shows_the_frames() -> None:
    from playwright.async_api import async_playwright

    picture = TestPicture(640, 360, noise=20)
    listener = Listener(picture.want_keyframe)
    peer = WebRtcPeer(listener)

    async def feed() -> None:
        while True:
            peer.send_video(picture.next(), picture.count)
            await asyncio.sleep(1 / 30)

    async with page_server(peer) as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        feeder = asyncio.create_task(feed())
        try:
            page = await browser.new_page()
            await page.goto(url)
            await page.wait_for_function("window.frames_seen > 90", timeout=30_000, polling=100)
            await until(lambda: peer.stats()["capacity"])  # Chromium's transport-wide feedback
            figures = peer.stats()
            everything = await page.evaluate(STATS)
            (stats,) = videos(everything)
            (codec,) = (s["mimeType"] for s in everything if s["type"] == "codec" and s["id"] == stats["codecId"])
            size = await page.evaluate("[v.videoWidth, v.videoHeight]")
        finally:
            feeder.cancel()
            await browser.close()
            await peer.close()
    assert figures["estimate"] == 0, "REMB is only for those without"
    assert figures["capacity"] > 10_000_000, "keyframes are long enough to measure it"
    assert (codec, size) == ("video/H264", [640, 360])
    assert listener.states[:2] == ["connecting", "connected"]
    assert min(listener.bitrates) >= 4_000_000, "a good network was taken for a bad one"


def videos(stats: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in stats if one["type"] == "inbound-rtp" and one["kind"] == "video"]


@pytest.mark.browser
@pytest.mark.skipif(not Path("/usr/bin/chromium").exists(), reason="no Chromium")
async def test_chromium_holds_frames_back_for_less_time_by_the_playout_delay() -> None:
    """Two viewers get the same frames; one of them has not offered the header extension."""
    from playwright.async_api import async_playwright

    picture = TestPicture(640, 360, noise=20)
    peers = [WebRtcPeer(Listener(picture.want_keyframe)) for _ in range(2)]

    async def feed() -> None:
        while True:
            frame = picture.next()
            for peer in peers:
                peer.send_video(frame, picture.count)
            await asyncio.sleep(1 / 30)

    async with contextlib.AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(page_server(peer)) for peer in peers]
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        stack.push_async_callback(browser.close)
        for peer in peers:
            stack.push_async_callback(peer.close)
        feeder = asyncio.create_task(feed())
        stack.callback(feeder.cancel)
        pages = [await browser.new_page() for _ in peers]
        await asyncio.gather(pages[0].goto(urls[0]), pages[1].goto(f"{urls[1]}#{PLAYOUT_DELAY_URI}"))
        held = []
        for page in pages:
            await page.wait_for_function("window.frames_seen > 150", timeout=1000 * PATIENCE, polling=100)
        for page in pages:
            (stats,) = videos(await page.evaluate(STATS))
            held.append(stats["jitterBufferDelay"] / stats["jitterBufferEmittedCount"])
        print(f"with the extension {1000 * held[0]:.1f} ms per frame, without {1000 * held[1]:.1f}")
    assert held[0] < 0.75 * held[1], "where neither had it, they would be alike"
