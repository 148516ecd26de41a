"""How the command talks: tables and progress for people, JSON for programs, one sentence for what went wrong."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from streamspace_hub.client import (
    ClientError,
    NotConfiguredError,
    RefusedError,
    UnreachableError,
)
from streamspace_hub.client.exchange import OnStep

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


class Exit(IntEnum):
    """Exit statuses; docs/reference/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_PERMITTED = 3
    NOT_FOUND = 4
    UNREACHABLE = 5


def exit_of(error: ClientError) -> Exit:
    """Return the exit status for an error of the SDK."""
    if isinstance(error, NotConfiguredError):
        return Exit.USAGE
    if isinstance(error, UnreachableError):
        return Exit.UNREACHABLE
    if isinstance(error, RefusedError):
        by_status = {401: Exit.NOT_PERMITTED, 403: Exit.NOT_PERMITTED, 404: Exit.NOT_FOUND, 502: Exit.UNREACHABLE}
        return by_status.get(error.problem.status, Exit.FAILED)
    return Exit.FAILED


def say(text: str) -> None:
    """Print a line of the answer."""
    out.print(text, markup=False)


def complain(text: str) -> None:
    """Print what went wrong."""
    err.print(text, markup=False)


def printable(text: str) -> str:
    """Return what others have written without what could steer a terminal (ECMA-48: C0 and C1 controls)."""
    return CONTROLS.sub("\ufffd", text)


def show_json(data: Any) -> None:
    """Print data for a program."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]], nothing: str) -> None:
    """Print rows under their headings, or the sentence `nothing`."""
    if not rows:
        say(nothing)
        return
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column.upper(), no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    out.print(table)


@contextmanager
def starting(text: str) -> Iterator[OnStep]:
    """Show how far a start has come, where somebody is looking; yields what takes each step."""
    if not err.is_terminal:
        yield lambda _: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(text, total=100)
        yield lambda step: bar.update(task, completed=step.progress, description=printable(step.message) or text)


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show that something is going on, where somebody is looking."""
    if err.is_terminal:
        with err.status(text):
            yield
    else:
        yield
