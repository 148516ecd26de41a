"""`make bench`: measure, print a table, append JSON lines to build/bench.jsonl.

Each figure has a module with `measure()`, which yields `Figure`s; `plan` says which, in what order, for how long.
Nothing here asserts a time. QUICK=1 in the environment makes what is about streaming short and rough.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.bench.machine import machine
from tests.bench.plan import ALONE, NAMES, Step, steps
from tests.bench.published import markdown, read
from tests.bench.report import Figure, table, write, write_record
from tests.bench.streaming.comparison import comparison

DEFAULT = ",".join(("streaming", *ALONE))
OUTPUT = Path(__file__).parents[2] / "build" / "bench.jsonl"


def main() -> None:
    """Run the figures named by `--only`, or all but those that are long."""
    # Ended from outside, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--only", default=DEFAULT, help="comma-separated: " + ", ".join(NAMES))
    parser.add_argument("--table", type=Path, help="measure nothing; print the docs' tables of a file of JSON lines")
    given = parser.parse_args()
    if given.table is not None:
        print(_table(given.table))
        return
    names = given.only.split(",")
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        sys.exit(f"ONLY: {', '.join(unknown)} is not a bench; choose from {', '.join(NAMES)}")
    work = steps(names)
    for step in work:
        for variant in step.variants:
            variant.install()
    write_record(machine(), OUTPUT)
    figures: list[Figure] = []
    failed = [step.title for number, step in enumerate(work) if not _measured(step, work[number:], len(work), figures)]
    print(table(figures), "", comparison(figures), sep="\n")
    if failed:
        sys.exit(f"Without a figure, or without some, since they failed (see above): {', '.join(failed)}")


def _measured(step: Step, left: Sequence[Step], count: int, figures: list[Figure]) -> bool:
    """Add what a step finds to `figures`; whether it went well. What goes wrong in one is no reason to stop."""
    about = sum(one.seconds for one in left) / 60
    told = f"{count - len(left) + 1} of {count}, about {step.seconds:.0f} s; about {about:.0f} min to the end"
    print(f"==> {step.title} ({told})", file=sys.stderr, flush=True)
    begun = time.monotonic()
    try:
        for figure in step.measure():
            write([figure], OUTPUT)
            figures.append(figure)
    except Exception:
        traceback.print_exc()
        return False
    print(f"    took {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return True


def _table(path: Path) -> str:
    try:
        return markdown(read(path))
    except (OSError, ValueError) as error:
        sys.exit(f"TABLE: {error}")


if __name__ == "__main__":
    main()
