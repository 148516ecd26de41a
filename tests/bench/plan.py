"""What `make bench` runs, in which order, and about how long each step takes on two cores. Starts nothing.

Of streaming, what the tables in the docs show: `python -m tests.bench.streaming` takes any other cut of it. A step is
one variant, so that one that fails takes nothing else with it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.bench.report import Figure
from tests.bench.streaming.content import KINDS
from tests.bench.streaming.options import Options
from tests.bench.streaming.variant import Size, Variant, chosen

ALONE = {
    "click": 4.0, "hub_cost": 2.5, "install_size": 1.5, "ladder": 0.5, "parts": 3.0, "service": 1.5, "skew": 3.0,
    "sleep": 5.0, "wake": 6.0, "wall": 2.0,
}  # fmt: skip
"""Minutes of each figure that no other program is measured for."""
LONG = {"codecs": 4.0, "soak": 62.0}
"""Run only when they are named."""
CLICKS, SECONDS = 60, 5.0
QUICK_CLICKS, QUICK_SECONDS = 15, 3.0

OURS = ("streamspace-websocket", "streamspace-webrtc")
THROUGH_HUB = (
    "streamspace-hub-websocket", "streamspace-hub-webrtc", "selkies-hub-websocket", "novnc-hub",
    "jupyter-remote-desktop-hub",
)  # fmt: skip
SELKIES = ("selkies-websocket", "selkies-webrtc")
HD, FULL_HD = "1280x720", "1920x1080"


@dataclass(frozen=True)
class Cut:
    """What of a streaming figure is measured, and the seconds that one variant of it takes."""

    figure: str
    variants: Sequence[str]
    seconds: float
    content: Sequence[str] = KINDS
    sizes: Sequence[str] = (HD,)


STREAMING = (
    Cut("latency", (*OURS, *SELKIES, "novnc"), 190, sizes=(HD, FULL_HD)),
    Cut("latency", ("streamspace-rfb",), 90),
    Cut("latency", ("jupyter-remote-desktop",), 100, sizes=(FULL_HD,)),
    # The least and the most that goes through a hub. Selkies' WebRTC goes past it.
    Cut("latency", THROUGH_HUB, 85, ("static", "motion"), (FULL_HD,)),
    Cut("links", (*OURS, *SELKIES, "novnc"), 135, ("motion",)),
    Cut("wire", (*OURS, *SELKIES, "novnc"), 40),
    Cut("first_picture", (OURS[0], SELKIES[0], "novnc"), 60),
    Cut("viewers", (OURS[0], SELKIES[0], "novnc"), 60, ("terminal", "motion")),
    Cut("drop", (*OURS, SELKIES[0], "novnc"), 150),
    Cut("transitions", (OURS[0],), 300),
    Cut("memory", (*OURS, SELKIES[0], "novnc"), 30, sizes=(FULL_HD,)),
)
NAMES = (*ALONE, "streaming", *LONG, *dict.fromkeys(f"streaming.{cut.figure}" for cut in STREAMING))


@dataclass(frozen=True)
class Step:
    """One thing to measure."""

    title: str
    seconds: float
    module: str
    options: Options | None = None

    def measure(self) -> Iterator[Figure]:
        """Measure it."""
        module: Any = importlib.import_module(f"tests.bench.{self.module}")
        yield from module.measure() if self.options is None else module.measure(self.options)

    @property
    def variants(self) -> Sequence[Variant]:
        """What has to be installed before."""
        return () if self.options is None else self.options.variants


def steps(names: Iterable[str]) -> list[Step]:
    """The steps of `names`, each one of `NAMES`; QUICK=1 in the environment makes those of streaming short."""
    quick = os.environ.get("QUICK", "") not in ("", "0")
    found = []
    for name in names:
        if name in ALONE or name in LONG:
            found.append(Step(name, 60 * (ALONE | LONG)[name], name))
        else:
            cuts = (cut for cut in STREAMING if name in ("streaming", f"streaming.{cut.figure}"))
            found += [step for cut in cuts for step in _of(cut, quick)]
    return found


def _of(cut: Cut, quick: bool) -> Iterator[Step]:
    options = Options((), cut.content, [Size.parse(size) for size in cut.sizes], CLICKS, SECONDS)
    share = 1.0
    if quick:
        share = 0.4
        options = replace(options, sizes=options.sizes[:1], clicks=QUICK_CLICKS, seconds=QUICK_SECONDS)
    for variant in chosen(",".join(cut.variants)):
        title = f"streaming.{cut.figure} {variant.name}"
        yield Step(title, share * cut.seconds, f"streaming.{cut.figure}", replace(options, variants=[variant]))
