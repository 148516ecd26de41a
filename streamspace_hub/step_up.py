"""`/hub/api/streamspace/step-up`: the hub keeps in mind who has shown the service a second factor, and when.

The service tells it; a session asks with the token of whoever wants to come in, and learns of that token alone. It is
forgotten when the hub is restarted: then a second factor is asked for once more. Knows JupyterHub's handlers.
"""

from __future__ import annotations

import hashlib
import hmac
import time

from jupyterhub.apihandlers.base import APIHandler
from tornado import web

from streamspace_hub.from_service import FromService
from streamspace_hub.model.step_up import LONGEST, Proven, credential_of

PATH = r"/api/streamspace/step-up"
USER_PATH = r"/api/streamspace/step-up/users/(?P<user_name>[^/]+)"
KEY_PATH = r"/api/streamspace/step-up/key"
ENTRY = "proven"

Proofs = dict[str, dict[str, float]]
"""Of each user: when it was, by credential."""


class _Proofs(FromService):
    @property
    def proofs(self) -> Proofs:
        """What this hub knows."""
        proofs: Proofs = self.board.setdefault(ENTRY, {})
        return proofs


class StepUpHandler(_Proofs):
    """When the token of this request had a second factor; and where the service says so."""

    async def get(self) -> None:
        """Tell whose this token is, and when they have shown a second factor by it.

        `{"user": name, "at": seconds since 1970 or null}`
        """
        token, caller = self.get_token(), self.current_user
        if caller is None or token is None or token.user is None:
            raise web.HTTPError(403, "This needs the token of a user of the hub.")
        credential = credential_of({"session_id": token.session_id, "token_id": token.api_id})
        at = self.proofs.get(caller.name, {}).get(credential or "")
        self.set_header("Cache-Control", "no-store")
        self.finish({"user": caller.name, "at": at})  # type: ignore[no-untyped-call]

    async def put(self) -> None:
        """Take the service's word."""
        proven = self.told(Proven)
        remember(self.proofs, proven, time.time())
        self.set_status(204)


class UserHandler(_Proofs):
    """What is known of one user."""

    async def delete(self, user_name: str) -> None:
        """Forget a user's proofs: their second factors are no longer theirs."""
        self.check_caller()
        self.proofs.pop(user_name, None)
        self.set_status(204)


class KeyHandler(FromService):
    """What the service encrypts second factors with: made of the hub's secret, which outlives the service's token."""

    async def get(self) -> None:
        """Tell the key, as hex."""
        self.check_caller()
        self.set_header("Cache-Control", "no-store")
        key = key_of(self.settings["cookie_secret"])
        self.finish({"key": key.hex()})  # type: ignore[no-untyped-call]


def key_of(secret: bytes) -> bytes:
    """Return the 32 bytes that stand for this use of the hub's secret, and for no other."""
    return hmac.new(secret, b"second factors", hashlib.sha256).digest()


def remember(proofs: Proofs, proven: Proven, now: float) -> None:
    """Add a proof, and drop those that are of no use to anybody any more."""
    mine = proofs.setdefault(proven.user, {})
    mine[proven.credential] = proven.at
    for user in list(proofs):
        proofs[user] = {name: at for name, at in proofs[user].items() if now - at <= LONGEST}
        if not proofs[user]:
            del proofs[user]


def handlers() -> list[tuple[str, type[APIHandler]]]:
    """Return the routes."""
    return [(PATH, StepUpHandler), (USER_PATH, UserHandler), (KEY_PATH, KeyHandler)]
