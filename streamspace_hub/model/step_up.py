"""Step-up: how old the proof of a second factor may be where one is asked for, and whose proof it is. Pure data.

A proof is a time: the service has seen a second factor of a user then. It belongs to one sign-in of a browser, or to
one API token, and to nothing else of that user (as `auth_time` and `max_age` of OpenID Connect Core 1.0, 3.1.2.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from streamspace_hub.model.sleep import no_truth

NOT_ASKED: Final = 0
SHORTEST: Final = 30
LONGEST: Final = 604_800
"""Seconds for which a proof may be of use at all."""


def _none_or_a_while(value: int) -> int:
    if value != NOT_ASKED and not SHORTEST <= value <= LONGEST:
        raise ValueError(f"{value} is not accepted; use 0 (none is asked for) or {SHORTEST} to {LONGEST} seconds")
    return value


StepUpAge = Annotated[
    int,
    BeforeValidator(no_truth),
    AfterValidator(_none_or_a_while),
    WithJsonSchema({"anyOf": [{"const": NOT_ASKED}, {"type": "integer", "minimum": SHORTEST, "maximum": LONGEST}]}),
]
"""Seconds, or 0 where no second factor is asked for."""

Credential = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class Proven(BaseModel):
    """A second factor that the service has seen: whose, by which sign-in or token, and when (seconds since 1970)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str = Field(min_length=1, max_length=255)
    credential: Credential
    at: float = Field(ge=0)


def credential_of(token: Mapping[str, Any]) -> str | None:
    """Return what a proof by a token of the hub belongs to; None where it has nothing of its own.

    `token` has the hub's `session_id`, the same for all tokens of one sign-in of a browser, and `token_id`.
    """
    if session := token.get("session_id"):
        return f"sign-in:{session}"
    number = token.get("token_id")
    return f"token:{number}" if number else None


def is_fresh(at: float | None, age: int, now: float) -> bool:
    """Return whether a proof of the time `at` is enough where it may be `age` seconds old."""
    return at is not None and at <= now + SHORTEST and now - at <= age
