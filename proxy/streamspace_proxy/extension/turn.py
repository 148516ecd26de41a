"""TURN servers for viewers: asked of the hub, or minted here where there is no hub.

A viewer's connection waits for it, and never fails by it: without an answer there is no TURN. Must not know tornado.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Final, Protocol

from pydantic import ValidationError

from streamspace_hub.model.turn import IceGrant, IceServer, TurnSecretError, TurnSettings, mint_turn, read_turn_secret
from streamspace_proxy.extension.hub_api import HubApi, HubError

log = logging.getLogger("streamspace.turn")

PATH: Final = "/streamspace/turn"
PATIENCE: Final = 2.0
"""Seconds that a viewer's connection waits for the hub."""
RETRY_INTERVAL: Final = 60.0
NOT_FOUND: Final = 404

IceServers = tuple[IceServer, ...]


class TurnSource(Protocol):
    """Where TURN servers come from."""

    async def ice_servers(self) -> IceServers:
        """Return servers with credentials that hold for a while; none if there are none."""


class HubTurn:
    """The hub's. Its answer is kept until half of its credentials' life is over."""

    def __init__(self, hub: HubApi) -> None:
        self._hub = hub
        self._grant: IceGrant | None = None
        self._ask_at = 0.0
        self._asking = asyncio.Lock()

    async def ice_servers(self) -> IceServers:
        """Return what the hub granted, also while it cannot be asked again."""
        async with self._asking:
            if time.time() >= self._ask_at:
                await self._ask()
        return () if self._grant is None or self._grant.expires <= time.time() else self._grant.ice_servers

    async def _ask(self) -> None:
        self._ask_at = time.time() + RETRY_INTERVAL
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._hub.request("GET", PATH)
            self._grant = IceGrant.model_validate(answer)
        except HubError as error:
            # A hub without TURN settings has nothing at this address.
            level = logging.INFO if error.status == NOT_FOUND else logging.WARNING
            log.log(level, "no TURN: the hub answered %d: %s", error.status, error.message)
        except TimeoutError:
            log.warning("no TURN: the hub did not answer in %s s", PATIENCE)
        except ValidationError as error:
            # Its text would show the answer, credentials and all.
            log.warning("no TURN: the hub's answer is not in the expected form (%d errors)", error.error_count())
        else:
            self._ask_at = (time.time() + self._grant.expires) / 2


class OwnTurn:
    """A Jupyter server's own, for the apps that run beside it."""

    def __init__(self, settings: TurnSettings) -> None:
        self._settings = settings

    async def ice_servers(self) -> IceServers:
        """Return freshly minted credentials."""
        try:
            secret = read_turn_secret(self._settings.turn_secret_file)
        except TurnSecretError as error:
            log.warning("no TURN: %s", error)
            return ()
        return mint_turn(self._settings, secret, "jupyter", time.time()).ice_servers


def ice_header(servers: IceServers) -> dict[str, str]:
    """Return the header that tells the streamer, empty where there is nothing to tell. ASCII, as headers must be."""
    if not servers:
        return {}
    return {"X-Streamspace-Ice-Servers": json.dumps([server.model_dump(mode="json") for server in servers])}
