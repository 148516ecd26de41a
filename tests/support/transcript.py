"""What the documentation shows of a terminal: its commands are run anew, and what they print is compared or written.

In a block of the language `console` a line that begins with `$ ` is a command, and what follows is all that it prints.
A last line `...` stands for more, which is other on each machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import PATIENCE

MORE = "..."
PROMPT = "$ "
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "<end of the command>"
CHANGING = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z": "2026-11-24T16:27:16.337578Z",
    r"http://127\.0\.0\.1:\d+": "http://127.0.0.1:8000",
    r"JupyterHub \d+\.\d+\.\d+": "JupyterHub 6.1.1",
    r"service: \d\S*,": "service: 0.1.0,",
}
"""What is other in each run, and how the documentation has it."""


@dataclass(frozen=True)
class Step:
    """A command, and what it prints."""

    command: str
    printed: tuple[str, ...]

    @property
    def shown(self) -> Sequence[str]:
        """What is shown of that, without `MORE`."""
        return self.printed[:-1] if self.printed[-1:] == (MORE,) else self.printed

    def like(self, documented: Step) -> Step:
        """Return this with no more than another shows of the same command."""
        if documented.printed[-1:] != (MORE,):
            return self
        return Step(self.command, (*self.printed[: len(documented.shown)], MORE))


def steps_in(block: str) -> list[Step]:
    """Return what a block shows."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith(PROMPT):
            found.append((line.removeprefix(PROMPT), []))
        else:
            found[-1][1].append(line)
    return [Step(command, tuple(printed)) for command, printed in found]


def block_of(steps: Sequence[Step]) -> str:
    """Return a block that shows these."""
    return "".join(f"{line}\n" for step in steps for line in (f"{PROMPT}{step.command}", *step.printed))


def run(commands: Sequence[str], environment: Mapping[str, str]) -> list[Step]:
    """Run commands in one shell, as if they were typed, and return what they print: the end of lines aside, all of it.

    What changes from run to run is as the documentation has it. `streamspace` is the one of this Python's environment.
    """
    # Each command's status is there for the next one.
    script = "".join(f"{command}\nstatus=$?; echo '{END}'; (exit $status)\n" for command in commands)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**environment, "PATH": path, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=5 * PATIENCE,
    )
    printed = done.stdout.split(f"{END}\n")[:-1]
    assert len(printed) == len(commands), done.stdout
    return [Step(command, tuple(_lines(text))) for command, text in zip(commands, printed, strict=True)]


def _lines(text: str) -> list[str]:
    for changing, fixed in CHANGING.items():
        text = re.sub(changing, fixed, text)
    return [line.rstrip() for line in text.splitlines()]
