"""What shares of this session give its visitors, where their tokens do not say it.

JupyterHub (5.3 to 6.1) leaves shares with groups out of what a token holds, and out of one that is limited to its
owner's own servers all shares; a browser's asks for no more than to look, since it makes none that asks for more than
its user holds. So the session asks the hub, with its own token, with whom it is shared. Must not know
tornado.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from streamspace_proxy.extension.hub_api import Asks, HubError
from streamspace_proxy.extension.roles import CONTROL_SCOPE, VIEW_SCOPE, Server

log = logging.getLogger("streamspace.session")

FRESH: Final = 10.0
"""Seconds for which the hub's answer is kept."""
KEPT: Final = 300.0
"""The same while the hub does not answer: as long as `HubOAuth` keeps its own."""
PAGE: Final = 200
"""Shares on one page: JupyterHub's own upper limit (`api_page_max_limit`)."""
NO_ANSWER: Final = 502

Share = Mapping[str, Any]


def given_by(shares: Sequence[Share], hub_user: Mapping[str, Any], *, signed_in: bool) -> frozenset[str]:
    """Return the scopes that shares give a visitor, and their token may not show.

    Args:
        shares: the hub's models of this server's shares.
        hub_user: the hub's model of the visitor, with the `scopes` of their token.
        signed_in: they have signed in to this server, and are there as whatever they may be. Any other token gets what
            it holds for all of its owner's own servers, and nothing else.
    """
    name = hub_user["name"]
    parties = {("user", name), *(("group", group) for group in hub_user.get("groups") or ())}
    given = {scope for share in shares if _party(share) in parties for scope in share["scopes"]}
    # A share holds scopes as they were granted; what they include is not written down in it.
    given |= {VIEW_SCOPE + scope.removeprefix(CONTROL_SCOPE) for scope in given if scope.startswith(CONTROL_SCOPE)}
    if signed_in:
        return frozenset(given)
    held = set(hub_user["scopes"])
    return frozenset(scope for scope in given if not held.isdisjoint(_over_own(scope, name)))


def _party(share: Share) -> tuple[str, str]:
    return share["kind"], share[share["kind"]]["name"]


def _over_own(scope: str, user: str) -> tuple[str, str]:
    base = scope.partition("!")[0]
    return base, f"{base}!user={user}"


class Shares:
    """With whom one server is shared, as the hub told last.

    Args:
        hub: who is asked.
        server: whose shares.
        now: seconds of a clock that doesn't go back.
    """

    def __init__(self, hub: Asks, server: Server, now: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._path = f"/shares/{quote(server.owner, safe='')}/{quote(server.name, safe='')}"
        self._now = now
        self._asking = asyncio.Lock()
        self._known: list[Share] = []
        self._told = self._asked = float("-inf")
        """When the hub has told, and when it was asked last."""

    async def current(self) -> Sequence[Share]:
        """Return the hub's models; none while it does not tell. However many come, it is asked once in a while."""
        async with self._asking:
            if self._now() - self._asked >= FRESH:
                await self._ask()
        return self._known

    async def _ask(self) -> None:
        self._asked = self._now()
        try:
            self._known = await self._all()
            self._told = self._asked
        except HubError as error:
            log.warning("it is not known with whom this session is shared: %s", error.message)
            if error.status != NO_ANSWER or self._asked - self._told >= KEPT:
                self._known = []

    async def _all(self) -> list[Share]:
        found: list[Share] = []
        offset: int | None = 0
        while offset is not None:
            page = await self._hub.request("GET", f"{self._path}?offset={offset}&limit={PAGE}")
            found += page["items"]
            following = page["_pagination"].get("next")
            offset = following["offset"] if following else None
        return found
