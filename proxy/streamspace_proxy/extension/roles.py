"""Who may do what in a session: a pure function of plain data.

Must not know tornado, the hub's HTTP API or the environment: `handlers` gathers the facts and enforces the answer.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from streamspace_hub.model import Role

ACCESS_SCOPE = "access:servers"
CONTROL_SCOPE = "custom:streamspace:control"
VIEW_SCOPE = "custom:streamspace:view"
SLEEP_SCOPE = "custom:streamspace:sleep"


@dataclass(frozen=True)
class Server:
    """A JupyterHub server: whose it is and what it is called (empty: the default server)."""

    owner: str
    name: str


@dataclass(frozen=True)
class Visitor:
    """Somebody who has already passed the hub's own check (`access:servers`)."""

    name: str
    kind: str
    """`user` or `service`, as the hub says."""
    scopes: Collection[str]
    """Expanded scopes of the token with which the request came."""


@dataclass(frozen=True)
class Viewer:
    """What the streamer is told about the one who asks."""

    user: str
    role: Role


def role_for(visitor: Visitor, server: Server) -> Role | None:
    """Return the visitor's role on `server`, None for no access.

    Being a hub admin, or a service that may reach every server, gives no role: whoever looks at somebody's screen
    does so by a scope that was granted for just that.
    """
    if not server.owner:
        return None
    if visitor.kind == "user" and visitor.name == server.owner:
        return Role.OWNER
    if _holds(CONTROL_SCOPE, visitor, server):
        return Role.CONTROLLER
    if _holds(VIEW_SCOPE, visitor, server):
        return Role.VIEWER
    return None


def may_gain(visitor: Visitor, server: Server) -> bool:
    """Return whether a share that the visitor's token does not show could give them more than it does."""
    if visitor.kind != "user" or visitor.name == server.owner:
        return False
    sees_all = not {VIEW_SCOPE, f"{VIEW_SCOPE}!user={server.owner}"}.isdisjoint(visitor.scopes)
    has_all = _holds(ACCESS_SCOPE, visitor, server) and (sees_all or _holds(CONTROL_SCOPE, visitor, server))
    return not has_all


def keeps_sleep(visitor: Visitor) -> bool:
    """Return whether this is the service that puts sessions to sleep. It gives orders, has no role and sees nothing."""
    return visitor.kind == "service" and SLEEP_SCOPE in visitor.scopes


def lowered(role: Role, *, view_only: bool) -> Role:
    """Return `viewer` for whoever asked to look only, else the role unchanged."""
    return Role.VIEWER if view_only else role


def _holds(scope: str, visitor: Visitor, server: Server) -> bool:
    accepted = {scope, f"{scope}!user={server.owner}", f"{scope}!server={server.owner}/{server.name}"}
    return not accepted.isdisjoint(visitor.scopes)
