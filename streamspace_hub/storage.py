"""`/hub/api/streamspace/storage`: what users' files take and may take, where that is limited, as spawners know it.

Whoever may read a user's servers is told. Knows JupyterHub's handlers, and of a spawner what `StreamSpaceMixin`
promises.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope

from streamspace_hub.to_services import ToServices, known_user

ALL_PATH = r"/api/streamspace/storage"
USER_PATH = r"/api/streamspace/storage/(?P<user_name>[^/]+)"


class AllHandler(ToServices):
    """Of all users who run something."""

    async def get(self) -> None:
        """List it by user."""
        self.check_scopes()
        found: dict[str, dict[str, int | None]] = {}
        for user in [user for user in self.users.values() if any(one.active for one in user.spawners.values())]:
            if (storage := await _storage(user)) is not None:
                found[user.name] = storage
            await asyncio.sleep(0)  # the hub has other things to do, too
        self.write(json.dumps(found))


class UserHandler(APIHandler):
    """Of one user."""

    @needs_scope("read:servers")  # type: ignore[no-untyped-call,untyped-decorator]
    async def get(self, user_name: str) -> None:
        """Say it, `null` where it is not limited."""
        user = known_user(self, user_name)
        self.write(json.dumps(await _storage(user)))


async def _storage(user: Any) -> dict[str, int | None] | None:
    """Return what any of the user's spawners says; their files are the same."""
    spawner = next(iter(user.spawners.values()), None) or user.spawners[""]
    storage = await spawner.storage() if hasattr(spawner, "storage") else None
    return None if storage is None else {"used": storage[0], "limit": storage[1]}


def handlers() -> list[tuple[str, type[APIHandler]]]:
    """Return what `install` adds to the hub."""
    return [(ALL_PATH, AllHandler), (USER_PATH, UserHandler)]
