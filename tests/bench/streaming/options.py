"""What of the streaming bench is run: everything, or a part for who works on it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.streaming.content import KINDS
from tests.bench.streaming.variant import Size, Variant, chosen

SIZES = "1280x720,1920x1080"


@dataclass(frozen=True)
class Options:
    """Which cells, and how thoroughly."""

    variants: Sequence[Variant]
    content: Sequence[str]
    sizes: Sequence[Size]
    clicks: int
    seconds: float
    """How long processor time and frames are counted."""


def parse(arguments: Sequence[str], figures: Sequence[str]) -> tuple[list[str], Options]:
    """Read the command line; QUICK=1 in the environment makes the defaults small."""
    quick = os.environ.get("QUICK", "") not in ("", "0")
    parser = argparse.ArgumentParser(prog="python -m tests.bench.streaming")
    parser.add_argument("--figures", default=",".join(figures), help="comma-separated: " + ", ".join(figures))
    parser.add_argument("--variants", help="comma-separated names, or their beginnings")
    parser.add_argument("--content", default=",".join(KINDS), help="comma-separated: " + ", ".join(KINDS))
    parser.add_argument("--size", default="1280x720" if quick else SIZES, help="comma-separated")
    parser.add_argument("--clicks", type=int, default=15 if quick else 60)
    parser.add_argument("--seconds", type=float, default=4 if quick else 10)
    given = parser.parse_args(arguments)
    names, kinds = given.figures.split(","), given.content.split(",")
    for unknown in sorted(set(kinds) - set(KINDS)):
        parser.error(f"--content: {unknown} is not one of {', '.join(KINDS)}")
    for unknown in sorted(set(names) - set(figures)):
        parser.error(f"--figures: {unknown} is not one of {', '.join(figures)}")
    sizes = [Size.parse(size) for size in given.size.split(",")]
    return names, Options(chosen(given.variants), kinds, sizes, given.clicks, given.seconds)
