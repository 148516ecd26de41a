"""Sound from a real PulseAudio: what is played is what the packets hold."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from streamspace_proxy.streamer.audio import AudioSource
from streamspace_proxy.streamer.frames import OpusPacket

from tests.support.sound import SoundServer, decode, loudest
from tests.support.waiting import STALL, eventually


@pytest.fixture
def server() -> Iterator[SoundServer]:
    folder = Path(tempfile.mkdtemp(prefix="ss-", dir="/tmp"))
    server = SoundServer(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


async def test_a_tone_is_heard_in_its_pitch_and_on_its_sides(server: SoundServer) -> None:
    server.start()
    packets: list[OpusPacket] = []
    unsubscribe = AudioSource(server.socket).subscribe(packets.append)
    await asyncio.sleep(0.5)
    await server.play(1000, 1.0)
    unsubscribe()
    sound = decode(packets)
    middle = sound[len(sound) // 2 - 6000 : len(sound) // 2 + 6000]
    assert abs(loudest(middle[:, 0]) - 1000) < 10
    left, right = np.abs(middle).max(axis=0)
    assert 3 < left / right < 5
    assert 0.4 < left < 0.6
    gaps = np.diff([packet.capture_us for packet in packets])
    assert 19_000 < np.median(gaps) < 21_000


async def test_sound_arrives_as_soon_as_it_is_played_after_a_long_silence(server: SoundServer) -> None:
    server.start()
    arrivals: list[float] = []
    unsubscribe = AudioSource(server.socket).subscribe(lambda packet: arrivals.append(time.monotonic()))
    await asyncio.sleep(3)  # an idle null sink has made silence for two seconds ahead when the recorder comes
    assert arrivals == [], "silence from the start is not sent"
    started = time.monotonic()
    command = ("pactl", f"--server=unix:{server.socket}", "load-module", "module-sine", "sink=streamspace")
    loader = await asyncio.create_subprocess_exec(*command, env=server.environment, stdout=subprocess.DEVNULL)
    await loader.wait()
    while not arrivals and time.monotonic() < started + STALL:
        await asyncio.sleep(0.005)
    unsubscribe()
    assert arrivals, "the sound does not come by itself"


async def test_silence_costs_no_packets_after_a_while(server: SoundServer) -> None:
    server.start()
    packets: list[OpusPacket] = []
    unsubscribe = AudioSource(server.socket).subscribe(packets.append)
    await asyncio.sleep(0.3)
    await server.play(500, 0.3)
    await asyncio.sleep(1.5)
    before = len(packets)
    assert before > 15
    await asyncio.sleep(0.5)
    assert len(packets) == before
    await server.play(700, 0.3)
    assert len(packets) > before + 10
    unsubscribe()


async def test_it_records_only_while_somebody_listens(server: SoundServer) -> None:
    server.start()

    def recorders() -> list[str]:
        return server.listed("source-outputs")

    source = AudioSource(server.socket)
    assert recorders() == []
    first, second = source.subscribe(lambda _: None), source.subscribe(lambda _: None)
    await asyncio.to_thread(eventually, recorders, "the recorder")
    first()
    first()
    await asyncio.sleep(0.2)
    assert len(recorders()) == 1
    second()
    await asyncio.to_thread(eventually, lambda: not recorders(), "the end of the recorder")
    await asyncio.to_thread(
        eventually, lambda: all(thread.name != "audio" for thread in threading.enumerate()), "the end of the thread"
    )


async def test_while_nothing_plays_the_sink_stands_still_though_somebody_listens(
    server: SoundServer,
) -> None:
    server.start()
    packets: list[OpusPacket] = []
    unsubscribe = AudioSource(server.socket).subscribe(packets.append)

    def states() -> set[str]:
        return {line.split()[-1] for line in server.listed("sinks")}

    await asyncio.to_thread(eventually, lambda: server.listed("source-outputs"), "the recorder")
    await asyncio.to_thread(eventually, lambda: states() == {"SUSPENDED"}, "the sink to be suspended")
    await server.play(500, 0.5)
    assert len(packets) > 15, "it wakes up by itself"
    await asyncio.to_thread(eventually, lambda: states() == {"SUSPENDED"}, "the sink to be suspended again")
    unsubscribe()


async def test_without_a_sound_server_it_waits_quietly_and_hears_it_when_it_comes(
    server: SoundServer, caplog: pytest.LogCaptureFixture
) -> None:
    packets: list[OpusPacket] = []
    unsubscribe = AudioSource(server.socket).subscribe(packets.append)
    await asyncio.sleep(0.7)
    await asyncio.to_thread(server.start)
    await asyncio.sleep(1.5)
    await server.play(800, 0.4)
    assert packets
    await asyncio.to_thread(server.stop)
    await asyncio.sleep(0.3)
    await asyncio.to_thread(server.start)
    await asyncio.sleep(1.5)
    before = len(packets)
    await server.play(800, 0.4)
    assert len(packets) > before
    unsubscribe()
    assert all(record.levelname == "INFO" for record in caplog.records)


async def test_listening_leaves_no_file_in_the_home_folder(
    server: SoundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.start()
    home = server.folder / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    packets: list[OpusPacket] = []
    unsubscribe = AudioSource(server.socket).subscribe(packets.append)
    await asyncio.sleep(0.3)
    await server.play(800, 0.2)
    unsubscribe()
    assert packets
    assert list(home.iterdir()) == []
