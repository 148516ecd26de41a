"""From a token to its owner, as the hub knows them. Decides nothing about what they may do."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

from streamspace_hub.model.step_up import credential_of
from streamspace_hub.service.hub import Hub, HubError
from streamspace_hub.service.identity import Caller
from streamspace_hub.service.problems import ProblemError, retry_after
from streamspace_hub.service.rates import RateLimit

REMEMBER = 10.0
"""Seconds for which the hub's answer is kept: so long does a token work that was revoked."""
KNOWN_LIMIT = 10_000
PICTURES = 10
"""How many more pictures than other things may be asked for: a page shows many sessions at once."""
UNKNOWN_PER_MINUTE = 30
"""Tokens that the hub does not know, for each address."""

Purpose = Literal["request", "look"]


class UnknownToken(ProblemError):  # noqa: N818 - an answer, not a fault
    """Somebody has shown a token that is none."""

    def __init__(self) -> None:
        super().__init__(
            "unauthenticated",
            "The hub does not know this token; make one on the hub's token page.",
            headers={"WWW-Authenticate": "Bearer"},
        )


class Authentication:
    """Knows callers by their tokens, and how often they ask."""

    def __init__(self, hub: Hub, per_minute: int, replicas: Callable[[], int]) -> None:
        self._hub = hub
        self._known: OrderedDict[str, tuple[float, Caller]] = OrderedDict()
        self._limits = {
            "request": RateLimit(per_minute, replicas),
            "look": RateLimit(PICTURES * per_minute, replicas),
        }
        self._unknown = RateLimit(UNKNOWN_PER_MINUTE, replicas)

    async def caller(self, token: str, origin: str, purpose: Purpose = "request") -> Caller:
        """Return the owner of `token`; requests for each `purpose` are counted by themselves.

        Raises:
            UnknownToken: the hub does not know it.
            ProblemError: they ask too often, or the hub is away.
        """
        now = time.monotonic()
        wait = self._limits[purpose].take(_digest(token), now)
        if wait:
            raise ProblemError("too-many-requests", "Ask less often with this token.", headers=retry_after(wait))
        found = await self._found(token)
        if found is None:
            wait = self._unknown.take(origin, now)
            if wait:
                raise ProblemError("too-many-requests", "Too many unknown tokens.", headers=retry_after(wait))
            raise UnknownToken
        return found

    async def is_still(self, caller: Caller) -> bool:
        """Return whether a caller who stays connected may still do all that they might, and no more; not counted.

        Raises:
            ProblemError: the hub is away.
        """
        return await self._found(caller.token) == caller

    async def _found(self, token: str) -> Caller | None:
        now, digest = time.monotonic(), _digest(token)
        expires, known = self._known.get(digest, (0.0, None))
        if known is not None and expires > now:
            return known
        found = await self._ask(token)
        if found is None:
            self._known.pop(digest, None)
            return None
        self._known[digest] = (now + REMEMBER, found)
        self._known.move_to_end(digest)
        if len(self._known) > KNOWN_LIMIT:
            self._known.popitem(last=False)
        return found

    async def _ask(self, token: str) -> Caller | None:
        if not token.isascii() or not token.isprintable():
            return None
        try:
            model = await self._hub.identify(token)
        except HubError as error:
            raise ProblemError("hub-unavailable", error.message, headers=retry_after(2)) from None
        if model is None:
            return None
        kind: Literal["user", "service"] = "service" if model.get("kind") == "service" else "user"
        return Caller(
            name=model["name"],
            kind=kind,
            scopes=frozenset(model.get("scopes", [])),
            token=token,
            credential=credential_of(model),
        )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
