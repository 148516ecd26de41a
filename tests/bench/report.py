"""One measured figure, and how figures are written: JSON lines and a table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One row: a single `value`, or the percentiles of `samples`."""

    figure: str
    variant: str
    unit: str
    value: float | None = None
    samples: Sequence[float] = ()
    conditions: dict[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """The JSON line."""
        row: dict[str, Any] = {
            "figure": self.figure,
            "variant": self.variant,
            "conditions": self.conditions,
            "unit": self.unit,
        }
        if self.value is not None:
            row["value"] = round(self.value, 3)
        else:
            row |= {"p50": percentile(self.samples, 50), "p95": percentile(self.samples, 95), "n": len(self.samples)}
        return row


def percentile(samples: Iterable[float], percent: float) -> float:
    """Nearest-rank percentile: a value that was measured, never one in between."""
    ordered = sorted(samples)
    return round(ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)], 3)


def write(figures: Iterable[Figure], path: Path) -> None:
    """Append the figures as JSON lines to `path`."""
    for figure in figures:
        write_record(figure.row(), path)


def write_record(record: dict[str, Any], path: Path) -> None:
    """Append one JSON line to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def table(figures: Iterable[Figure]) -> str:
    """The figures as a table for people."""
    rows = [("figure", "variant", "result", "conditions")]
    for figure in figures:
        row = figure.row()
        result = f"{row['value']}" if "value" in row else f"p50 {row['p50']}  p95 {row['p95']}  (n={row['n']})"
        conditions = ", ".join(f"{key}={value}" for key, value in figure.conditions.items())
        rows.append((figure.figure, figure.variant, f"{result} {figure.unit}", conditions))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    )
