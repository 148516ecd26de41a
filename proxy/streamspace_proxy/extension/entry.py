"""What a session asks of its visitors besides a role: an address that its policy allows, and a second factor.

The service sees the factor, the hub keeps in mind by which sign-in and when; here it is looked up, with the visitor's
own token, before anything of the session is shown. Whoever cannot be looked up does not come in.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from streamspace_hub.model import Policy
from streamspace_hub.model.networks import origin, refusal_of
from streamspace_hub.model.step_up import is_fresh
from streamspace_proxy.extension.handlers import AuthorisedHandler, Refusal, StepUpNeeded
from streamspace_proxy.extension.hub_api import Asks, HubError

PATH = "/streamspace/step-up"
REMEMBER = 5.0
"""Seconds for which the hub's answer is kept: so long does a second factor count that was taken away."""
KNOWN_LIMIT = 1000
NOT_FOUND = 404
REFUSED = (401, 403)

log = logging.getLogger("streamspace.entry")


THE_SPAWNERS = (("GET", "/streamspace/api/v1/status"), ("POST", "/streamspace/api/v1/end"))
"""How the session woke, and that it ends: neither shows anything of its screen."""


def _is_the_spawner(handler: AuthorisedHandler, token: str, own: str) -> bool:
    """Return whether the spawner comes with one of its own requests, and the session's own token."""
    request = handler.request
    is_its = any(request.method == method and request.path.endswith(path) for method, path in THE_SPAWNERS)
    return is_its and hmac.compare_digest(token.encode(), own.encode())


def _peer(handler: AuthorisedHandler) -> str:
    """Return the other end of the connection. Not `remote_ip`: tornado believes `X-Real-IP`, which anybody may send."""
    try:
        stream: Any = handler.request.connection.stream  # type: ignore[union-attr]
        return str(stream.socket.getpeername()[0])
    except (AttributeError, OSError):
        return ""


class PolicyEntry:
    """What a session's policy asks for.

    Args:
        policy: the session's.
        hub: who is asked about visitors.
        page: where a second factor is shown.
        trusted: networks of proxies that are believed where a request comes from.
    """

    def __init__(self, policy: Policy, hub: Asks, page: str, trusted: Sequence[str] = ()) -> None:
        self._allowed, self._denied = policy.allow_networks, policy.deny_networks
        self._trusted = trusted
        self._age = policy.step_up
        self._hub = hub
        self._page = page
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By token (hashed): until when an answer is kept, and the answer."""

    async def check(self, handler: AuthorisedHandler) -> None:
        """Refuse whoever comes from elsewhere, or has not shown a second factor lately (`StepUpNeeded`)."""
        provider: Any = handler.identity_provider  # a hub session's
        token = str(provider.hub_auth.get_token(handler) or "")
        if _is_the_spawner(handler, token, provider.token):
            return
        if self._allowed or self._denied:
            forwarded = handler.request.headers.get("X-Forwarded-For", "")
            found = origin(_peer(handler), forwarded, self._trusted)
            if reason := refusal_of(found, self._allowed, self._denied):
                log.warning("%s may not come from %s", handler.current_user.username, found[:64])
                raise Refusal(403, reason)
        if not self._age:
            return
        user = handler.current_user.username
        if not token or not is_fresh(await self._proven(user, token), self._age, time.time()):
            raise StepUpNeeded(
                "This session asks for a second factor. Show it on the page of the service, or by its REST API "
                f"(POST step-up) with the token of this request: {self._page}",
                self._page,
            )

    async def _proven(self, user: str, token: str) -> float | None:
        """Return when the hub knows a second factor of that user to have been shown by a token."""
        digest, now = hashlib.sha256(f"{user}/{token}".encode()).hexdigest(), time.monotonic()
        until, at = self._known.get(digest, (0.0, 0.0))
        if until > now and is_fresh(at, self._age, time.time()):
            return at
        try:
            answer = await self._hub.request("GET", PATH, token=token)
        except HubError as error:
            log.warning("it is not known who has shown a second factor: %s", error.message)
            if error.status in REFUSED:
                answer = None  # a token that was taken back meanwhile
            elif at and error.status != NOT_FOUND:
                return at  # as long as it is fresh, a hub that is away locks nobody out
            else:
                raise _unknown(error) from error
        mine = isinstance(answer, dict) and answer.get("user") == user
        found = answer.get("at") if mine else None
        if not isinstance(found, int | float):
            self._known.pop(digest, None)
            return None
        self._known[digest] = (now + REMEMBER, float(found))
        self._known.move_to_end(digest)
        if len(self._known) > KNOWN_LIMIT:
            self._known.popitem(last=False)
        return float(found)


def _unknown(error: HubError) -> Refusal:
    asks = "This session asks for a second factor, "
    if error.status == NOT_FOUND:
        return Refusal(403, f"{asks}but the hub does not run the service that sees it.")
    return Refusal(503, f"{asks}and the hub cannot say who has shown one. Try again.", retry_after=5)
