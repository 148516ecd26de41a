"""What is shared with whoever asks, remembered for a while. The hub keeps it, and is asked with their own tokens.

What tokens hold does not say it: JupyterHub (5.3 to 6.1) leaves shares with groups out of them, and out of tokens that
are limited to their owner's own servers, as those of our pages, all shares.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from streamspace_hub.service.authentication import REMEMBER
from streamspace_hub.service.hub import Hub
from streamspace_hub.service.identity import Caller
from streamspace_hub.service.sharing import Part, parts_of

MOST = 10_000
"""Answers that are kept."""

Parts = Mapping[tuple[str, str], Part]


@dataclass
class _Kept:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    until: float = 0.0
    parts: Parts = field(default_factory=dict)


class SharedWith:
    """What one replica knows of shares.

    Args:
        hub: who is asked.
        now: seconds of a clock that doesn't go back.
    """

    def __init__(self, hub: Hub, now: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._now = now
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    async def parts(self, caller: Caller, user: str) -> Parts:
        """Return what `user` is in the sessions of others, by their users and servers, as `caller` may know.

        However often it is asked for, the hub is asked once in ten seconds for each token, for all shares with the
        user and their groups, two hundred at a time.

        Raises:
            HubError: the hub refuses, or is away.
        """
        who = hashlib.sha256(caller.token.encode()).hexdigest(), user
        kept = self._kept.setdefault(who, _Kept())
        self._kept.move_to_end(who)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
        async with kept.lock:
            if kept.until <= self._now():
                kept.parts = parts_of(await self._hub.shared_with(user, caller.token))
                kept.until = self._now() + REMEMBER
            return kept.parts

    async def has_part(self, caller: Caller, user: str, server: str) -> bool:
        """Return whether a session is shared with the caller, as far as their token may know."""
        if caller.kind != "user" or not caller.may_read_shared(caller.name):
            return False
        return (user, server) in await self.parts(caller, caller.name)
