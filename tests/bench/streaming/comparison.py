"""Ours beside the best peer of the same run, so that a loss is as easy to see as a win. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.bench.report import Figure
from tests.bench.streaming.way import added, through_hub
from tests.bench.targets import MORE_IS_BETTER, aim

OURS = "streamspace"
"""How the names of our variants begin."""
NOT_THE_QUESTION = frozenset({"parts", "viewers", "elsewhere", "paired", "readings", "from", "to", "most"})
"""Conditions that are findings, and differ between variants."""

Result = Mapping[str, Any]
"""One measured figure as its JSON line has it: `Figure.row`."""


def comparison(figures: Iterable[Figure], ours: str = OURS) -> str:
    """A table: each figure of ours, what it aims at, the best peer's on the same way, and ours divided by it.

    Marked where that is a loss to the peer, and where the aim is missed.
    """
    lines = ["figure | conditions | ours | aim | best peer | ours divided by it"]
    for (name, *conditions), group in questions(figure.row() for figure in figures).items():
        peers = [result for result in group if not result["variant"].startswith(ours)]
        for result in (result for result in group if result["variant"].startswith(ours)):
            best = best_of(same_way(result, peers))
            cells = [name, ", ".join(conditions), f"{result['variant']} {text(values(result))}", _beside_aim(result)]
            if any((best, cells[-1])):
                lines.append(" | ".join([*cells, _beside_peer(result, best)]))
    return "\n".join(lines)


def questions(results: Iterable[Result]) -> dict[tuple[str, ...], list[Result]]:
    """The results by what was asked: figure with unit, and the conditions. What the hub adds is a question as well."""
    given = list(results)
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in (*given, *added(given)):
        asked = (f"{name}={value}" for name, value in result["conditions"].items() if name not in NOT_THE_QUESTION)
        groups.setdefault((f"{result['figure']} ({result['unit']})", *asked), []).append(result)
    return groups


def best_of(results: Iterable[Result]) -> Result | None:
    """The best by its first value."""
    return min(results, key=lambda result: rank(result)[0], default=None)


def same_way(result: Result, others: Iterable[Result]) -> list[Result]:
    """Those of `others` that come through a hub if `result` does, and directly if it does."""
    return [other for other in others if through_hub(other["variant"]) == through_hub(result["variant"])]


def missed(result: Result) -> bool:
    """Whether it is worse than what is aimed at."""
    wanted = aim(result)
    more = result["figure"] in MORE_IS_BETTER
    pairs = zip(values(result), () if wanted is None else wanted.values, strict=False)
    return any((a < b) if more else (a > b) for a, b in pairs)


def values(result: Result) -> list[float]:
    """The value, or p50 and p95."""
    return [result["value"]] if "value" in result else [result["p50"], result["p95"]]


def rank(result: Result) -> list[float]:
    """Smaller is better."""
    return [-value for value in values(result)] if result["figure"] in MORE_IS_BETTER else values(result)


def text(numbers: Iterable[float]) -> str:
    """`7.8 / 10.8`; what is smaller than a tenth with two digits."""
    return " / ".join(f"{number:.2g}" if 0 < abs(number) < 0.1 else f"{number:.1f}" for number in numbers)


def _beside_aim(result: Result) -> str:
    wanted = aim(result)
    return "" if wanted is None else f"aim {text(wanted.values)}{' <- missed' if missed(result) else ''}"


def _beside_peer(result: Result, best: Result | None) -> str:
    if best is None:
        return "no peer"
    ratios = [_ratio(a, b) for a, b in zip(values(result), values(best), strict=False)]
    lost = "  <- behind" if rank(result) > rank(best) else ""
    return f"{best['variant']} {text(values(best))} | {' / '.join(ratios)}{lost}"


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}" if theirs > 0 else "-"
