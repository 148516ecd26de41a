"""Sleep of one desktop: freezing, thawing, keeping memory and bringing it back, and what an image weighs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from streamspace_hub.catalog import is_installed, load_catalog
from streamspace_hub.model.app import MemorySleep
from tests.bench.processes import cpu_seconds
from tests.bench.report import Figure
from tests.session.test_sleep_session import viewer
from tests.support.running import Running, run_desktop, run_session
from tests.support.sleeping import USER, YES, settled, why_not
from tests.support.streamer import picture
from tests.support.watched_desktop import WATCHED, watched

TIMES = 5
TIMED = ("terminal", "gimp")
"""Apps whose times are taken; of the others only what they weigh."""
PICTURE = (4000, 3000)
WATCH = 10.0
"""Seconds for which a frozen session is watched."""
THAWS = 20
BUSY = ("xterm", "-e", "sh", "-c", "while :; do date +%N; sleep 0.005; done")


def measure() -> Iterator[Figure]:
    """One app after the other, each put to sleep and woken some times."""
    yield from asyncio.run(_frozen())
    if (reason := why_not()) is not None:
        print(f"sleep with memory: {reason}")
        return
    catalog = load_catalog()
    for name in TIMED:
        yield from asyncio.run(_app(name, TIMES))
    for name in catalog.apps:
        template = catalog.get(name).template
        if name not in TIMED and template.sleep.memory is MemorySleep.YES and is_installed(template):
            yield from (one for one in asyncio.run(_app(name, 1)) if one.unit == "MB")


async def _frozen() -> list[Figure]:
    """What a frozen session takes, and how soon a viewer sees it go on."""
    samples = []
    async with run_session(*BUSY, sleep=YES) as running:
        await running.running()
        async with viewer(running) as page:
            await page.until(lambda: len(page.frames) > 10, "pictures")
            for _ in range(THAWS):
                await _until_still(running, page)
                frames, began = len(page.frames), time.monotonic()
                await page.send("key", keysym=ord("x"), down=True)
                await page.until(lambda count=frames: len(page.frames) > count, "the next picture")
                samples.append(1000 * (page.frames[frames].at - began))
                await page.send("key", keysym=ord("x"), down=False)
            await _until_still(running, page)
        tree = [psutil.Process(pid) for pid in running.processes()]
        stopped = [process for process in tree if process.status() == psutil.STATUS_STOPPED]
        before = cpu_seconds(stopped), cpu_seconds(tree)
        await asyncio.sleep(WATCH)
        shares = [
            100 * (cpu_seconds(part) - spent) / WATCH for part, spent in zip((stopped, tree), before, strict=True)
        ]
    parts = ("desktop", "all of the session")
    return [
        Figure("input into a frozen session until the next frame", "streamspace", "ms", samples=samples),
        *(
            Figure("CPU of a frozen session", "streamspace", "% of a core", share, conditions={"part": part})
            for part, share in zip(parts, shares, strict=True)
        ),
    ]


async def _until_still(running: Running, page: Any) -> None:
    """Freeze the session, and wait until what was under way has come."""
    await running.request("freeze")
    count = -1
    while count != len(page.frames):
        count = len(page.frames)
        await asyncio.sleep(0.3)


async def _app(name: str, times: int) -> list[Figure]:
    template = load_catalog().get(name).template
    fields = template.model_dump(mode="json", exclude={"command"})
    found: dict[str, list[float]] = {}
    env = {"STREAMSPACE_OPEN": None}
    async with run_desktop(*template.command, user=USER, env=env, program=WATCHED, **fields) as running:
        await running.running()
        if name == "gimp":
            path = running.home / "large.png"
            await asyncio.to_thread(_noise(path).save, path)
            await running.request("open", path=str(path))
        await settled(running, 3)
        for turn in range(times):
            await _freeze(running, found)
            await _sleep(running, running.home / f"image{turn}", found)
        found["held"] = [1000 * watch.held for watch in watched(running)]
    conditions = {"app": name, "picture": "4000x3000"} if name == "gimp" else {"app": name}
    names = {
        "bytes": ("sleeping app on disk", "MB"),
        "packed": ("sleeping app on disk, compressed", "MB"),
        "held": ("sleep, longest hold of the supervisor's event loop", "ms"),
    }
    figures = []
    for key, samples in found.items():
        figure, unit = names.get(key, (key, "ms"))
        figures.append(Figure(figure, "streamspace", unit, samples=samples, conditions=conditions))
    return figures


def _noise(path: Path) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (PICTURE[1], PICTURE[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


async def _freeze(running: Running, found: dict[str, list[float]]) -> None:
    began = time.monotonic()
    await running.request("freeze")
    frozen = time.monotonic()
    await running.request("thaw")
    # A frame needs an X server that answers.
    environment = await running.environment()
    picture(environment["DISPLAY"], running.runtime_dir / "Xauthority")
    _note(found, "freeze", frozen - began)
    _note(found, "thaw until the screen can be read", time.monotonic() - frozen)


async def _sleep(running: Running, image: Path, found: dict[str, list[float]]) -> None:
    began = time.monotonic()
    answer: dict[str, Any] = await running.request("hibernate", folder=str(image))
    assert answer["ok"], answer
    _note(found, "sleep command until the process tree is gone", time.monotonic() - began)
    found.setdefault("bytes", []).append(answer["bytes"] / 1e6)
    for phase, seconds in answer["seconds"].items():
        _note(found, f"sleep, phase {phase}", seconds)
    await running.until(lambda status: status["sleep"]["packed"])
    found.setdefault("packed", []).append(sum(_sizes(image)) / 1e6)
    await running.request("stop")
    await running.ended()
    began = time.monotonic()
    running.start_again(STREAMSPACE_RESTORE=str(image))
    status = await running.running()
    assert status["restored"]["ok"], status
    picture(status["display"], running.runtime_dir / "Xauthority")
    _note(found, "wake until the screen can be read", time.monotonic() - began)
    for phase, seconds in status["restored"]["seconds"].items():
        _note(found, f"wake, phase {phase}", seconds)


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            yield path.stat().st_size


def _note(found: dict[str, list[float]], name: str, seconds: float) -> None:
    found.setdefault(name, []).append(1000 * seconds)
