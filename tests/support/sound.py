"""A real PulseAudio as the desktop starts it, and a look into what was heard."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
from streamspace_proxy.desktop.programs import sound_server
from streamspace_proxy.desktop.settings import read_settings
from streamspace_proxy.streamer.frames import OpusPacket

from tests.support.waiting import PATIENCE, eventually
from tests.support.xserver import end

Samples = np.ndarray[Any, np.dtype[np.float64]]


class SoundServer:
    """PulseAudio as the desktop starts it."""

    def __init__(self, folder: Path, policy: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.settings = read_settings(
            {
                "STREAMSPACE_RUNTIME_DIR": str(folder),
                "STREAMSPACE_TEMPLATE": json.dumps({"command": ["true"]}),
                "STREAMSPACE_POLICY": json.dumps(policy or {}),
            }
        )
        self.socket = folder / "pulse.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {
            **os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder),
            "PULSE_COOKIE": str(folder / "pulse-cookie"),
            "PULSE_STATE_PATH": str(folder), "PULSE_RUNTIME_PATH": str(folder),
        }  # fmt: skip

    def __enter__(self) -> SoundServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.process = subprocess.Popen(
            sound_server(self.settings), env=self.environment, start_new_session=True, stderr=subprocess.DEVNULL
        )
        eventually(self.socket.exists, "the sound server")

    def listed(self, what: str) -> list[str]:
        """Return what there is, one line each: `sinks`, `source-outputs`."""
        command = ("pactl", f"--server=unix:{self.socket}", "list", "short", what)
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    def stop(self) -> None:
        if self.process is not None:
            end(self.process)
            self.process = None
            self.socket.unlink(missing_ok=True)

    async def play(self, frequency: float, seconds: float) -> None:
        """Play a tone, left and right at different levels, through the sound server."""
        path = self.folder / f"{frequency}.wav"
        count = int(48000 * seconds)
        tone = np.sin(2 * np.pi * frequency * np.arange(count) / 48000)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(48000)
            file.writeframes(np.stack([tone * 16000, tone * 4000], axis=1).astype("<i2").tobytes())
        player = await asyncio.create_subprocess_exec(
            "paplay", f"--server=unix:{self.socket}", "--latency-msec=20", str(path), env=self.environment
        )
        async with asyncio.timeout(PATIENCE):
            assert await player.wait() == 0


def decode(packets: list[OpusPacket]) -> Samples:
    """Decode to samples x 2 in -1..1."""
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout, decoder.format = 48000, "stereo", "s16"
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet.data))]
    return np.concatenate([frame.to_ndarray().reshape(-1, 2) for frame in frames]) / 32768


def loudest(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * 48000 / len(samples))
