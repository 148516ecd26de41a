"""Print the requirements of one extra of pyproject.toml, its nested extras resolved, one on each line.

Lets the virtual environment be filled before the front ends are built, and so before the package itself can be.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
NESTED = re.compile(rf"{PROJECT['name']}\[(.+)\]")


def requirements(extra: str) -> list[str]:
    """Return the flat list of requirements of `extra`."""
    found: list[str] = []
    for requirement in PROJECT["optional-dependencies"][extra]:
        nested = NESTED.fullmatch(requirement)
        if nested:
            for name in nested[1].split(","):
                found += requirements(name.strip())
        else:
            found.append(requirement)
    return found


if __name__ == "__main__":
    print(*PROJECT["dependencies"], *requirements(sys.argv[1]), sep="\n")
