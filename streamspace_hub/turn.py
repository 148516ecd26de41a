"""`GET /hub/api/streamspace/turn`: TURN credentials for sessions, minted here so that the secret never leaves the hub.

Knows JupyterHub's handlers; what credentials are is in `model.turn`.
"""

from __future__ import annotations

import time
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from tornado import web

from streamspace_hub.model.turn import TurnSecretError, TurnSettings, mint_turn, read_turn_secret

PATH = r"/api/streamspace/turn"


class TurnHandler(APIHandler):
    """Answers those who may open one of their own running servers: they could read the credentials there anyway."""

    _accept_cookie_auth = False
    """Sessions come with their token; nothing that a page of another site could trigger."""

    def initialize(self, turn: TurnSettings) -> None:
        """Take the settings."""
        self._turn = turn

    async def get(self) -> None:
        """Mint credentials in the name of the token's user."""
        user = self.current_user
        if user is None or not self._opens_a_server(user):
            raise web.HTTPError(403, "TURN credentials are for the sessions of this hub, by their own token.")
        try:
            secret = read_turn_secret(self._turn.turn_secret_file)
        except TurnSecretError as error:
            self.log.error("StreamSpace: no TURN credentials: %s", error)
            raise web.HTTPError(503, "The hub cannot make TURN credentials; its log says why.") from None
        self.set_header("Cache-Control", "no-store")
        self.finish(mint_turn(self._turn, secret, user.name, time.time()).model_dump_json())  # type: ignore[no-untyped-call]

    def _opens_a_server(self, user: Any) -> bool:
        # A service has no servers.
        spawners = getattr(user, "spawners", {})
        accepted = {f"access:servers!server={user.name}/{name}" for name, one in spawners.items() if one.active}
        if accepted:
            accepted.add(f"access:servers!user={user.name}")
        return not accepted.isdisjoint(self.expanded_scopes)
