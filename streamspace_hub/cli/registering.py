"""Makes commands of functions that return an exit status."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import typer

from streamspace_hub.cli.output import complain, exit_of
from streamspace_hub.client import ClientError


def command(group: typer.Typer, name: str | None = None) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Make a command of a function; what the SDK raises becomes a sentence and its exit status."""

    def register(function: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(function)
        def run(*arguments: Any, **options: Any) -> None:
            try:
                status = function(*arguments, **options)
            except ClientError as error:
                complain(str(error))
                status = exit_of(error)
            raise typer.Exit(int(status))

        group.command(name)(run)
        return function

    return register
