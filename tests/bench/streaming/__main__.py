"""`python -m tests.bench.streaming`: a part of the streaming bench, for who works on it. `--help` names the choices."""

from __future__ import annotations

import importlib
import signal
import sys
from pathlib import Path

from tests.bench.machine import machine
from tests.bench.report import table, write, write_record
from tests.bench.streaming import FIGURES
from tests.bench.streaming.comparison import comparison
from tests.bench.streaming.options import parse

OUTPUT = Path(__file__).parents[3] / "build" / "bench.jsonl"


def main() -> None:
    """Measure, writing each figure as it comes; a table at the end."""
    # Ended from outside, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    names, options = parse(sys.argv[1:], FIGURES)
    figures = []
    for variant in options.variants:
        variant.install()
    write_record(machine(), OUTPUT)
    try:
        for name in names:
            for figure in importlib.import_module(f"tests.bench.streaming.{name}").measure(options):
                figures.append(figure)
                write([figure], OUTPUT)
                print(figure.row(), file=sys.stderr, flush=True)
    finally:
        print(table(figures))
        print("", comparison(figures), sep="\n")


if __name__ == "__main__":
    main()
