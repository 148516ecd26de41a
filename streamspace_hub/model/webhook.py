"""`Webhook`: one receiver of events, as an administrator configures it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

SHORTEST_SECRET = 24


class Webhook(BaseModel):
    """One receiver."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://[^\s@]+$", max_length=2000, description="Where to post; without a password.")
    secret_file: Path = Field(
        description="File with the secret that signs, 24 bytes or more; readable by the service alone."
    )

    def secret(self) -> bytes:
        """Return the secret; raises ValueError when it is none."""
        try:
            secret = self.secret_file.read_bytes().strip()
        except OSError as error:
            raise ValueError(f"{self.secret_file} cannot be read ({error.strerror})") from None
        if len(secret) < SHORTEST_SECRET:
            raise ValueError(f"{self.secret_file} needs {SHORTEST_SECRET} bytes or more")
        return secret

    @property
    def name(self) -> str:
        """How the database calls it."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:32]
