"""Who is asking, on a hub session's server: JupyterHub's OAuth as a Jupyter `IdentityProvider`.

JupyterHub has one of its own (`jupyterhub.singleuser.extension`), but importing it loads the whole Jupyter server:
33 MB and more than a second of a slow core in each session, for kernels and notebooks that are not there. What decides
is JupyterHub's all the same: `HubOAuth` asks the hub, `check_scopes` says who may come in.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.auth import IdentityProvider, User
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler
from tornado import web
from tornado.httputil import url_concat

from streamspace_proxy.extension.roles import Server, Visitor, keeps_sleep, may_gain
from streamspace_proxy.extension.shares import Shares, given_by


class HubUser(User):
    """A user as the hub knows it; `hub_user` is its model, with the scopes of the request's token and of shares."""

    def __init__(self, hub_user: dict[str, Any]) -> None:
        super().__init__(username=hub_user["name"])
        self.hub_user = hub_user


class HubIdentityProvider(IdentityProvider):
    """Signs visitors in through the hub, and lets pass whoever has access to this server.

    Args:
        hub_auth: JupyterHub's way to find out who asks.
        server: this server.
        shares: with whom it is shared.
    """

    def __init__(self, hub_auth: HubOAuth, server: Server, shares: Shares) -> None:
        super().__init__()
        self.hub_auth: Any = hub_auth  # JupyterHub is not typed
        self._server = server
        self._shares = shares

    @property
    def token(self) -> str:  # type: ignore[override]
        """Return our own token; never to be given out."""
        return str(self.hub_auth.api_token)

    async def get_user(self, handler: web.RequestHandler) -> HubUser | None:
        """Return the visitor, None for unknown ones; one who is known but has no access is refused here."""
        hub_user = await self.hub_auth.get_user(handler, sync=False)
        if hub_user is None:
            return None
        visitor = Visitor(hub_user["name"], hub_user.get("kind", "user"), hub_user["scopes"])
        if may_gain(visitor, self._server):
            # A token in a header may be any of theirs.
            signed_in = not self.hub_auth.get_token(handler, in_cookie=False)
            given = given_by(await self._shares.current(), hub_user, signed_in=signed_in)
            hub_user = {**hub_user, "scopes": sorted({*hub_user["scopes"], *given})}
        # That service gets as far as the handlers, which give it nothing but its own orders.
        if not keeps_sleep(visitor) and not self.hub_auth.check_scopes(self.hub_auth.access_scopes, hub_user):
            raise web.HTTPError(
                403, f"{hub_user['name']} has no access to this session. Its owner can share it with you."
            )
        return HubUser(hub_user)

    def login_url_for(self, handler: web.RequestHandler) -> str:
        """Return where the hub signs `handler`'s visitor in, and set the cookie that the way back is checked with."""
        # PKCE came with JupyterHub 6.
        if getattr(self.hub_auth, "pkce_enabled", False):
            verifier, challenge, method = self.hub_auth.generate_pkce_code_challenge()
            state = self.hub_auth.set_state_cookie(handler, next_url=handler.request.uri, code_verifier=verifier)
            pkce = {"code_challenge": challenge, "code_challenge_method": method}
        else:
            state = self.hub_auth.set_state_cookie(handler, next_url=handler.request.uri)
            pkce = {}
        return str(url_concat(self.hub_auth.login_url, {**pkce, "state": state}))


BAD_GATEWAY = 502
NO_PART = (
    "You have no part in this session. If it is yours, or was shared with you, something went wrong in JupyterHub: "
    "its log says what."
)


class OAuthCallback(HubOAuthCallbackHandler):
    """Where the hub sends visitors back after signing in."""

    def initialize(self, hub_auth: HubOAuth) -> None:
        """Take the server's own client; the base class would make another."""
        self.hub_auth = hub_auth

    @allow_unauthenticated
    async def get(self) -> None:
        """Finish signing in.

        JupyterHub (6.1) has an error of its own, and no answer, for who may reach every server, as its administrators,
        and holds nothing of this one.
        """
        try:
            await super().get()  # type: ignore[no-untyped-call]
        except web.HTTPError as error:
            if error.status_code != BAD_GATEWAY:
                raise
            self.set_status(403)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(NO_PART)
