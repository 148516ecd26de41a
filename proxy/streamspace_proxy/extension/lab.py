"""Our part of an ordinary Jupyter server: the tiles' API, and the bridge to apps that run beside it."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from pydantic import ValidationError
from traitlets import Integer, List, TraitError, Unicode

from streamspace_hub.model.explain import explain
from streamspace_hub.model.turn import TurnSecretError, TurnSettings, read_turn_secret
from streamspace_hub.telemetry import tracing
from streamspace_proxy.extension import activity
from streamspace_proxy.extension.api import Apps, OneSession, SessionProgress, Sessions, SessionSleep, Shelf
from streamspace_proxy.extension.here import HereLauncher
from streamspace_proxy.extension.hub_api import HubApi
from streamspace_proxy.extension.hub_launcher import HubLauncher
from streamspace_proxy.extension.launcher import Launcher
from streamspace_proxy.extension.routes import here_routes
from streamspace_proxy.extension.turn import OwnTurn, TurnSource

_API = r"/streamspace/api/v1"
_NAME = r"([a-z][a-z0-9-]{0,29})"


class StreamSpaceExtension(ExtensionApp):
    """The server extension `streamspace_proxy`."""

    name = "streamspace_proxy"

    turn_urls = List(
        Unicode(),
        config=True,
        help="""
        Addresses of a TURN server, for apps that run beside this server; under a hub the hub's own setting counts::

            c.StreamSpaceExtension.turn_urls = ["turns:turn.example.org:443?transport=tcp"]
        """,
    )
    turn_secret_file = Unicode(config=True, help="File with the TURN server's secret (coturn: `static-auth-secret`).")
    turn_ttl = Integer(43_200, config=True, help="Seconds that TURN credentials hold, 60 to 86400.")

    launcher: Launcher
    _clock: asyncio.Task[None] | None = None

    def initialize_handlers(self) -> None:
        """Add our routes, for the mode that the spawner chose."""
        assert self.serverapp is not None
        base_url = self.serverapp.web_app.settings["base_url"]
        routes: list[tuple[str, Any, dict[str, Any]]] = []
        shelf = Shelf.from_environment()
        if os.environ.get(tracing.ENDPOINT):
            page = self.serverapp.web_app.settings.setdefault("page_config_data", {})
            page["streamspaceTraces"] = "true"
        if os.environ.get("STREAMSPACE_LAUNCH") == "hub":
            self.launcher = HubLauncher(
                HubApi.from_environment(),
                os.environ["JUPYTERHUB_USER"],
                os.environ.get("STREAMSPACE_PROXY_URL") or os.environ.get("JUPYTERHUB_PUBLIC_URL"),
                Path.home().resolve(),
                shelf.titles,
                base_url=os.environ.get("JUPYTERHUB_BASE_URL", "/"),
            )
        else:
            here = HereLauncher(base_url)
            self.launcher = here
            routes += here_routes(base_url, here, self._turn_source())
            self._clock = asyncio.ensure_future(activity.follow(here.all, self._note_activity))
        given = {"launcher": self.launcher, "shelf": shelf}
        routes += [
            (rf"{_API}/apps", Apps, given),
            (rf"{_API}/sessions", Sessions, given),
            (rf"{_API}/sessions/{_NAME}", OneSession, given),
            (rf"{_API}/sessions/{_NAME}/(freeze|hibernate)", SessionSleep, given),
            (rf"{_API}/sessions/{_NAME}/progress", SessionProgress, given),
        ]
        self.handlers.extend(routes)

    def _turn_source(self) -> TurnSource | None:
        given = {name: getattr(self, name) for name in TurnSettings.model_fields}
        try:
            settings = TurnSettings.model_validate(given)
            if settings.enabled:
                read_turn_secret(settings.turn_secret_file)
        except ValidationError as error:
            complaint = explain(error, TurnSettings)[0]
            where = f"{complaint.field}: " if complaint.field else ""
            raise TraitError(f"StreamSpaceExtension.{where}{complaint.message}") from None
        except TurnSecretError as error:
            raise TraitError(f"StreamSpaceExtension.{error}") from None
        return OwnTurn(settings) if settings.enabled else None

    async def _note_activity(self, moment: datetime) -> None:
        # The server's own culling (`ServerApp.shutdown_no_activity_timeout`) looks here.
        assert self.serverapp is not None
        self.serverapp.web_app.settings["last_activity_times"]["streamspace"] = moment

    async def stop_extension(self) -> None:
        """End what runs beside the server."""
        if self._clock is not None:
            self._clock.cancel()
        await self.launcher.close()
