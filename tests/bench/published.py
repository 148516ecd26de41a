"""The tables of `docs/reference/figures.md` from the bench's JSON lines: aim, prototype, ours and peers.

A row for each question, a column for each variant; the best is bold, ours that misses the aim has a `†`. There are up
to three: the direct ways, those through a hub, and what has but one variant, since no other program does it or it is
not about streaming.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.streaming.comparison import OURS, Result, best_of, missed, questions, text, values
from tests.bench.streaming.way import through_hub
from tests.bench.targets import aim

Question = tuple[str, ...]
MISSED = " †"
SEVERAL = " (several runs)"


def read(path: Path) -> list[dict[str, Any]]:
    """Read the JSON lines of `path`. Each result gets a `run`, its number; a line with the machine begins one.

    Raises:
        ValueError: a line is no JSON object; the text says which.
    """
    run, found = 0, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        run += "machine" in record
        found.append({**record, "run": run})
    return found


def markdown(records: Iterable[dict[str, Any]]) -> str:
    """The tables, of the last result for each question and variant, and below them what it was measured on."""
    given = list(records)
    last = {_identity(record): record for record in given if "figure" in record}
    groups = questions(last.values())
    compared = {asked: group for asked, group in groups.items() if any(_ours(result) for result in group)}
    alone = {asked: group for asked, group in compared.items() if all(one["variant"] == OURS for one in group)}
    beside = {asked: group for asked, group in compared.items() if asked not in alone}
    ways = [_only(beside, hub) for hub in (False, True)]
    runs = {result["run"] for result in last.values()}
    machines = [_machine(record) for record in given if "machine" in record and record["run"] in runs]
    return "\n".join([*(line for groups in (*ways, alone) for line in _table(groups)), *machines]).rstrip()


def _only(groups: Mapping[Question, Sequence[Result]], hub: bool) -> dict[Question, list[Result]]:
    """Of each group what goes through a hub, or what does not."""
    found = {asked: [one for one in group if through_hub(one["variant"]) == hub] for asked, group in groups.items()}
    return {asked: group for asked, group in found.items() if group}


def _table(groups: Mapping[Question, Sequence[Result]]) -> list[str]:
    if not groups:
        return []
    variants = list(dict.fromkeys(result["variant"] for group in groups.values() for result in group))
    variants.sort(key=lambda variant: not variant.startswith(OURS))
    lines = [_line(["figure", "aim", "prototype", *variants]), _line(["---"] * (3 + len(variants)))]
    return [*lines, *(_row(asked, group, variants) for asked, group in groups.items()), ""]


def _row(asked: Sequence[str], group: Sequence[Result], variants: Sequence[str]) -> str:
    wanted = next((found for result in group if _ours(result) and (found := aim(result))), None)
    name = ", ".join(asked) + (SEVERAL if len({result["run"] for result in group}) > 1 else "")
    aims = ["", ""] if wanted is None else [text(wanted.values), text(wanted.prototype)]
    by_variant = {result["variant"]: _cell(result, group) for result in group}
    return _line([name, *aims, *(by_variant.get(variant, "") for variant in variants)])


def _cell(result: Result, compared: Sequence[Result]) -> str:
    shown = text(values(result))
    best = len(compared) > 1 and result is best_of(compared)
    return (f"**{shown}**" if best else shown) + (MISSED if _ours(result) and missed(result) else "")


def _machine(record: dict[str, Any]) -> str:
    machine = record["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    return (
        f"Run of {machine['at']}, revision {machine['revision']}: {machine['cores']} cores of {machine['cpu']}, "
        f"{machine['memory_gb']} GB, {machine['system']} (Linux {machine['kernel']}); {versions}."
    )


def _identity(record: Result) -> Question:
    (asked,) = questions([record])
    return (record["variant"], *asked)


def _ours(result: Result) -> bool:
    return bool(result["variant"].startswith(OURS))


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
