"""What the service tells the hub, so that starts can be checked here: what was used, announced, and overridden.

Spawners find it on the board that `install` puts into the hub's `tornado_settings`. It is told again after a restart
of the hub, within seconds; until then nothing counts as used, and there is no maintenance; spawners wait a little for
overrides. Knows JupyterHub's handlers.
"""

from __future__ import annotations

from typing import Any, TypeVar

from jupyterhub import orm
from jupyterhub.apihandlers.base import APIHandler
from pydantic import BaseModel, ConfigDict, ValidationError
from tornado import web

from streamspace_hub.model.api import Announcement
from streamspace_hub.model.explain import explain
from streamspace_hub.model.overrides import Overrides
from streamspace_hub.model.rolling import Entry

BOARD, USAGE, CURRENCY = "streamspace", "usage", "currency"
ANNOUNCEMENT, OVERRIDES = "announcement", "overrides"
SERVICE = "streamspace"

M = TypeVar("M", bound=BaseModel)


class Told(BaseModel):
    """What users have used: of each all entries that may count, as (begun, ended or null, GPUs, money an hour)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    users: dict[str, list[tuple[float, float | None, int, float]]]
    currency: str = ""


class FromService(APIHandler):
    """Takes what the service says, from the service alone."""

    _accept_cookie_auth = False
    """It comes with its token."""

    @property
    def board(self) -> dict[str, Any]:
        """What handlers and spawners share."""
        board: dict[str, Any] = self.settings[BOARD]
        return board

    def check_caller(self) -> None:
        """Refuse everybody but the service."""
        caller = self.current_user
        if not isinstance(caller, orm.Service) or caller.name != SERVICE:
            raise web.HTTPError(403, f"This is for the service {SERVICE}.")

    def told(self, model: type[M]) -> M:
        """Return the body."""
        self.check_caller()
        try:
            return model.model_validate_json(self.request.body)
        except ValidationError as error:
            complaint = explain(error, model)[0]
            raise web.HTTPError(400, f"{complaint.field}: {complaint.message}") from None


class UsageHandler(FromService):
    """`PUT /hub/api/streamspace/usage`."""

    async def put(self) -> None:
        """Replace what is known of the users that are named."""
        told = self.told(Told)
        known: dict[str, list[Entry]] = self.board.setdefault(USAGE, {})
        for user, entries in told.users.items():
            known[user] = [Entry(*entry) for entry in entries]
        self.board[CURRENCY] = told.currency
        self.set_status(204)


class AnnouncementHandler(FromService):
    """`PUT /hub/api/streamspace/announcement`."""

    async def put(self) -> None:
        """Replace what is announced."""
        self.board[ANNOUNCEMENT] = self.told(Announcement)
        self.set_status(204)


class OverridesHandler(FromService):
    """`PUT /hub/api/streamspace/overrides`."""

    async def put(self) -> None:
        """Replace what is overridden."""
        self.board[OVERRIDES] = self.told(Overrides)
        self.set_status(204)


HANDLERS = [
    (r"/api/streamspace/usage", UsageHandler),
    (r"/api/streamspace/announcement", AnnouncementHandler),
    (r"/api/streamspace/overrides", OverridesHandler),
]
