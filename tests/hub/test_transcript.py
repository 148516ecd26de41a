"""The transcript in docs/reference/cli.md is what the command prints.

`python -m tests.hub.test_transcript` writes it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.demo import running_demo
from tests.support.transcript import BLOCK, Step, block_of, run, steps_in

pytestmark = [pytest.mark.hub, pytest.mark.x11]

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def documented() -> list[Step]:
    """Return the page's transcript."""
    (block,) = BLOCK.findall(PAGE.read_text())
    return steps_in(block)


def real() -> list[Step]:
    """Return the same commands with what they print for the user of a demo."""
    steps = documented()
    with running_demo() as demo:
        others = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTERHUB_")}
        environment = {**others, "STREAMSPACE_URL": demo.url, "STREAMSPACE_TOKEN": demo.token()}
        found = run([step.command for step in steps], environment)
    return [one.like(step) for one, step in zip(found, steps, strict=True)]


def test_the_commands_transcript_is_that_of_a_real_run() -> None:
    assert real() == documented()


if __name__ == "__main__":
    PAGE.write_text(BLOCK.sub(lambda _: f"```console\n{block_of(real())}```", PAGE.read_text()))
