"""A voice from a viewer's socket, recorded in the session as an app records it."""

from __future__ import annotations

import asyncio
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import psutil
import pytest
from streamspace_proxy.streamer import polling
from streamspace_proxy.streamer.audio import OpusEncoder

from tests.session.test_polling import Page
from tests.support.sound import Samples, SoundServer, loudest
from tests.support.streamer import Running, Viewer, running_streamer

pytestmark = pytest.mark.x11
ALLOWED = {"microphone": True}


def voice(frequency: float, seconds: float) -> list[bytes]:
    """Opus packets of a tone."""
    encoder = OpusEncoder()
    tone = np.sin(2 * np.pi * frequency * np.arange(int(50 * seconds) * 960) / 48000) * 16000
    samples = np.repeat(tone.astype("<i2"), 2).reshape(-1, 960, 2)
    return [packet for part in samples for packet in encoder.encode(part.tobytes())]


async def speak(viewer: Viewer, packets: list[bytes], first: int = 0) -> None:
    """Send packets as a page does: one each 20 ms."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    for number, packet in enumerate(packets):
        await asyncio.sleep(max(0, started + number * 0.02 - loop.time()))
        await viewer.ws.send_bytes(struct.pack(">BBHI", 2, 0, (first + number) & 0xFFFF, 0) + packet)


@asynccontextmanager
async def recording(server: SoundServer) -> AsyncIterator[list[bytes]]:
    """What a program hears that records from the default source."""
    process = await asyncio.create_subprocess_exec(
        "parec", "--raw", f"--server=unix:{server.socket}", "--rate=48000", "--channels=1", "--format=s16le",
        "--latency-msec=20", stdout=subprocess.PIPE, env=server.environment,
    )  # fmt: skip
    heard: list[bytes] = []

    async def read() -> None:
        assert process.stdout is not None
        while data := await process.stdout.read(4096):
            heard.append(data)

    reader = asyncio.create_task(read())
    await asyncio.sleep(0.3)
    try:
        yield heard
    finally:
        process.terminate()
        await process.wait()
        await reader


def samples(heard: list[bytes]) -> Samples:
    data = b"".join(heard)
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2") / 32768


def players(running: Running) -> list[str]:
    return [p.name() for p in psutil.Process(running.process.pid).children() if p.name() == "pacat"]


async def test_what_is_said_is_recorded_by_an_app_in_its_pitch() -> None:
    async with running_streamer(policy=ALLOWED) as running:
        with SoundServer(running.x.folder, ALLOWED) as server:
            viewer = await running.viewer("controller")
            assert (await viewer.message("hello"))["policy"]["microphone"] is True
            assert players(running) == [], "nothing runs while nobody speaks"
            async with recording(server) as heard:
                await speak(viewer, voice(440, 1.5))
                await asyncio.sleep(0.3)
            sound = samples(heard)
            loud = np.flatnonzero(np.abs(sound) > 0.1)
            assert len(loud), "nothing was heard"
            middle = sound[loud[0] + 9600 : loud[0] + 9600 + 24000]
            assert abs(loudest(middle) - 440) < 5
            assert 0.3 < np.abs(middle).max() < 0.7
            assert loud[-1] - loud[0] > 1.3 * 48000, "no part is missing"
            assert viewer.of("error") == []


@pytest.mark.parametrize("transport", ["rfb", "http"])
async def test_a_voice_is_heard_beside_novnc_and_by_requests(transport: str) -> None:
    async with running_streamer(policy=ALLOWED, attach=False) as running:
        with SoundServer(running.x.folder, ALLOWED) as server:
            async with recording(server) as heard:
                if transport == "rfb":
                    viewer = await running.viewer()
                    await viewer.send("start", transport="rfb", audio=False)
                    await speak(viewer, voice(440, 1.5))
                    assert viewer.of("error") == []
                else:
                    page = await Page(running).open()
                    for number, packet in enumerate(voice(440, 1.5)):
                        began = asyncio.get_running_loop().time()
                        said = polling.pack(polling.BINARY, struct.pack(">BBHI", 2, 0, number, 0) + packet)
                        assert (await page.post(said))[0] == 204
                        await asyncio.sleep(max(0, began + 0.02 - asyncio.get_running_loop().time()))
                await asyncio.sleep(0.3)
            loud = np.flatnonzero(np.abs(samples(heard)) > 0.1)
            assert len(loud) > 0.5 * 48000
            assert abs(loudest(samples(heard)[loud[0] + 9600 : loud[0] + 33600]) - 440) < 5


async def test_one_speaks_at_a_time_and_the_other_is_told() -> None:
    async with running_streamer(policy=ALLOWED) as running:
        with SoundServer(running.x.folder, ALLOWED) as server:
            first, second = await running.viewer("owner"), await running.viewer("controller")
            async with recording(server) as heard:
                both = asyncio.create_task(speak(first, voice(440, 1)))
                await asyncio.sleep(0.2)
                await speak(second, voice(3000, 0.3))
                await both
                error = await second.message("error")
                assert error["code"] == "not_ready"
                assert "Somebody else is speaking" in error["message"]
                assert abs(loudest(samples(heard)[-24000:]) - 440) < 5
                await asyncio.sleep(1.1)
                heard.clear()
                await speak(second, voice(3000, 0.8))
                assert abs(loudest(samples(heard)[-24000:]) - 3000) < 10


async def test_without_the_policy_or_control_nothing_is_heard_and_there_is_no_microphone() -> None:
    async with running_streamer() as running:
        with SoundServer(running.x.folder) as server:
            viewer = await running.viewer("owner")
            await speak(viewer, voice(440, 0.1))
            error = await viewer.message("error")
            assert error["code"] == "forbidden"
            assert "administrator" in error["message"]
            assert players(running) == []
            assert "streamspace_microphone" not in await sources(server)
    async with running_streamer(policy=ALLOWED, attach=False) as running:
        watcher = await running.viewer("viewer")
        await speak(watcher, voice(440, 0.1))
        assert (await watcher.message("error"))["code"] == "forbidden"
        assert players(running) == []


async def sources(server: SoundServer) -> str:
    process = await asyncio.create_subprocess_exec(
        "pactl", f"--server=unix:{server.socket}", "info", stdout=subprocess.PIPE, env=server.environment
    )
    said = (await process.communicate())[0]
    process = await asyncio.create_subprocess_exec(
        "pactl", f"--server=unix:{server.socket}", "list", "short", "sources",
        stdout=subprocess.PIPE, env=server.environment,
    )  # fmt: skip
    return (said + (await process.communicate())[0]).decode()


async def test_apps_find_the_microphone_as_their_default_and_play_where_they_did() -> None:
    async with running_streamer(policy=ALLOWED, attach=False) as running:
        with SoundServer(running.x.folder, ALLOWED) as server:
            said = await sources(server)
            assert "Default Source: streamspace_microphone\n" in said
            assert "Default Sink: streamspace\n" in said


async def test_broken_and_late_packets_cost_nothing_but_themselves() -> None:
    async with running_streamer(policy=ALLOWED) as running:
        with SoundServer(running.x.folder, ALLOWED) as server:
            viewer = await running.viewer("owner")
            packets = voice(440, 1.2)
            for number in range(0, 30, 3):
                packets[number] = b"\xff" * 40
            async with recording(server) as heard:
                for _ in range(2):  # the second time all of it is old
                    await speak(viewer, packets[:50])
                await speak(viewer, packets, first=50)
            assert abs(loudest(samples(heard)[-24000:]) - 440) < 5
            await viewer.send("ping", t=1)
            await viewer.message("pong")
            assert "Traceback" not in running.log()


async def test_speech_that_comes_in_a_burst_is_not_heard_late() -> None:
    async with running_streamer(policy=ALLOWED) as running:
        with SoundServer(running.x.folder, ALLOWED) as server:
            viewer = await running.viewer("owner")
            async with recording(server) as heard:
                for number, packet in enumerate(voice(440, 1.6)):
                    await viewer.ws.send_bytes(struct.pack(">BBHI", 2, 0, number, 0) + packet)
                await asyncio.sleep(1)
            loud = np.flatnonzero(np.abs(samples(heard)) > 0.1)
            assert len(loud) < 0.5 * 48000


async def test_the_player_ends_a_while_after_the_last_word() -> None:
    async with running_streamer(policy=ALLOWED, attach=False) as running:
        with SoundServer(running.x.folder, ALLOWED):
            viewer = await running.viewer("owner")
            await speak(viewer, voice(440, 0.3))
            await viewer.until(lambda: players(running), "the player")
            await viewer.until(lambda: not players(running), "its end")
