"""How good a picture is sent: bitrate, frame rate and resolution out of what was measured. Pure: time is an argument.

The bitrate is given: the narrowest line's. When the picture that fits into it becomes too coarse, something has to
give way, and the preset says what:

- `sharp` (text): the frame rate falls first, to 30; then resolution, and the rest of the frame rate last;
- `smooth` (motion): resolution falls first, the frame rate stays;
- `low_data`: like `smooth`, with 30 frames per second and 1.5 Mbit/s at most.

Coarse is what the encoder's quantiser says. It rises by six when a frame may have half of the bits, so what another
frame rate or size would need is known before it is tried; a step up is only made when it would not be undone. A
picture at rest always gets back its full size: it costs no bits then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from streamspace_proxy.streamer.capture import Quality
from streamspace_proxy.streamer.frames import EncodedFrame

RATES: Final = (60, 40, 30, 25, 20, 15, 10)
SHARP_FPS: Final = 30
"""`sharp` gives up no more frames than that while there is resolution to give up."""
MOTION_FPS: Final = 25
"""Below it motion is none any more: only for pictures that nobody could make out otherwise."""
PATIENCE: Final = 8.0
"""Quantiser steps by which they may be coarser before that."""
SCALES: Final = (1.0, 0.75, 0.5)
SCALE_GAIN: Final = 2.5
"""Powers of the scale by which a picture takes fewer bits: measured 3 for what a camera sees, less for text."""
LOW_DATA_BITRATE: Final = 1_500_000
LOW_DATA_FPS: Final = 30
DOWN_SECONDS: Final = 0.5
UP_SECONDS: Final = 3.0
MARGIN: Final = 2.0
"""Quantiser steps by which the better quality must be within bounds before it is tried."""
SMOOTHING: Final = 0.2


class Preset(StrEnum):
    """What gives way when the line is narrow."""

    SHARP = "sharp"
    SMOOTH = "smooth"
    LOW_DATA = "low_data"


@dataclass(frozen=True, slots=True)
class _Rules:
    coarsest: float
    """Quantiser beyond which something gives way."""
    fps: int
    least_fps: int
    bitrate: int
    rate_first: bool


_RULES: Final = {
    Preset.SHARP: _Rules(coarsest=46, fps=120, least_fps=10, bitrate=1 << 40, rate_first=True),
    Preset.SMOOTH: _Rules(coarsest=44, fps=120, least_fps=24, bitrate=1 << 40, rate_first=False),
    Preset.LOW_DATA: _Rules(coarsest=44, fps=LOW_DATA_FPS, least_fps=15, bitrate=LOW_DATA_BITRATE, rate_first=False),
}


@dataclass(frozen=True, slots=True)
class Step:
    """A frame rate and a scale."""

    fps: int
    scale: float

    @property
    def patience(self) -> float:
        """Quantiser steps beyond the coarsest that are borne before this is tried."""
        return PATIENCE if self.fps < MOTION_FPS else 0.0

    def gain(self, other: Step) -> float:
        """Quantiser steps by which `other` is finer than this at the same bitrate."""
        # Half the rate leaves twice the bits.
        return 6 * math.log2(self.fps / other.fps) + 6 * SCALE_GAIN * math.log2(self.scale / other.scale)


def ladder(preset: Preset, max_fps: int) -> list[Step]:
    """Return what may be sent, the best first; each is cheaper than the one before it."""
    rules = _RULES[preset]
    most = min(max_fps, rules.fps)
    rates = [most, *(rate for rate in RATES if rules.least_fps <= rate < most)]
    before = sum(fps >= SHARP_FPS for fps in rates[1:]) + 1 if rules.rate_first else 1
    return [
        *(Step(fps, 1.0) for fps in rates[:before]),
        *(Step(rates[before - 1], scale) for scale in SCALES[1:]),
        *(Step(fps, SCALES[-1]) for fps in rates[before:]),
    ]


def decide(steps: list[Step], now_at: int, quantiser: float, coarsest: float) -> int:
    """Return the index of the step to go to from `now_at`: one down, or up to the best that would not be undone."""
    if now_at + 1 < len(steps) and quantiser > coarsest + steps[now_at + 1].patience:
        return now_at + 1
    for index, better in enumerate(steps[:now_at]):
        if quantiser + better.gain(steps[now_at]) < coarsest + steps[index + 1].patience - MARGIN:
            return index
    return now_at


class QualityControl:
    """The quality of one stream over time. Times are seconds of one clock."""

    def __init__(self, preset: Preset, max_fps: int, max_bitrate: int) -> None:
        self.bitrate = max_bitrate
        """What the narrowest line carries."""
        self.most = Quality(max_bitrate, max_fps)
        self._preset = preset
        self._steps = ladder(preset, max_fps)
        self._at = 0
        self._quantiser: float | None = None
        self._since: float | None = None
        """Since when `decide` has wanted the same move."""
        self._move = 0
        self.quality = self._current()

    def set_preset(self, preset: Preset) -> None:
        """Change what gives way; begins from the best again."""
        self._preset = preset
        self._steps = ladder(preset, self.most.fps)
        self._restart()

    def note(self, frame: EncodedFrame) -> None:
        """Learn what the encoder made of a picture."""
        if frame.refined:
            # It rests: free of cost at full size, and motion to come is measured anew.
            self._quantiser, self._move = None, 0
            if self._steps[self._at].scale < 1:
                self._at = 0
        elif frame.quantiser:
            previous = frame.quantiser if self._quantiser is None else self._quantiser
            self._quantiser = previous + SMOOTHING * (frame.quantiser - previous)

    def update(self, now: float) -> bool:
        """Decide; returns whether `quality` is another one now."""
        wanted = self._at
        if self._quantiser is not None:
            wanted = decide(self._steps, self._at, self._quantiser, _RULES[self._preset].coarsest)
        move = wanted - self._at
        if move != self._move:
            self._move, self._since = move, now
        if move and self._since is not None and now - self._since >= (DOWN_SECONDS if move > 0 else UP_SECONDS):
            assert self._quantiser is not None
            self._quantiser -= self._steps[self._at].gain(self._steps[wanted])
            self._at, self._move = wanted, 0
        before, self.quality = self.quality, self._current()
        return before != self.quality

    def _restart(self) -> None:
        self._at, self._quantiser, self._move = 0, None, 0

    def _current(self) -> Quality:
        step = self._steps[self._at]
        return Quality(min(self.bitrate, _RULES[self._preset].bitrate), step.fps, step.scale)
