"""From roles in a session to the scopes of JupyterHub's shares, and back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from streamspace_hub.model.api import Share, ShareRole

ACCESS = "access:servers"
VIEW = "custom:streamspace:view"
CONTROL = "custom:streamspace:control"
ROLES: Mapping[ShareRole, str] = {"controller": CONTROL, "viewer": VIEW}
"""What makes each role, the one with more rights first."""


def scopes_of(role: ShareRole, user: str, server: str) -> list[str]:
    """Return what a share of a user's server holds for `role`."""
    return _on((ACCESS, ROLES[role]), user, server)


def beyond(role: ShareRole, user: str, server: str) -> list[str]:
    """Return what a share may hold from before and must not for `role`."""
    return _on((CONTROL,), user, server) if role == "viewer" else []


@dataclass(frozen=True)
class Part:
    """What somebody is in a session that is shared with them."""

    role: ShareRole
    groups: tuple[str, ...] = ()
    """Those of theirs that it is shared with."""

    def also(self, other: Part) -> Part:
        """Return what two shares of one session give together."""
        role = next(one for one in ROLES if one in (self.role, other.role))
        return Part(role, tuple(sorted({*self.groups, *other.groups})))


def parts_of(models: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Part]:
    """Return what somebody is in the sessions of others, by user and server, given the hub's models of their shares."""
    found: dict[tuple[str, str], Part] = {}
    for model in models:
        user, server = model["server"]["user"]["name"], model["server"]["name"]
        role = _role(model, user, server)
        if role is not None:
            part = Part(role, (model["group"]["name"],) if model["kind"] == "group" else ())
            found[user, server] = part.also(found.get((user, server), part))
    return found


def shares_of(models: Iterable[Mapping[str, Any]], user: str, server: str) -> list[Share]:
    """Return the shares of a user's server that give a role in its session, given the hub's models."""
    found = []
    for model in models:
        role = _role(model, user, server)
        if role is not None:
            kind = model["kind"]
            found.append(Share(kind=kind, name=model[kind]["name"], role=role))
    return sorted(found, key=lambda one: (one.kind, one.name))


def _role(model: Mapping[str, Any], user: str, server: str) -> ShareRole | None:
    scopes = set(model["scopes"])
    return next((one for one in ROLES if scopes.issuperset(scopes_of(one, user, server))), None)


def _on(scopes: Iterable[str], user: str, server: str) -> list[str]:
    return [f"{scope}!server={user}/{server}" for scope in scopes]
