"""Samples from a source of the sound server, for one thread that waits for them.

Through libpulse itself, since its tools cannot ask for what matters here: a recorder that does not keep an idle sink
awake (PA_STREAM_DONT_INHIBIT_AUTO_SUSPEND, pulse/def.h). While nothing plays, nobody makes, sends and reads silence.
"""

from __future__ import annotations

import ctypes
import os
import threading
from functools import cache
from pathlib import Path
from typing import Any, Final

LIBRARY: Final = "libpulse.so.0"
NO_AUTOSPAWN: Final = 0x0001
ADJUST_LATENCY, DONT_INHIBIT_AUTO_SUSPEND = 0x2000, 0x8000
S16LE: Final = 3
COOKIE: Final = bytes(256)
"""The server checks the uid and wants none; without a file of its own the library makes one in the user's home."""
CONTEXT_READY, STREAM_READY = 4, 2
"""States before them are on the way there, states after them are ends."""
DEFAULT: Final = 0xFFFF_FFFF

_Pointer = ctypes.c_void_p


class _SampleSpec(ctypes.Structure):
    _fields_ = (("format", ctypes.c_int), ("rate", ctypes.c_uint32), ("channels", ctypes.c_uint8))


class _BufferAttr(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("maxlength", "tlength", "prebuf", "minreq", "fragsize"))


_FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "mainloop_new": (_Pointer, ()),
    "mainloop_get_api": (_Pointer, (_Pointer,)),
    "mainloop_iterate": (ctypes.c_int, (_Pointer, ctypes.c_int, _Pointer)),
    "mainloop_wakeup": (None, (_Pointer,)),
    "mainloop_free": (None, (_Pointer,)),
    "context_new": (_Pointer, (_Pointer, ctypes.c_char_p)),
    "context_load_cookie_from_file": (ctypes.c_int, (_Pointer, ctypes.c_char_p)),
    "context_connect": (ctypes.c_int, (_Pointer, ctypes.c_char_p, ctypes.c_int, _Pointer)),
    "context_get_state": (ctypes.c_int, (_Pointer,)),
    "context_disconnect": (None, (_Pointer,)),
    "context_unref": (None, (_Pointer,)),
    "stream_new": (_Pointer, (_Pointer, ctypes.c_char_p, _Pointer, _Pointer)),
    "stream_connect_record": (ctypes.c_int, (_Pointer, ctypes.c_char_p, _Pointer, ctypes.c_int)),
    "stream_get_state": (ctypes.c_int, (_Pointer,)),
    "stream_readable_size": (ctypes.c_size_t, (_Pointer,)),
    "stream_peek": (ctypes.c_int, (_Pointer, ctypes.POINTER(_Pointer), ctypes.POINTER(ctypes.c_size_t))),
    "stream_drop": (ctypes.c_int, (_Pointer,)),
    "stream_unref": (None, (_Pointer,)),
}


class _Library:
    """The functions that are used. Raises OSError where libpulse is not installed."""

    def __init__(self) -> None:
        # Else it looks for the user's settings, and makes their folder. It takes no other word than the environment's.
        os.environ["PULSE_CLIENTCONFIG"] = os.devnull
        library = ctypes.CDLL(LIBRARY)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, f"pa_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


@cache
def _library() -> _Library:
    return _Library()


class Recorder:
    """Interleaved s16le samples of two channels at `rate` Hz, as they come. Raises OSError without libpulse."""

    def __init__(self, socket: Path, source: str, rate: int, fragment: int) -> None:
        self._pulse = _library()
        self._server, self._source = f"unix:{socket}".encode(), source.encode()
        self._spec = _SampleSpec(S16LE, rate, 2)
        self._attr = _BufferAttr(DEFAULT, DEFAULT, DEFAULT, DEFAULT, fragment)
        self._closing = False
        self._samples = bytearray()
        self._lock = threading.Lock()
        self._loop: Any = self._pulse.mainloop_new()
        self._context: Any = self._pulse.context_new(self._pulse.mainloop_get_api(self._loop), b"StreamSpace")
        self._stream: Any = None

    def open(self) -> bool:
        """Connect; returns whether the sound server takes us."""
        return self._connect() and self._record()

    def _connect(self) -> bool:
        cookie = os.memfd_create("cookie")
        try:
            os.write(cookie, COOKIE)
            self._pulse.context_load_cookie_from_file(self._context, f"/proc/self/fd/{cookie}".encode())
            if self._pulse.context_connect(self._context, self._server, NO_AUTOSPAWN, None) < 0:
                return False
            return self._until(lambda: self._pulse.context_get_state(self._context), CONTEXT_READY)
        finally:
            os.close(cookie)

    def _record(self) -> bool:
        self._stream = self._pulse.stream_new(self._context, b"StreamSpace", ctypes.byref(self._spec), None)
        flags = ADJUST_LATENCY | DONT_INHIBIT_AUTO_SUSPEND
        if self._pulse.stream_connect_record(self._stream, self._source, ctypes.byref(self._attr), flags) < 0:
            return False
        return self._until(lambda: self._pulse.stream_get_state(self._stream), STREAM_READY)

    def read(self, count: int) -> bytes:
        """Wait for so many bytes; returns fewer, none as a rule, when the sound server has ended or we are closing."""
        while len(self._samples) < count:
            self._take()
            if len(self._samples) < count and not self._turn(STREAM_READY):
                break
        taken = bytes(self._samples[:count])
        del self._samples[:count]
        return taken

    def pending(self) -> int:
        """Return how many bytes have come and were not read yet."""
        readable: int = self._pulse.stream_readable_size(self._stream)
        return len(self._samples) + (readable if readable < DEFAULT else 0)

    def wake(self) -> None:
        """End what waits, for good. For other threads; all else is for the thread that records."""
        with self._lock:
            self._closing = True
            if self._loop:
                self._pulse.mainloop_wakeup(self._loop)

    def free(self) -> None:
        """Disconnect."""
        with self._lock:
            loop, self._loop = self._loop, None
        if self._stream:
            self._pulse.stream_unref(self._stream)
        self._pulse.context_disconnect(self._context)
        self._pulse.context_unref(self._context)
        self._pulse.mainloop_free(loop)

    def _until(self, state: Any, wanted: int) -> bool:
        while state() < wanted:
            if not self._iterate():
                return False
        return bool(state() == wanted)

    def _turn(self, wanted: int) -> bool:
        return self._iterate() and self._pulse.stream_get_state(self._stream) == wanted

    def _iterate(self) -> bool:
        """Wait until something happens; returns whether to go on."""
        return not self._closing and self._pulse.mainloop_iterate(self._loop, 1, None) >= 0 and not self._closing

    def _take(self) -> None:
        data, size = _Pointer(), ctypes.c_size_t()
        while self._pulse.stream_peek(self._stream, ctypes.byref(data), ctypes.byref(size)) == 0 and size.value:
            # Without data it is a hole in the sound.
            self._samples += ctypes.string_at(data.value, size.value) if data.value else bytes(size.value)
            self._pulse.stream_drop(self._stream)
