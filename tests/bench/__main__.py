"""`make bench`: measure, print a table, append JSON lines to build/bench.jsonl.

Each figure has a module with `measure()`, which yields `Figure`s. Nothing here asserts a time. `streaming.NAME` is a
part of `streaming`; QUICK=1 in the environment makes that one short and rough.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from pathlib import Path

from tests.bench import streaming
from tests.bench.machine import machine
from tests.bench.published import markdown, read
from tests.bench.report import Figure, table, write, write_record
from tests.bench.streaming.comparison import comparison

FIGURES = ("click", "codecs", "hub_cost", "install_size", "ladder", "parts", "service", "skew", "sleep", "streaming")
LONG = ("soak",)
"""Run only when they are named."""
PARTS = tuple(f"streaming.{name}" for name in streaming.FIGURES)
OUTPUT = Path(__file__).parents[2] / "build" / "bench.jsonl"


def main() -> None:
    """Run the figures named by `--only`, or all."""
    # Ended from outside, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser(prog="make bench")
    known = (*FIGURES, *LONG, *PARTS)
    parser.add_argument("--only", default=",".join(FIGURES), help="comma-separated: " + ", ".join(known))
    parser.add_argument("--table", type=Path, help="measure nothing; print the docs' table of a file of JSON lines")
    given = parser.parse_args()
    if given.table is not None:
        print(_table(given.table))
        return
    names = given.only.split(",")
    unknown = sorted(set(names) - set(known))
    if unknown:
        sys.exit(f"ONLY: {', '.join(unknown)} is not a bench; choose from {', '.join(known)}")
    figures: list[Figure] = []
    write_record(machine(), OUTPUT)
    for name in names:
        print(f"==> {name}", file=sys.stderr, flush=True)
        for figure in importlib.import_module(f"tests.bench.{name}").measure():
            write([figure], OUTPUT)
            figures.append(figure)
    print(table(figures), "", comparison(figures), sep="\n")


def _table(path: Path) -> str:
    try:
        return markdown(read(path))
    except (OSError, ValueError) as error:
        sys.exit(f"TABLE: {error}")


if __name__ == "__main__":
    main()
