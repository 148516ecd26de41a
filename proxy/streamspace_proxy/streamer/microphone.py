"""A viewer's voice into the session: Opus packets in, sound for the session's virtual microphone out.

One speaker at a time. `pacat` plays into the sink behind the microphone while somebody speaks; its buffer, which starts
to play once it is full, evens out the network's jitter. What comes too late is dropped. Nothing is kept.
"""

from __future__ import annotations

import fcntl
import logging
import math
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from streamspace_proxy.streamer.audio import RATE, client_environment
from streamspace_proxy.streamer.messages import Refusal, Voice

logger = logging.getLogger(__name__)
SINK: Final = "streamspace_speech"
"""The sink whose monitor is the microphone (`streamspace_proxy.desktop.programs`)."""
FLOOR_SECONDS: Final = 1.0
SILENT_BYTES: Final = 3
"""An Opus packet as small as this holds no sound: its encoder sends it in pauses (DTX, RFC 6716 section 3.2)."""
BUFFER_MS: Final = 60
MAX_WAITING: Final = 5
"""Packets that wait for the sound server: a tenth of a second."""
PIPE_BYTES: Final = 4096
IDLE_SECONDS: Final = 3.0
RETRY_SECONDS: Final = 1.0
SOMEBODY_ELSE: Final = "Somebody else is speaking. Wait until they have been silent for a second, then try again."


class Floor:
    """Who may speak. Pure: times are seconds of one clock."""

    def __init__(self) -> None:
        self._holder = ""
        self._heard = -math.inf
        self._sequence = 0

    def claim(self, speaker: str, now: float) -> bool:
        """Take or keep the floor; False: somebody else has it."""
        if speaker != self._holder:
            if now - self._heard < FLOOR_SECONDS:
                return False
            self._holder, self._sequence = speaker, -1
        self._heard = now
        return True

    def follows(self, sequence: int) -> bool:
        """Whether this packet of the holder's is newer than all before (numbers wrap at 65536)."""
        ahead = (sequence - self._sequence) & 0xFFFF
        if self._sequence >= 0 and (ahead == 0 or ahead >= 0x8000):
            return False
        self._sequence = sequence
        return True

    def leave(self, speaker: str) -> None:
        """Let others speak at once."""
        if speaker == self._holder:
            self._holder, self._heard = "", -math.inf


class Microphone:
    """Takes packets on the event loop; a thread decodes and plays them, for as long as there are any."""

    def __init__(self, pulse_socket: Path, count: Callable[[bool], None]) -> None:
        """`count` learns of each packet whether it was in time."""
        self._socket = pulse_socket
        self._count = count
        self._floor = Floor()
        self._player: _Player | None = None
        self._held = False

    def hold(self, held: bool) -> None:
        """Have no connection to the sound server until it is called with False; what is said meanwhile is lost."""
        if held and not self._held:
            self.close()
        self._held = held

    def take(self, speaker: str, voice: Voice, now: float) -> Refusal | None:
        """Take one packet of a viewer who may speak."""
        if len(voice.data) <= SILENT_BYTES or self._held:
            return None
        if not self._floor.claim(speaker, now):
            return Refusal("not_ready", SOMEBODY_ELSE)
        if self._player is None or self._player.ended:
            self._player = _Player(self._socket)
        self._count(self._floor.follows(voice.sequence) and self._player.put(voice.data))
        return None

    def leave(self, speaker: str) -> None:
        """Forget a viewer who has gone."""
        self._floor.leave(speaker)

    def close(self) -> None:
        """End; does not wait."""
        if self._player is not None:
            self._player.close()


class _Player:
    """The thread that decodes and plays, until nobody has spoken for a while."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._packets: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="microphone", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def put(self, packet: bytes) -> bool:
        try:
            self._packets.put_nowait(packet)
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        while not self.put(b""):
            try:
                self._packets.get_nowait()
            except queue.Empty:
                continue

    def _run(self) -> None:
        try:
            process = self._start()
        except OSError as error:
            logger.warning("microphone: pacat cannot be started (Debian package pulseaudio-utils): %s", error.strerror)
            time.sleep(RETRY_SECONDS)  # this thread's end lets the next packet try again
            return
        assert process.stdin is not None
        try:
            self._play(process.stdin)
        except BrokenPipeError:
            logger.info("microphone: the sound server has gone")
            time.sleep(RETRY_SECONDS)
        finally:
            process.terminate()
            process.stdin.close()
            process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [
                "pacat", "--playback", "--raw", f"--server=unix:{self._socket}", f"--device={SINK}",
                "--client-name=StreamSpace", f"--rate={RATE}", "--channels=2", "--format=s16le",
                f"--latency-msec={BUFFER_MS}",
            ],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, bufsize=0,
            env=client_environment(self._socket),
        )  # fmt: skip
        assert process.stdin is not None
        # Else a third of a second of old sound would fit into the pipe.
        fcntl.fcntl(process.stdin, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return process

    def _play(self, out: IO[bytes]) -> None:
        decoder = OpusDecoder()
        while True:
            try:
                packet = self._packets.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                return
            if not packet:
                return
            samples = memoryview(decoder.decode(packet))
            while samples:
                samples = samples[out.write(samples) :]


class OpusDecoder:
    """Opus packets of any kind to 48 kHz stereo."""

    def __init__(self) -> None:
        import av  # heavy: only where somebody speaks
        from av.error import FFmpegError

        self._av, self._error = av, FFmpegError
        self._codec = av.CodecContext.create("libopus", "r")
        self._codec.sample_rate = RATE
        self._codec.layout = "stereo"
        self._codec.format = "s16"

    def decode(self, packet: bytes) -> bytes:
        """Return interleaved s16le; nothing for a packet that is broken."""
        try:
            frames = self._codec.decode(self._av.Packet(packet))
            return b"".join(frame.to_ndarray().tobytes() for frame in frames)
        except self._error:
            return b""
