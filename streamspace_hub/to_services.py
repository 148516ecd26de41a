"""What the hub tells services of all users: to whoever may list them and their servers. Knows JupyterHub's handlers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyterhub import orm
from jupyterhub.apihandlers.base import APIHandler
from tornado import web

NEEDED = {"list:users", "read:servers"}
"""Scopes with which the caller could find out all of it by asking again and again."""


def known_user(handler: APIHandler, name: str) -> Any:
    """Return a user of the hub; 404 if there is none."""
    user = handler.find_user(name)  # type: ignore[no-untyped-call]
    if user is None:
        raise web.HTTPError(404)
    return user


class ToServices(APIHandler):
    """Tells of all users."""

    _accept_cookie_auth = False
    """Services come with their token."""

    def check_scopes(self) -> None:
        """Refuse whoever may not know."""
        if not set(self.expanded_scopes) >= NEEDED:
            raise web.HTTPError(403, f"This needs the scopes {', '.join(sorted(NEEDED))}.")

    def states(self) -> Iterable[tuple[str, str, dict[str, Any]]]:
        """Return user, name and spawner's state of each server that has one, as the database has it."""
        rows: Iterable[tuple[str, str, dict[str, Any]]] = (
            self.db.query(orm.User.name, orm.Spawner.name, orm.Spawner.state)
            .join(orm.User, orm.Spawner.user_id == orm.User.id)
            .filter(orm.Spawner.state.is_not(None))
        )
        return rows
