"""From roles in a session to the scopes of JupyterHub's shares, and back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def shares_of(models: Iterable[Mapping[str, Any]], user: str, server: str) -> list[Share]:
    """Return the shares of a user's server that give a role in its session, given the hub's models."""
    found = []
    for model in models:
        scopes = set(model["scopes"])
        role = next((one for one in ROLES if scopes.issuperset(scopes_of(one, user, server))), None)
        if role is not None:
            kind = model["kind"]
            found.append(Share(kind=kind, name=model[kind]["name"], role=role))
    return sorted(found, key=lambda one: (one.kind, one.name))


def _on(scopes: Iterable[str], user: str, server: str) -> list[str]:
    return [f"{scope}!server={user}/{server}" for scope in scopes]
