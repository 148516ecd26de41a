"""`PUT /hub/api/streamspace/usage`: the service tells the hub what was used, so that starts can be checked here.

Spawners find it on the board that `install` puts into the hub's `tornado_settings`. It is told again after a restart
of the hub, within seconds; until then nothing counts as used. Knows JupyterHub's handlers.
"""

from __future__ import annotations

from jupyterhub import orm
from jupyterhub.apihandlers.base import APIHandler
from pydantic import BaseModel, ConfigDict, ValidationError
from tornado import web

from streamspace_hub.model.explain import explain
from streamspace_hub.model.quota import Entry

PATH = r"/api/streamspace/usage"
BOARD, ENTRY = "streamspace", "usage"
SERVICE = "streamspace"


class Told(BaseModel):
    """What is told: of each user all entries that may count, as (begun, ended or null, GPUs)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    users: dict[str, list[tuple[float, float | None, int]]]


class UsageHandler(APIHandler):
    """Takes it."""

    _accept_cookie_auth = False
    """For the service, which comes with its token."""

    async def put(self) -> None:
        """Replace what is known of the users that are named."""
        caller = self.current_user
        if not isinstance(caller, orm.Service) or caller.name != SERVICE:
            raise web.HTTPError(403, f"This is for the service {SERVICE}.")
        try:
            told = Told.model_validate_json(self.request.body)
        except ValidationError as error:
            complaint = explain(error, Told)[0]
            raise web.HTTPError(400, f"{complaint.field}: {complaint.message}") from None
        known: dict[str, list[Entry]] = self.settings[BOARD].setdefault(ENTRY, {})
        for user, entries in told.users.items():
            known[user] = [Entry(*entry) for entry in entries]
        self.set_status(204)
