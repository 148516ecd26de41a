"""How well the screen streams, beside other programs that stream one: the same content, screen and browser, in turn."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from tests.bench.report import Figure

FIGURES = ("latency", "links", "wire", "first_picture", "viewers", "drop", "transitions", "memory")
"""Each is a module with `measure(options)`."""


def measure() -> Iterator[Figure]:
    """All of them."""
    for name in FIGURES:
        yield from importlib.import_module(f"tests.bench.streaming.{name}").measure()
