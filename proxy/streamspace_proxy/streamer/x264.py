"""libx264 itself, by ctypes: what FFmpeg's wrapper of it cannot do for a live desktop.

Two things. A quantiser for each picture: with `rate_control` deciding, x264 is run at a constant quantiser, where it
needs no look at the picture in advance (FFmpeg's way spends a third of the time there). And which macroblocks did not
change, so that they are not searched. Together 1080p takes half of the processor time.

It is the library that PyAV brings, or Debian's. Its parameters are set by name through its own parser; the four fields
that have no name are found by what the parser changes beside them, and whatever is not as expected is refused, upon
which the caller takes PyAV. Structures as in x264.h, which have been the same since build 155. For one thread.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import logging
from functools import cache
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

logger = logging.getLogger(__name__)
PARAM_BYTES: Final = 8192
"""More than x264_param_t has (about 1 KB)."""
CSP_I420: Final = 2
TYPE_AUTO, TYPE_IDR = 0, 1
UNCHANGED: Final = 1
"""X264_MBINFO_CONSTANT."""
BUILDS: Final = range(170, 154, -1)

UP_TO_AVX2: Final = "MMX2,SSE2Fast,SSSE3,SSE4.2,AVX,FMA3,BMI2,AVX2"
"""x264's names of instruction sets, each of which stands for those before it too."""

Flags = np.ndarray[Any, np.dtype[np.uint8]]
_Int = ctypes.c_int
_Pointer = ctypes.c_void_p


@cache
def quick_instructions() -> dict[str, object]:
    """Return the options that keep x264 from AVX-512, where the processor has it.

    Its few functions for that make pictures of a desktop a third slower: 6.3 against 4.3 ms for 1080p motion.
    """
    flags = Path("/proc/cpuinfo").read_text().partition("\nflags")[2].partition("\n")[0].split()
    return {"asm": UP_TO_AVX2} if {"avx2", "fma", "bmi2", "avx512f"} <= set(flags) else {}


class X264Error(Exception):
    """libx264 is not here, or not as it is known; the text says what is wrong."""


class _Image(ctypes.Structure):
    _fields_ = (("csp", _Int), ("planes", _Int), ("stride", _Int * 4), ("plane", _Pointer * 4))


class _Properties(ctypes.Structure):
    _fields_ = (
        ("quant_offsets", _Pointer), ("quant_offsets_free", _Pointer),
        ("mb_info", _Pointer), ("mb_info_free", _Pointer),
        ("figures", ctypes.c_double * 6),
    )  # fmt: skip


class _Picture(ctypes.Structure):
    _fields_ = (
        ("type", _Int), ("qpplus1", _Int), ("pic_struct", _Int), ("keyframe", _Int),
        ("pts", ctypes.c_int64), ("dts", ctypes.c_int64), ("param", _Pointer),
        ("img", _Image), ("prop", _Properties),
        ("hrd_timing", ctypes.c_double * 4), ("sei", _Pointer * 3), ("opaque", _Pointer),
        ("spare", ctypes.c_uint8 * 256),
    )  # fmt: skip


class _Nal(ctypes.Structure):
    _fields_ = (
        ("ref_idc", _Int), ("type", _Int), ("long_startcode", _Int), ("first_mb", _Int), ("last_mb", _Int),
        ("size", _Int), ("payload", _Pointer), ("padding", _Int),
    )  # fmt: skip


class _Library:
    """The functions that are used, of whichever build there is."""

    def __init__(self) -> None:
        bundled = sorted((Path(av.__file__).parent.parent / "av.libs").glob("libx264*.so*"))
        name = str(bundled[0]) if bundled else ctypes.util.find_library("x264")
        if name is None:
            raise X264Error("libx264 is not installed")
        try:
            library = ctypes.CDLL(name)
        except OSError as error:
            raise X264Error(str(error)) from error
        opens = (getattr(library, f"x264_encoder_open_{build}", None) for build in BUILDS)
        self.open: Any = next((function for function in opens if function is not None), None)
        if self.open is None:
            raise X264Error(f"{name} is of an unknown build")
        self.open.argtypes, self.open.restype = (_Pointer,), _Pointer
        self.preset: Any = library.x264_param_default_preset
        self.preset.argtypes = (_Pointer, ctypes.c_char_p, ctypes.c_char_p)
        self.parse: Any = library.x264_param_parse
        self.parse.argtypes = (_Pointer, ctypes.c_char_p, ctypes.c_char_p)
        self.profile: Any = library.x264_param_apply_profile
        self.profile.argtypes = (_Pointer, ctypes.c_char_p)
        self.init: Any = library.x264_picture_init
        self.init.argtypes, self.init.restype = (_Pointer,), None
        self.encode: Any = library.x264_encoder_encode
        self.encode.argtypes = (
            _Pointer, ctypes.POINTER(ctypes.POINTER(_Nal)), ctypes.POINTER(_Int),
            ctypes.POINTER(_Picture), ctypes.POINTER(_Picture),
        )  # fmt: skip
        self.close: Any = library.x264_encoder_close
        self.close.argtypes, self.close.restype = (_Pointer,), None


