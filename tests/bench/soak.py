"""Does the streamer's memory grow? Full motion at 1080p60 for MINUTES (default 30) on each of TRANSPORTS.

TRANSPORTS is `websocket` or `webrtc`, or both with a comma between (default).
Memory is read every INTERVAL seconds; the whole course goes to build/soak.jsonl, the growth to the bench's table.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from tests.bench.processes import pss_mb
from tests.bench.report import Figure
from tests.bench.streaming.ours import VARIANTS
from tests.bench.streaming.variant import Size, Target, Variant
from tests.bench.streaming.watching import Watcher, watcher
from tests.support.chromium import chromium

TRANSPORTS = ("websocket", "webrtc")
MINUTES = float(os.environ.get("MINUTES", "30"))
SIZE = Size(1920, 1080)
INTERVAL = 10.0
WARM_UP = 30.0
"""Seconds until everything has been loaded and every buffer has had its largest content."""
COURSE = Path(__file__).parents[2] / "build" / "soak.jsonl"


@dataclass(frozen=True)
class Reading:
    """Memory of the session's parts at one moment."""

    seconds: float
    streamer_rss: float
    streamer_pss: float
    server_pss: float
    """Of the whole server side, the X server included."""
    fps: float
    """As the page counts."""


def measure() -> Iterator[Figure]:
    """Growth from the first quarter's median to the last quarter's, and the frames that came all the while."""
    variants = chosen(os.environ.get("TRANSPORTS", ",".join(TRANSPORTS)))
    with chromium() as browser:
        for variant in variants:
            with variant.start(SIZE) as target, watcher(browser, target, SIZE, "motion") as watching:
                readings = list(course(target, watching, variant, 60 * MINUTES))
            yield from figures(variant, readings)


def chosen(transports: str) -> list[Variant]:
    """The variants of `transports`, names with commas between."""
    wanted = transports.split(",")
    if unknown := sorted(set(wanted) - set(TRANSPORTS)):
        raise SystemExit(f"TRANSPORTS: {', '.join(unknown)} cannot be soaked; choose from {', '.join(TRANSPORTS)}")
    return [variant for variant in VARIANTS if variant.name.removeprefix("streamspace-") in wanted]


def course(target: Target, watching: Watcher, variant: Variant, seconds: float) -> Iterator[Reading]:
    """Read again and again, and write each reading down."""
    watching.page.wait_for_timeout(WARM_UP * 1000)
    started = time.monotonic()
    COURSE.parent.mkdir(parents=True, exist_ok=True)
    with COURSE.open("a") as file:
        while (elapsed := time.monotonic() - started) < seconds:
            watching.page.wait_for_timeout(INTERVAL * 1000)
            parts = target.parts()
            fps = float(watching.page.evaluate("() => window.streamspace.stats().fps"))
            streamer = parts["streamer"]
            total = sum(pss_mb(processes) for processes in parts.values())
            reading = Reading(round(elapsed), rss_mb(streamer), pss_mb(streamer), total, fps)
            file.write(json.dumps({"variant": variant.name, **asdict(reading)}) + "\n")
            file.flush()
            yield reading


def rss_mb(processes: list[psutil.Process]) -> float:
    """Resident set size in MB."""
    return float(sum(process.memory_info().rss for process in processes)) / 1e6


def figures(variant: Variant, readings: list[Reading]) -> Iterator[Figure]:
    quarter = max(1, len(readings) // 4)
    conditions = {"size": str(SIZE), "content": "motion", "minutes": round(MINUTES, 1), "readings": len(readings)}
    for name, values in (
        ("streamer PSS", [reading.streamer_pss for reading in readings]),
        ("streamer RSS", [reading.streamer_rss for reading in readings]),
        ("server side PSS", [reading.server_pss for reading in readings]),
    ):
        first, last = statistics.median(values[:quarter]), statistics.median(values[-quarter:])
        detail = conditions | {"from": round(first, 1), "to": round(last, 1), "most": round(max(values), 1)}
        yield Figure(f"growth of {name}", variant.name, "MB", last - first, conditions=detail)
    yield Figure("frames shown", variant.name, "fps", None, [reading.fps for reading in readings], conditions)
