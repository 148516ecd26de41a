"""What use costs: a price table, and the bill of some use. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

HOUR = 3600


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
        whole = (
            used.seconds * self.session_hour
            + used.core_seconds * self.core_hour
            + used.gib_seconds * self.gib_hour
            + used.gpu_seconds * self.gpu_hour
        )
        return round(whole / HOUR, 4)
