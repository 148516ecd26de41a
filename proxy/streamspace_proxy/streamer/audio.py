"""The session's sound as Opus packets, recorded only while somebody listens.

A thread records the sound server's sink and encodes. While nothing plays the sink is suspended, and the thread sleeps.
Knows nothing of viewers and policies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from streamspace_proxy.streamer.frames import OpusPacket
from streamspace_proxy.streamer.recorder import Recorder

logger = logging.getLogger(__name__)

SOURCE: Final = "streamspace.monitor"
RATE: Final = 48_000
SAMPLES: Final = 960
FRAME_BYTES: Final = SAMPLES * 2 * 2
FRAME_US: Final = 20_000
BIT_RATE: Final = 96_000
SILENCE: Final = bytes(FRAME_BYTES)
# Long enough that a pause between two notes is not cut, and the encoder's tail is heard.
SILENT_FRAMES: Final = 50
# After the streamer was held up, what has piled up is old: sound that comes late stays late.
MAX_BACKLOG: Final = 5 * FRAME_BYTES
RETRY_SECONDS: Final = (0.5, 1.0, 2.0, 5.0)

Listener = Callable[[OpusPacket], None]


class AudioSource:
    """Hands the packets to its listeners on the event loop. Without a sound server there are none, and no errors."""

    def __init__(self, pulse_socket: Path) -> None:
        self._socket = pulse_socket
        self._listeners: dict[object, Listener] = {}
        self._recording: _Recording | None = None
        self._held = False

    def hold(self, held: bool) -> None:
        """Have no connection to the sound server until it is called with False."""
        self._held = held
        self._record_if_heard()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each packet from now on, until the returned function is called."""
        key = object()
        self._listeners[key] = listener
        self._record_if_heard()

        def unsubscribe() -> None:
            self._listeners.pop(key, None)
            self._record_if_heard()

        return unsubscribe

    def _record_if_heard(self) -> None:
        wanted = bool(self._listeners) and not self._held
        if wanted and self._recording is None:
            self._recording = _Recording(self._socket, asyncio.get_running_loop(), self._deliver)
        elif not wanted and self._recording is not None:
            self._recording.close()
            self._recording = None

    def _deliver(self, packet: OpusPacket) -> None:
        for listener in list(self._listeners.values()):
            listener(packet)


class _Recording:
    """The thread that records and encodes, until it is closed."""

    def __init__(self, socket: Path, loop: asyncio.AbstractEventLoop, deliver: Listener) -> None:
        self._socket = socket
        self._loop = loop
        self._deliver = deliver
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._recorder: Recorder | None = None
        self._thread = threading.Thread(target=self._run, name="audio", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let the thread end; does not wait. No packet comes afterwards."""
        with self._lock:
            self._closing.set()
            if self._recorder is not None:
                self._recorder.wake()

    def _run(self) -> None:
        attempt = 0
        while not self._closing.is_set():
            try:
                if self._record():
                    attempt = 0
            except Exception:
                logger.exception("audio: recording failed")
            if attempt == 1:
                logger.info("audio: the sound server cannot be heard; trying again from time to time")
            self._closing.wait(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            attempt += 1

    def _record(self) -> bool:
        """Record until the sound server ends or we do; returns whether it took us."""
        if not self._socket.is_socket():
            return False
        with self._lock:
            if self._closing.is_set():
                return False
            try:
                self._recorder = recorder = Recorder(self._socket, SOURCE, RATE, FRAME_BYTES)
            except OSError as error:
                logger.warning("audio: there is no sound without libpulse (Debian package libpulse0): %s", error)
                return False
        try:
            return recorder.open() and self._encode(recorder)
        finally:
            with self._lock:
                self._recorder = None
            recorder.free()

    def _encode(self, recorder: Recorder) -> bool:
        encoder: OpusEncoder | None = None
        silent = SILENT_FRAMES
        while len(samples := recorder.read(FRAME_BYTES)) == FRAME_BYTES:
            if recorder.pending() > MAX_BACKLOG:
                continue
            silent = silent + 1 if samples == SILENCE else 0
            if silent > SILENT_FRAMES:
                continue
            if encoder is None:
                encoder = OpusEncoder()
            captured = time.monotonic_ns() // 1000 - FRAME_US
            for data in encoder.encode(samples):
                self._send(OpusPacket(data, captured))
        return True

    def _send(self, packet: OpusPacket) -> None:
        def unless_closed() -> None:
            if not self._closing.is_set():
                self._deliver(packet)

        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(unless_closed)


def client_environment(socket: Path) -> dict[str, str]:
    """Return the environment of a client of the sound server."""
    # The server checks the uid and wants no cookie; without these the client makes one in the user's home.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PULSE_")}
    return environment | {"PULSE_COOKIE": "/dev/null", "XDG_CONFIG_HOME": str(socket.parent / "xdg")}


class OpusEncoder:
    """48 kHz stereo in frames of 20 ms, without the look-ahead that Opus needs for speech."""

    def __init__(self) -> None:
        import av  # heavy: only where there is sound to be encoded
        import numpy as np

        self._av, self._np = av, np
        self._codec = av.CodecContext.create("libopus", "w")
        self._codec.sample_rate = RATE
        self._codec.layout = "stereo"
        self._codec.format = "s16"
        self._codec.bit_rate = BIT_RATE
        self._codec.options = {"application": "lowdelay", "frame_duration": "20", "vbr": "on"}
        self._position = 0

    def encode(self, samples: bytes) -> list[bytes]:
        """Encode one frame of interleaved s16le; returns the packets that are ready (one, as a rule)."""
        array = self._np.frombuffer(samples, self._np.int16)[None, :]
        frame = self._av.AudioFrame.from_ndarray(array, format="s16", layout="stereo")
        frame.sample_rate = RATE
        frame.pts = self._position
        self._position += SAMPLES
        return [bytes(packet) for packet in self._codec.encode(frame)]
