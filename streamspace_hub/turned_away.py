"""`/hub/api/streamspace/turned-away`: which servers were never let in, though the hub has a row of each.

JupyterHub writes a named server down before its start is looked at. When that first start is refused, there has never
been a session; the service asks here, to list none. Knows JupyterHub's handlers, and of a spawner what
`StreamSpaceMixin` promises.
"""

from __future__ import annotations

import json
import time
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope

from streamspace_hub.changes import BOARD
from streamspace_hub.model.turned_away import FORGOTTEN, LATELY, turned_away_in
from streamspace_hub.to_services import ToServices, known_user

ALL_PATH = r"/api/streamspace/turned-away"
USER_PATH = r"/api/streamspace/turned-away/(?P<user_name>[^/]+)"


class AllHandler(ToServices):
    """Those of all users."""

    def get(self) -> None:
        """List their names by user."""
        self.check_scopes()
        found: dict[str, set[str]] = {}
        for user, server, state in self.states():
            if turned_away_in(state):
                found.setdefault(user, set()).add(server)
        for user in self.users.values():
            found[user.name] = _as_spawners_say(user, found.get(user.name, set()) | _lately(self, user))
        self.write(json.dumps({user: sorted(names) for user, names in found.items() if names}))


class UserHandler(APIHandler):
    """Those of one user."""

    @needs_scope("read:servers")  # type: ignore[no-untyped-call,untyped-decorator]
    def get(self, user_name: str) -> None:
        """List their names."""
        user = known_user(self, user_name)
        rows = {name for name, spawner in user.orm_spawners.items() if turned_away_in(spawner.state)}
        self.write(json.dumps(sorted(_as_spawners_say(user, rows | _lately(self, user)))))


def _lately(handler: APIHandler, user: Any) -> set[str]:
    """Return the names that have just been forgotten: who has listed servers just before has them still."""
    forgotten = handler.settings.get(BOARD, {}).get(FORGOTTEN, {})
    return {name for (owner, name), at in forgotten.items() if owner == user.name and at > time.monotonic() - LATELY}


def _as_spawners_say(user: Any, names: set[str]) -> set[str]:
    """Return the names, given those that are written down: what has changed is written at the end of a start."""
    for name, spawner in user.spawners.items():
        if getattr(spawner, "turned_away", False):
            names.add(name)
        else:
            names.discard(name)
    return names


def handlers() -> list[tuple[str, type[APIHandler]]]:
    """Return what `install` adds to the hub."""
    return [(ALL_PATH, AllHandler), (USER_PATH, UserHandler)]
