"""Click to photon, delivered frames and the processor time they cost, for each variant, content and size."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

from tests.bench.processes import cpu_seconds
from tests.bench.report import Figure
from tests.bench.streaming.options import Options
from tests.bench.streaming.quiet import Disturbance, quiet
from tests.bench.streaming.variant import Target, Variant
from tests.bench.streaming.watching import Watcher, watcher
from tests.support.chromium import chromium

PAUSE = {"static": (0.25, 0.55), "terminal": (0.1, 0.3), "motion": (0.1, 0.3)}


def measure(options: Options) -> Iterator[Figure]:
    """Each variant in turn, one session for each size."""
    with chromium() as browser:
        for size in options.sizes:
            for variant in options.variants:
                with variant.start(size) as target:
                    for kind in options.content:
                        with watcher(browser, target, size, kind) as watching, quiet():
                            yield from _cell(variant, target, watching, kind, options)


def _cell(variant: Variant, target: Target, watching: Watcher, kind: str, options: Options) -> Iterator[Figure]:
    conditions = {"content": kind, "size": str(watching.size), **target.facts}
    disturbance = Disturbance(target)
    yield cpu(variant, target, options.seconds, conditions)
    if kind == "motion":
        yield from delivered(variant, watching, options.seconds, conditions)
    samples = watching.clicks(options.clicks, PAUSE[kind])
    conditions["elsewhere"] = str(disturbance)
    yield Figure("click to photon", variant.name, "ms", samples=samples, conditions=conditions)


def delivered(variant: Variant, watching: Watcher, seconds: float, conditions: dict[str, Any]) -> Iterator[Figure]:
    """How many different pictures the page had, and the longest time without a new one."""
    times = watching.frames(seconds)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    yield Figure("delivered frames", variant.name, "fps", value=len(gaps) / seconds, conditions=conditions)
    freeze = max(gaps, default=1000 * seconds)
    yield Figure("longest freeze", variant.name, "ms", value=freeze, conditions=conditions)


def cpu(variant: Variant, target: Target, seconds: float, conditions: dict[str, Any]) -> Figure:
    """Processor time of the whole server side while it is left alone, and what of it is whose."""
    shares = cpu_shares(target, seconds)
    detail = " + ".join(f"{part} {share:.1f}" for part, share in sorted(shares.items()) if share >= 0.05)
    return Figure(
        "server side CPU", variant.name, "% of a core",
        value=sum(shares.values()), conditions=conditions | {"parts": detail or "none"},
    )  # fmt: skip


def cpu_shares(target: Target, seconds: float) -> dict[str, float]:
    """Processor time by part, in % of a core."""
    parts = target.parts()
    before = {part: cpu_seconds(processes) for part, processes in parts.items()}
    begun = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - begun
    return {part: (cpu_seconds(processes) - before[part]) / elapsed * 100 for part, processes in parts.items()}
