"""The table of docs/explanation/sleep.md: which app sleeps with its memory. `make test-apps` makes it. Pure text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streamspace_hub.model.app import MemorySleep

TABLE = Path(__file__).parents[2] / "docs" / "explanation" / "sleep.md"
"""The file that it is in."""
BEGIN, END = "<!-- made by make test-apps -->\n", "<!-- to here -->\n"
HEAD = "| app | version | sleeps with its memory | image on disk, compressed |\n| --- | --- | --- | --- |\n"


@dataclass(frozen=True)
class Row:
    """One app, or a part of one, and what was found."""

    app: str
    version: str
    memory: MemorySleep = MemorySleep.UNTESTED
    size: int | None = None
    """Bytes of its image, compressed."""

    def line(self) -> str:
        """Return it as a row of the table."""
        size = "" if self.size is None else f"{self.size / 1e6:.0f} MB"
        return f"| {self.app} | {self.version} | {self.memory.value} | {size} |\n"


def written(text: str, rows: Iterable[Row]) -> str:
    """Return a document's text with these rows in its table, in the places of those of the same apps; it is sorted."""
    head, _, rest = text.partition(BEGIN)
    table, _, tail = rest.partition(END)
    lines = _lines(table) | {row.app: row.line() for row in rows}
    return f"{head}{BEGIN}{HEAD}{''.join(lines[app] for app in sorted(lines))}{END}{tail}"


def verdicts(text: str) -> dict[str, str]:
    """Return for each app of a document's table what it says of it."""
    lines = _lines(text.partition(BEGIN)[2].partition(END)[0])
    return {app: line.split(" | ")[2] for app, line in lines.items()}


def _lines(table: str) -> dict[str, str]:
    lines = table.removeprefix(HEAD).splitlines(keepends=True)
    return {line.removeprefix("| ").partition(" | ")[0]: line for line in lines if line.startswith("| ")}


def verdicts_on(text: str, title: str) -> set[str]:
    """Return what a document's table says of an app as it comes, or of all its parts."""
    told = verdicts(text)
    parts = {verdict for app, verdict in told.items() if app.startswith(f"{title}, ")}
    return {told[title]} if title in told else parts
