"""Ours beside the best peer of the same run, so that a loss is as easy to see as a win. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.bench.report import Figure
from tests.bench.streaming.targets import aim

OURS = "streamspace"
"""How the names of our variants begin."""
MORE_IS_BETTER = frozenset({"delivered frames"})
NOT_THE_QUESTION = frozenset({"parts", "viewers", "elsewhere"})
"""Conditions that are findings, and differ between variants."""


def comparison(figures: Iterable[Figure], ours: str = OURS) -> str:
    """A table: each figure of ours, what it aims at, the best peer's, and ours divided by it.

    Marked where that is a loss to the peer, and where the aim is missed.
    """
    groups: dict[tuple[str, ...], list[Figure]] = {}
    for figure in figures:
        groups.setdefault(_question(figure), []).append(figure)
    lines = ["figure | conditions | ours | aim | best peer | ours divided by it"]
    for (name, *conditions), group in groups.items():
        peers = [figure for figure in group if not figure.variant.startswith(ours)]
        best = min(peers, key=lambda figure: _key(figure)[0], default=None)
        for figure in (figure for figure in group if figure.variant.startswith(ours)):
            cells = [name, ", ".join(conditions), f"{figure.variant} {_text(_values(figure))}", _beside_aim(figure)]
            if any((best, cells[-1])):
                lines.append(" | ".join([*cells, _beside_peer(figure, best)]))
    return "\n".join(lines)


def _beside_aim(figure: Figure) -> str:
    values = aim(figure)
    if values is None:
        return ""
    more = figure.figure in MORE_IS_BETTER
    missed = any((a < b) if more else (a > b) for a, b in zip(_values(figure), values, strict=False))
    return f"aim {_text(values)}{' <- missed' if missed else ''}"


def _beside_peer(figure: Figure, best: Figure | None) -> str:
    if best is None:
        return "no peer"
    ratios = [_ratio(a, b) for a, b in zip(_values(figure), _values(best), strict=False)]
    lost = "  <- behind" if _key(figure) > _key(best) else ""
    return f"{best.variant} {_text(_values(best))} | {' / '.join(ratios)}{lost}"


def _question(figure: Figure) -> tuple[str, ...]:
    asked = (f"{name}={value}" for name, value in figure.conditions.items() if name not in NOT_THE_QUESTION)
    return (f"{figure.figure} ({figure.unit})", *asked)


def _values(figure: Figure) -> list[float]:
    row: dict[str, Any] = figure.row()
    return [row["value"]] if "value" in row else [row["p50"], row["p95"]]


def _key(figure: Figure) -> list[float]:
    """Smaller is better."""
    return [-value for value in _values(figure)] if figure.figure in MORE_IS_BETTER else _values(figure)


def _text(values: Iterable[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}" if theirs else "-"
