"""What use costs: a price table, the bill of some use, and how much money may be used. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from streamspace_hub.model.hours import HOUR, LONGEST_DAYS

GIB = 2**30


@dataclass(frozen=True)
class Used:
    """How much was used."""

    seconds: float
    core_seconds: float
    gib_seconds: float
    gpu_seconds: float


class Prices(BaseModel):
    """Prices by the hour; what is left out costs nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: str = Field(default="", pattern=r"^([A-Z]{3})?$", description="ISO 4217, e.g. `EUR`.")
    session_hour: float = Field(default=0, ge=0, le=1e6, description="A session that runs for an hour.")
    core_hour: float = Field(default=0, ge=0, le=1e6, description="A core for an hour.")
    gib_hour: float = Field(default=0, ge=0, le=1e6, description="A GiB of memory for an hour.")
    gpu_hour: float = Field(default=0, ge=0, le=1e6, description="A GPU for an hour.")

    def cost(self, used: Used) -> float:
        """Return what `used` costs, to a hundredth of a cent."""
        whole = self._sum(used.seconds, used.core_seconds, used.gib_seconds, used.gpu_seconds)
        return float(round(whole / HOUR, 4))

    def rate(self, cores: Any, memory: Any, gpus: Any) -> Any:
        """Return what a session costs an hour that counts as so many cores, bytes of memory and GPUs.

        Of numbers a number; of a table's columns the expression by which the database works it out.
        """
        return self._sum(1, cores, memory / GIB, gpus)

    @property
    def costs_something(self) -> bool:
        """Whether there is any price."""
        return bool(self.rate(1, GIB, 1) > 0)

    def _sum(self, sessions: Any, cores: Any, gib: Any, gpus: Any) -> Any:
        return sessions * self.session_hour + cores * self.core_hour + gib * self.gib_hour + gpus * self.gpu_hour


class Budget(BaseModel):
    """So much money in so many days, in the currency of the prices."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount: float = Field(gt=0, le=1e9, description="Money, for all sessions together.")
    days: int = Field(ge=1, le=LONGEST_DAYS, description="In the last so many days.")
