"""`SessionProxy`: JupyterHub's own proxy, but for what it says of the activity of sessions.

configurable-http-proxy takes every byte that a browser sends for activity, and a WebSocket's pongs and our
acknowledgements are such bytes: an open tab would keep a session for ever. JupyterHub takes the later of what the
proxy and the server say; so the proxy must say nothing. (`JupyterHub.last_activity_interval = 0` would turn the repair
of lost routes off with it.)
"""

from __future__ import annotations

from typing import Any

from jupyterhub.proxy import ConfigurableHTTPProxy


class SessionProxy(ConfigurableHTTPProxy):
    """configurable-http-proxy that knows nothing of when sessions were used; other servers are as ever.

    Configured as `c.ConfigurableHTTPProxy`.
    """

    async def get_all_routes(self) -> dict[str, dict[str, Any]]:
        """Return the proxy's routes, those of sessions without `last_activity`, which JupyterHub then leaves alone."""
        routes: dict[str, dict[str, Any]] = await super().get_all_routes()
        sessions = self._sessions()
        for route in routes.values():
            data = route["data"]
            if (data.get("user"), data.get("server_name")) in sessions:
                route["data"] = {name: value for name, value in data.items() if name != "last_activity"}
        return routes

    def _sessions(self) -> set[tuple[str, str]]:
        # All at once: looking a user up by name takes JupyterHub a walk over all of them.
        return {
            (user.name, name)
            for user in self.app.users.values()
            for name, spawner in user.spawners.items()
            if getattr(spawner, "session_state", None)
        }