@cache
def _library() -> _Library:
    return _Library()


class _Params:
    """x264_param_t, of which only a few fields are known."""

    def __init__(self, library: _Library) -> None:
        self._library = library
        self.buffer = ctypes.create_string_buffer(PARAM_BYTES)
        if library.preset(self.buffer, b"ultrafast", b"zerolatency") < 0:
            raise X264Error("libx264 has no preset ultrafast")
        self.numbers = np.frombuffer(memoryview(self.buffer).cast("B"), np.int32)

    def set(self, name: str, value: object) -> None:
        """Set a parameter by the name that x264's command line has for it."""
        if self._library.parse(self.buffer, name.encode(), str(value).encode()) != 0:
            raise X264Error(f"libx264 does not take {name}={value}")

    def find(self, name: str, *values: int) -> int:
        """Return the place of a field by what setting it to `values` changes; they are all in one place."""
        places: set[int] = set()
        for value in values:
            before = self.numbers.copy()
            self.set(name, value)
            changed = np.flatnonzero(self.numbers != before)
            if len(changed) != 1 or self.numbers[changed[0]] != value:
                raise X264Error(f"libx264 keeps {name} in an unknown way")
            places.add(int(changed[0]))
        if len(places) != 1:
            raise X264Error(f"libx264 keeps {name} in an unknown way")
        return places.pop()

    def set_size(self, width: int, height: int) -> None:
        """Set the picture's size: i_width, i_height, i_csp, i_bitdepth, i_level_idc lie side by side."""
        level = self.find("level", 31, 30)
        if list(self.numbers[level - 4 : level]) != [0, 0, CSP_I420, 8]:
            raise X264Error("libx264 keeps the picture's size in an unknown place")
        self.numbers[level - 4 : level - 2] = width, height

    def use_flags(self) -> None:
        """Have macroblocks' flags taken: b_psy, b_mb_info, b_mb_info_update, i_luma_deadzone[2] lie side by side."""
        deadzone = self.find("deadzone-inter", 20, 21)
        if list(self.numbers[deadzone - 2 : deadzone]) != [0, 0] or self.find("psy", 0, 1) != deadzone - 3:
            raise X264Error("libx264 keeps the use of macroblock flags in an unknown place")
        self.numbers[deadzone - 2] = 1


class X264:
    """One open encoder for pictures of width x height, both even. Raises `X264Error`."""

    def __init__(self, width: int, height: int, options: dict[str, object]) -> None:
        self._library = _library()
        params = _Params(self._library)
        params.set_size(width, height)
        params.use_flags()
        for name, value in options.items():
            params.set(name, value)
        if self._library.profile(params.buffer, b"baseline") < 0:
            raise X264Error("libx264 has no baseline profile")
        self._encoder = self._library.open(params.buffer)
        if not self._encoder:
            raise X264Error(f"libx264 does not encode {width} x {height} pixels")
        # The macroblocks row by row.
        self.unchanged: Flags = np.zeros((-(-height // 16), -(-width // 16)), np.uint8)
        """`UNCHANGED` where the next picture is like the last one, else 0."""
        self._in, self._out = _Picture(), _Picture()
        self._library.init(ctypes.byref(self._in))
        self._in.img.csp, self._in.img.planes = CSP_I420, 3
        self._nals, self._count = ctypes.POINTER(_Nal)(), _Int()
        self._pts = 0

    def encode(self, planes: tuple[Any, ...], quantiser: int, keyframe: bool) -> tuple[bytes, bool]:
        """Encode y, u and v at this quantiser; returns the access unit, and whether it is a keyframe."""
        picture = self._in
        for index, plane in enumerate(planes):
            picture.img.plane[index], picture.img.stride[index] = plane.ctypes.data, plane.strides[0]
        picture.prop.mb_info = self.unchanged.ctypes.data
        picture.type = TYPE_IDR if keyframe else TYPE_AUTO
        picture.qpplus1 = quantiser + 1
        picture.pts = self._pts
        self._pts += 1
        size = self._library.encode(
            self._encoder, ctypes.byref(self._nals), ctypes.byref(self._count),
            ctypes.byref(picture), ctypes.byref(self._out),
        )  # fmt: skip
        if size <= 0:
            raise X264Error(f"libx264 failed to encode a picture ({size})")
        # x264.h: the payloads of all NAL units of a picture lie one behind the other.
        return ctypes.string_at(self._nals[0].payload, size), bool(self._out.keyframe)

    def close(self) -> None:
        """Free it."""
        if self._encoder:
            self._library.close(self._encoder)
            self._encoder = None
