"""What the whole way of a user adds: through the hub's proxy and the single-user server, less the direct way. Pure.

A variant that goes through a hub is called like the one without, and `-hub` after the program's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MORE_BY_THE_HUB = ", more by the hub"
HUB = "-hub"
PERCENTILES = ("p50", "p95")


def through_hub(variant: str) -> bool:
    """Whether a variant's pictures come through a hub."""
    return HUB in variant


def added(results: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Results (`Figure.row`) for what the hub adds to a click's time, where both ways were measured alike."""
    direct = {}
    ways = []
    for result in results:
        if result["figure"] != "click to photon" or "p50" not in result:
            continue
        if through_hub(result["variant"]):
            ways.append(result)
        else:
            direct[_question(result, result["variant"])] = result
    for way in ways:
        other = direct.get(_question(way, way["variant"].replace(HUB, "")))
        if other is not None:
            less = {name: round(way[name] - other[name], 3) for name in PERCENTILES}
            yield {**way, "figure": way["figure"] + MORE_BY_THE_HUB, "n": min(way["n"], other["n"]), **less}


def _question(result: Mapping[str, Any], variant: str) -> tuple[str, ...]:
    asked = (result["conditions"].get(name, "") for name in ("content", "size", "link"))
    return (variant, *asked)
