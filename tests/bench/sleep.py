"""Sleep: how long freezing, thawing, keeping memory and bringing it back take, and what an image weighs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from streamspace_hub.catalog import load_catalog
from tests.bench.report import Figure
from tests.support.running import Running, run_desktop
from tests.support.sleeping import USER, settled, why_not
from tests.support.streamer import picture

TIMES = 5
APPS = ("terminal", "gimp")
PICTURE = (4000, 3000)
LARGE = 1 << 20
"""Bytes from which on a file of an image is compressed."""


def measure() -> Iterator[Figure]:
    """One app after the other, each put to sleep and woken some times."""
    if (reason := why_not()) is not None:
        print(f"sleep with memory: {reason}")
        return
    for app in APPS:
        yield from asyncio.run(_app(app))


async def _app(name: str) -> list[Figure]:
    template = load_catalog().get(name).template
    fields = template.model_dump(mode="json", exclude={"command"})
    found: dict[str, list[float]] = {}
    async with run_desktop(*template.command, user=USER, env={"STREAMSPACE_OPEN": None}, **fields) as running:
        await running.running()
        if name == "gimp":
            path = running.home / "large.png"
            await asyncio.to_thread(_noise(path).save, path)
            await running.request("open", path=str(path))
        await settled(running, 3)
        for turn in range(TIMES):
            await _freeze(running, found)
            await _sleep(running, running.home / f"image{turn}", found)
    conditions = {"app": name, "picture": "4000x3000"} if name == "gimp" else {"app": name}
    names = {"bytes": ("sleeping app on disk", "MB"), "packed": ("sleeping app on disk, compressed", "MB")}
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
    while _not_compressed(image):
        await asyncio.sleep(0.1)
    found.setdefault("packed", []).append(sum(size for _, size in _files(image)) / 1e6)
    await running.request("stop")
    await running.ended()
    began = time.monotonic()
    running.start_again(STREAMSPACE_RESTORE=str(image))
    status = await running.running()
    assert status["restored"]["ok"], status
    picture(status["display"], running.runtime_dir / "Xauthority")
    _note(found, "wake until the screen can be read", time.monotonic() - began)


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            yield path, path.stat().st_size


def _not_compressed(folder: Path) -> bool:
    return any(size >= LARGE and path.suffix != ".zst" for path, size in _files(folder))


def _note(found: dict[str, list[float]], name: str, seconds: float) -> None:
    found.setdefault(name, []).append(1000 * seconds)
