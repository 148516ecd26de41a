"""Our part of an ordinary Jupyter server: the tiles' API, and the bridge to apps that run beside it."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp

from streamspace_proxy.extension import activity
from streamspace_proxy.extension.api import Apps, OneSession, SessionProgress, Sessions, Shelf
from streamspace_proxy.extension.here import HereLauncher
from streamspace_proxy.extension.hub_api import HubApi
from streamspace_proxy.extension.hub_launcher import HubLauncher
from streamspace_proxy.extension.launcher import Launcher
from streamspace_proxy.extension.routes import here_routes

_API = r"/streamspace/api/v1"
_NAME = r"([a-z][a-z0-9-]{0,29})"


class StreamSpaceExtension(ExtensionApp):
    """The server extension `streamspace_proxy`."""

    name = "streamspace_proxy"
    launcher: Launcher
    _clock: asyncio.Task[None] | None = None

    def initialize_handlers(self) -> None:
        """Add our routes, for the mode that the spawner chose."""
        assert self.serverapp is not None
        base_url = self.serverapp.web_app.settings["base_url"]
        routes: list[tuple[str, Any, dict[str, Any]]] = []
        if os.environ.get("STREAMSPACE_LAUNCH") == "hub":
            self.launcher = HubLauncher(
                HubApi.from_environment(),
                os.environ["JUPYTERHUB_USER"],
                os.environ.get("STREAMSPACE_PROXY_URL") or os.environ.get("JUPYTERHUB_PUBLIC_URL"),
                Path.home().resolve(),
            )
        else:
            here = HereLauncher(base_url)
            self.launcher = here
            routes += here_routes(base_url, here)
            self._clock = asyncio.ensure_future(activity.follow(here.all, self._note_activity))
        given = {"launcher": self.launcher, "shelf": Shelf.from_environment()}
        routes += [
            (rf"{_API}/apps", Apps, given),
            (rf"{_API}/sessions", Sessions, given),
            (rf"{_API}/sessions/{_NAME}", OneSession, given),
            (rf"{_API}/sessions/{_NAME}/progress", SessionProgress, given),
        ]
        self.handlers.extend(routes)

    async def _note_activity(self, moment: datetime) -> None:
        # The server's own culling (`ServerApp.shutdown_no_activity_timeout`) looks here.
        assert self.serverapp is not None
        self.serverapp.web_app.settings["last_activity_times"]["streamspace"] = moment

    async def stop_extension(self) -> None:
        """End what runs beside the server."""
        if self._clock is not None:
            self._clock.cancel()
        await self.launcher.close()
