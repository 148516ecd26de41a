"""A test pattern: once in a period the whole window flashes white and a tone begins, at the same moment.

`python -m tests.support.av_pattern [SECONDS]` is an app (an X client that plays sound). Like any player it asks the
sound server how long what it writes takes until it is heard, and flashes then.
"""

from __future__ import annotations

import ctypes
import math
import os
import struct
import sys
import threading
import time
from pathlib import Path

import xcffib
import xcffib.xproto

RATE = 48_000
CHUNK = 480
PERIOD = 1.0
"""Seconds from flash to flash, unless told."""
TONE = 0.2
"""Seconds that a tone and a flash last."""
BUFFER_MS = 30


class Window:
    """One window over the whole screen."""

    def __init__(self) -> None:
        self._x = xcffib.connect()
        screen = self._x.get_setup().roots[self._x.pref_screen]
        self._colours = {False: screen.black_pixel, True: screen.white_pixel}
        self._id = self._x.generate_id()
        self._x.core.CreateWindow(
            screen.root_depth, self._id, screen.root, 0, 0, screen.width_in_pixels, screen.height_in_pixels, 0,
            xcffib.xproto.WindowClass.InputOutput, screen.root_visual, xcffib.xproto.CW.BackPixel, [screen.black_pixel],
        )  # fmt: skip
        self._x.core.MapWindow(self._id)
        self._x.flush()

    def show(self, lit: bool) -> None:
        self._x.core.ChangeWindowAttributes(self._id, xcffib.xproto.CW.BackPixel, [self._colours[lit]])
        self._x.core.ClearArea(False, self._id, 0, 0, 0, 0)
        self._x.flush()


class _Spec(ctypes.Structure):
    _fields_ = (("format", ctypes.c_int), ("rate", ctypes.c_uint32), ("channels", ctypes.c_uint8))


class _Buffer(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("maxlength", "tlength", "prebuf", "minreq", "fragsize"))


class Player:
    """PulseAudio's simple API: s16le, mono."""

    def __init__(self) -> None:
        self._pulse = ctypes.CDLL("libpulse-simple.so.0")
        self._pulse.pa_simple_new.restype = ctypes.c_void_p
        self._pulse.pa_simple_get_latency.restype = ctypes.c_uint64
        error, unset = ctypes.c_int(), 0xFFFF_FFFF
        self._stream = ctypes.c_void_p(
            self._pulse.pa_simple_new(
                None, b"pattern", 1, None, b"pattern", ctypes.byref(_Spec(3, RATE, 1)), None,
                ctypes.byref(_Buffer(unset, RATE * 2 * BUFFER_MS // 1000, unset, unset, unset)), ctypes.byref(error),
            )
        )  # fmt: skip
        if not self._stream:
            raise OSError(f"the sound server refused: error {error.value}")

    def write(self, samples: bytes) -> None:
        if self._pulse.pa_simple_write(self._stream, samples, ctypes.c_size_t(len(samples)), None) < 0:
            raise OSError("the sound server has gone")

    def delay(self) -> float:
        """Seconds until what is written now is heard."""
        return float(self._pulse.pa_simple_get_latency(self._stream, None)) / 1e6


def tone(start: int) -> bytes:
    """10 ms of 1 kHz, from sample number `start` on."""
    return struct.pack(
        f"<{CHUNK}h", *(round(20_000 * math.sin(2 * math.pi * 1000 * n / RATE)) for n in range(start, start + CHUNK))
    )


def main(period: float = PERIOD) -> None:
    # The session starts it again with a new sound server where it has to; a test reads when it has begun.
    Path(os.environ.get("HOME", "/tmp"), "pattern.pid").write_text(str(os.getpid()))
    window, player = Window(), Player()
    silence, beep = bytes(2 * CHUNK), [tone(n * CHUNK) for n in range(int(TONE * RATE) // CHUNK)]
    per_period = int(period * RATE) // CHUNK
    number = 0
    while True:
        at = number % per_period
        if at == 0:
            heard = player.delay()
            threading.Timer(heard, window.show, (True,)).start()
            threading.Timer(heard + TONE, window.show, (False,)).start()
        player.write(beep[at] if at < len(beep) else silence)
        number += 1


if __name__ == "__main__":
    time.sleep(0.5)  # the sound server of a session that has just started
    main(*map(float, sys.argv[1:]))
