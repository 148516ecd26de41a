"""What all our handlers have in common: who asks, what they may do, and how a refusal is said.

Default deny: `prepare` lets nobody through without a role, whatever the server's own defaults are. Must not know the
streamer or the hub's API.
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping
from http.client import responses
from typing import Any, ClassVar, Protocol

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from streamspace_hub.model import Role
from streamspace_proxy.extension.roles import Server, Viewer, Visitor, role_for

SIGN_IN = "Sign in first: this request carries no valid cookie or token."


ENTRY = "streamspace_entry"
"""Setting of an application: its `Entry`."""


class Refusal(web.HTTPError):
    """A request that is turned down with a sentence for whoever sent it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        field: str | None = None,
        retry_after: int | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(status, message)
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.more = more or {}
        """What the body says besides the sentence."""


class StepUpNeeded(Refusal):
    """Somebody who may come in is to show a second factor first."""

    def __init__(self, message: str, page: str) -> None:
        super().__init__(403, message)
        self.page = page
        """Where it is shown."""


class Entry(Protocol):
    """What is asked of visitors besides a role."""

    async def check(self, handler: AuthorisedHandler) -> None:
        """Raise a `Refusal` for a request that may not come in."""


def this_server() -> Server:
    """Return the hub's name for the server in which we run, from the environment that its spawner set."""
    return Server(os.environ.get("JUPYTERHUB_USER", ""), os.environ.get("JUPYTERHUB_SERVER_NAME", ""))


class AuthorisedHandler(JupyterHandler):
    """A handler that runs only for visitors with a role; `self.viewer` says who and which.

    It does not count as activity: of all that comes in, only input seen by the streamer does.
    """

    allowed_roles: ClassVar[frozenset[Role]] = frozenset(Role)
    viewer: Viewer

    async def prepare(self, *, _redirect_to_login: bool = True) -> None:
        """Authenticate as the server does, then find the role."""
        await super().prepare(_redirect_to_login=_redirect_to_login)
        if self._finished:
            return
        if self.current_user is None:
            await self.turn_away()
            return
        role = await self._role()
        if role is None or role not in self.allowed_roles:
            raise Refusal(403, self._why_not(role))
        entry: Entry | None = self.settings.get(ENTRY)
        if entry is not None and not self.is_order():
            try:
                await entry.check(self)
            except StepUpNeeded as needed:
                await self.ask_for_second_factor(needed)
                return
        self.viewer = Viewer(self.current_user.username, role)

    def is_order(self) -> bool:
        """Return whether this is an order of the service's own, which shows it nothing."""
        return False

    async def ask_for_second_factor(self, needed: StepUpNeeded) -> None:
        """Answer a visitor of whom a second factor is asked; pages override it to send them to show one."""
        raise needed

    async def turn_away(self) -> None:
        """Answer a visitor whom nobody knows; pages override it to send them to sign in."""
        raise Refusal(403, SIGN_IN)

    async def _role(self) -> Role | None:
        if (visitor := self.visitor()) is not None:
            return role_for(visitor, this_server())
        # No hub: whoever may run code on this server owns it. An admin's own authorizer keeps its say.
        may = await ensure_async(self.authorizer.is_authorized(self, self.current_user, "execute", "streamspace"))
        return Role.OWNER if may else None

    def visitor(self) -> Visitor | None:
        """Return who asks, as the hub knows them; None on a server without a hub."""
        hub_user = getattr(self.current_user, "hub_user", None)
        if hub_user is None:
            return None
        return Visitor(hub_user["name"], hub_user.get("kind", "user"), hub_user["scopes"])

    def _why_not(self, role: Role | None) -> str:
        if role is not None:
            return f"Only the owner of this server may do that; you are here as {role.value}."
        return (
            f"{self.current_user.username} has no part in this session. "
            "Its owner can share it with you, to look on or to control it."
        )

    def get_login_url(self) -> str:
        """Refuse instead of redirecting: a script or a socket cannot sign in."""
        raise Refusal(403, SIGN_IN)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with JSON: a sentence, and the field that is wrong where there is one."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, Refusal) and error.retry_after is not None:
            self.set_header("Retry-After", str(error.retry_after))
        # The sockets' own refusal of strangers has no words.
        stranger = status_code == 403 and getattr(error, "log_message", None) is None
        body: dict[str, object] = {"message": SIGN_IN if stranger else sentence_for(error, status_code)}
        if isinstance(error, Refusal):
            body |= {**({"field": error.field} if error.field else {}), **error.more}
        self.write_json(body)

    def write_json(self, body: object) -> None:
        """Finish the response with `body` as JSON, kept by no cache."""
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(body))


def sentence_for(error: BaseException | None, status: int) -> str:
    """Return what the visitor is told about `error`; nothing of an unexpected one, which the log has."""
    if isinstance(error, Refusal):
        return error.message
    if isinstance(error, web.HTTPError) and error.log_message:
        return error.log_message % error.args if error.args else error.log_message
    if status >= 500:
        return "Something went wrong in the Jupyter server; its log says what."
    return f"{responses.get(status, 'Error')}."


def error_page(title: str, message: str, link: tuple[str, str] | None = None) -> str:
    """Return a small page that says one sentence, without scripts or other files.

    `link` is an address that opens in a tab of its own, and what it is called.
    """
    safe_title, safe_message = html.escape(title), html.escape(message)
    more = ""
    if link is not None:
        address, label = html.escape(link[0], quote=True), html.escape(link[1])
        more = f'<p><a href="{address}" target="_blank" rel="noopener">{label}</a></p>'
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{safe_title}</title>'
        f"<h1>{safe_title}</h1><p>{safe_message}</p>{more}</html>"
    )
