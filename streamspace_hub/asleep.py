"""`/hub/api/streamspace/asleep`: the hub is told which sessions sleep with their memory, and says so.

The service tells it, when a session's memory has been kept and before the session is stopped; the spawner remembers it
in its state. Whoever may read a user's servers is told of them; whoever may delete one makes it forget. Knows
JupyterHub's handlers, and of a spawner what `StreamSpaceMixin` promises.
"""

from __future__ import annotations

import json
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from pydantic import BaseModel, ConfigDict, Field
from tornado import web

from streamspace_hub.changes import BOARD, ENTRY
from streamspace_hub.from_service import FromService
from streamspace_hub.model.api import ServerName, UserName
from streamspace_hub.model.asleep import asleep_in
from streamspace_hub.to_services import ToServices, known_user

ALL_PATH = r"/api/streamspace/asleep"
USER_PATH = r"/api/streamspace/asleep/(?P<user_name>[^/]+)"
SERVER_PATH = r"/api/streamspace/asleep/(?P<user_name>[^/]+)/(?P<server_name>[^/]*)"


class Told(BaseModel):
    """What is told of a session that is about to end."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: UserName
    server: ServerName | str = Field(description="Empty for the default server.")
    since: str = Field(max_length=40)
    bytes: int = Field(ge=0)


class AllHandler(ToServices, FromService):
    """Who sleeps, of all users; and that somebody does."""

    def get(self) -> None:
        """List them by user and server."""
        self.check_scopes()
        found: dict[str, dict[str, Any]] = {}
        for user, server, state in self.states():
            if (asleep := asleep_in(state)) is not None:
                found.setdefault(user, {})[server] = asleep.model_dump()
        self.write(json.dumps(found))

    def put(self) -> None:
        """Remember that a session's memory has been kept; it is then to be stopped."""
        told = self.told(Told)
        user = self.find_user(told.user)  # type: ignore[no-untyped-call]
        spawner = user.spawners.get(told.server) if user is not None else None
        if spawner is None or not spawner.active or not hasattr(spawner, "fall_asleep"):
            raise web.HTTPError(404, "There is no such session.")
        spawner.fall_asleep(since=told.since, size=told.bytes)
        spawner.orm_spawner.state = spawner.get_state()
        self.db.commit()
        self.set_status(204)


class UserHandler(APIHandler):
    """Which sessions of one user sleep."""

    @needs_scope("read:servers")  # type: ignore[no-untyped-call,untyped-decorator]
    def get(self, user_name: str) -> None:
        """List them by server."""
        user = known_user(self, user_name)
        found = {}
        for name, spawner in user.orm_spawners.items():
            if (asleep := asleep_in(spawner.state)) is not None:
                found[name] = asleep.model_dump()
        self.write(json.dumps(found))


class ServerHandler(APIHandler):
    """One sleeping session."""

    @needs_scope("delete:servers")  # type: ignore[no-untyped-call,untyped-decorator]
    async def delete(self, user_name: str, server_name: str) -> None:
        """Forget it, and remove its memory. What had not been saved is lost."""
        user = self.find_user(user_name)  # type: ignore[no-untyped-call]
        if user is None or server_name not in user.orm_spawners:
            raise web.HTTPError(404)
        spawner = user.spawners[server_name]
        if spawner.active:
            raise web.HTTPError(409, "It is not asleep.")
        if asleep_in(spawner.orm_spawner.state) is not None:
            await spawner.forget_sleep()
            spawner.orm_spawner.state = spawner.get_state()
            self.db.commit()
            if (changes := self.settings.get(BOARD, {}).get(ENTRY)) is not None:
                changes.tell(user.name, server_name, "state")
        self.set_status(204)


def handlers() -> list[tuple[str, type[APIHandler]]]:
    """Return what `install` adds to the hub."""
    return [(ALL_PATH, AllHandler), (USER_PATH, UserHandler), (SERVER_PATH, ServerHandler)]
