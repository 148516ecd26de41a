"""Ours beside the best peer of the same run, so that a loss is as easy to see as a win. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tests.bench.report import Figure

MORE_IS_BETTER = frozenset({"delivered frames"})
NOT_THE_QUESTION = frozenset({"parts", "viewers", "elsewhere"})
"""Conditions that are findings, and differ between variants."""


def comparison(figures: Iterable[Figure], ours: Sequence[str]) -> str:
    """A table: each figure of ours, the best peer's, and ours divided by it, marked where that is a loss."""
    groups: dict[tuple[str, ...], list[Figure]] = {}
    for figure in figures:
        groups.setdefault(_question(figure), []).append(figure)
    lines = []
    for (name, *conditions), group in groups.items():
        peers = [figure for figure in group if figure.variant not in ours]
        if not peers:
            continue
        best = min(peers, key=lambda figure: _key(figure)[0])
        for figure in (figure for figure in group if figure.variant in ours):
            ratios = [_ratio(a, b) for a, b in zip(_values(figure), _values(best), strict=False)]
            lost = "  <- behind" if _key(figure) > _key(best) else ""
            lines.append(
                f"{name} | {', '.join(conditions)} | {figure.variant} {_text(figure)} | "
                f"{best.variant} {_text(best)} | {' / '.join(ratios)}{lost}"
            )
    return "\n".join(lines)


def _question(figure: Figure) -> tuple[str, ...]:
    asked = (f"{name}={value}" for name, value in figure.conditions.items() if name not in NOT_THE_QUESTION)
    return (f"{figure.figure} ({figure.unit})", *asked)


def _values(figure: Figure) -> list[float]:
    row: dict[str, Any] = figure.row()
    return [row["value"]] if "value" in row else [row["p50"], row["p95"]]


def _key(figure: Figure) -> list[float]:
    """Smaller is better."""
    return [-value for value in _values(figure)] if figure.figure in MORE_IS_BETTER else _values(figure)


def _text(figure: Figure) -> str:
    return " / ".join(f"{value:.1f}" for value in _values(figure))


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}" if theirs else "-"
