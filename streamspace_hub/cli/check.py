"""One line of what `streamspace doctor` reports. Pure data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["green", "red", "grey"]


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    status: Status
    """`grey`: does not matter here, or could not be looked at."""
    found: str
    advice: str = ""

    @property
    def mark(self) -> str:
        """What the line begins with."""
        return {"green": "[ok]  ", "red": "[FAIL]", "grey": "[--]  "}[self.status]

    def as_dict(self) -> dict[str, Any]:
        """Return the line for a program."""
        return asdict(self)
