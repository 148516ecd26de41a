"""The web server of a hub session: signs visitors in, and opens nothing but the session.

It takes the place of `jupyterhub-singleuser`, without the Jupyter server under it: no kernels, terminals, contents or
files to be reached by those with whom a session is shared, and no configuration that the user's files could change.
It answers before the streamer is up; the page shows what is still missing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import signal
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlparse

from jupyter_server.auth import AllowAllAuthorizer
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyterhub import __version__ as jupyterhub_version
from jupyterhub.services.auth import HubOAuth
from tornado import web
from tornado.httpserver import HTTPServer

from streamspace_hub.model import AppTemplate, Policy, Role
from streamspace_proxy.extension import activity
from streamspace_proxy.extension.entry import PolicyEntry
from streamspace_proxy.extension.handlers import AuthorisedHandler, Entry, Refusal, this_server
from streamspace_proxy.extension.hub_api import HubApi, HubError, internal_ssl
from streamspace_proxy.extension.identity import HubIdentityProvider, OAuthCallback
from streamspace_proxy.extension.logs import SessionLog
from streamspace_proxy.extension.page import HubLinks, PublicHandler, Redirect
from streamspace_proxy.extension.routes import only_session_routes
from streamspace_proxy.extension.sessions import OnlySession, OpenSession
from streamspace_proxy.extension.shares import Shares
from streamspace_proxy.extension.streamer_link import StreamerLink
from streamspace_proxy.extension.turn import HubTurn
from streamspace_proxy.telemetry import configure_logging

log = logging.getLogger("streamspace.session")

REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
LARGEST_BODY = 1024 * 1024
LAST_WORDS = 0.05
"""Seconds in which answers that are under way leave before the end."""


@dataclass(frozen=True)
class Place:
    """Where this server stands, as the hub's spawner says in the environment."""

    host: str
    port: int
    base_url: str
    hub_home: str
    server_api: str
    """Path of this server under the hub's API."""
    second_factor: str
    """Address of the service's page on which a second factor is shown."""

    @classmethod
    def from_environment(cls) -> Place:
        """Read `JUPYTERHUB_*`; a missing variable is named."""
        missing = [name for name in _REQUIRED if not os.environ.get(name)]
        if missing:
            raise SystemExit(f"{missing[0]} is not set: this server is started by a JupyterHub spawner, not by hand.")
        url = urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])
        user = quote(os.environ["JUPYTERHUB_USER"], safe="")
        name = quote(os.environ.get("JUPYTERHUB_SERVER_NAME", ""), safe="")
        hub_base = f"{os.environ.get('JUPYTERHUB_HOST', '')}{os.environ.get('JUPYTERHUB_BASE_URL', '/')}"
        return cls(
            host=url.hostname or "",
            port=url.port or (443 if url.scheme == "https" else 80),
            base_url=f"/{os.environ['JUPYTERHUB_SERVICE_PREFIX'].strip('/')}/",
            hub_home=f"{hub_base}hub/home",
            server_api=f"/users/{user}/servers/{name}" if name else f"/users/{user}/server",
            second_factor=f"{hub_base}services/streamspace/step-up",
        )


_REQUIRED = (
    "JUPYTERHUB_SERVICE_URL",
    "JUPYTERHUB_SERVICE_PREFIX",
    "JUPYTERHUB_API_URL",
    "JUPYTERHUB_API_TOKEN",
    "JUPYTERHUB_CLIENT_ID",
    "JUPYTERHUB_USER",
    "STREAMSPACE_RUNTIME_DIR",
    "STREAMSPACE_TEMPLATE",
    "STREAMSPACE_POLICY",
)


class Version(PublicHandler):
    """`api`: what the hub asks to see whether the server is up."""

    @allow_unauthenticated
    async def get(self) -> None:
        """Say the version."""
        self.finish({"version": jupyterhub_version})


class Status(AuthorisedHandler):
    """`api/status`: the fields of a Jupyter server's, for tools that ask every server."""

    def initialize(self, life: Life) -> None:
        """Take what is told."""
        self._life = life

    @web.authenticated
    async def get(self) -> None:
        """Say since when it runs and when it was last used."""
        started, last = self._life.started.isoformat(), self._life.last_activity.isoformat()
        self.write_json({"started": started, "last_activity": last, "connections": 0, "kernels": 0})


class Stop(AuthorisedHandler):
    """`streamspace/api/v1/stop`: the owner ends the session from its page."""

    allowed_roles = frozenset({Role.OWNER})

    def initialize(self, hub: HubApi, place: Place, life: Life) -> None:
        """Take the hub that is asked, and what shows that it has heard."""
        self._hub = hub
        self._place = place
        self._life = life

    @web.authenticated
    async def post(self) -> None:
        """Ask the hub to stop this server; 202, since it ends us too."""
        asked = asyncio.create_task(self._hub.request("DELETE", self._place.server_api))
        ended = asyncio.create_task(self._life.ended.wait())
        # The hub answers when we are gone; that it has begun to end us is answer enough.
        await asyncio.wait((asked, ended), return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            ended.cancel()
            try:
                asked.result()
            except HubError as error:
                raise Refusal(error.status, f"JupyterHub did not stop the session: {error.message}") from error
        self.set_status(202)
        self.write_json({"message": "The session is being stopped."})


class NotHere(PublicHandler):
    """All other paths."""

    async def prepare(self, *, _redirect_to_login: bool = True) -> None:
        """Say that there is nothing."""
        await super().prepare()
        raise web.HTTPError(404, "An app session has nothing at this address.")


@dataclass
class Life:
    """When this server began, when the session was last used, and whether it is ending."""

    started: datetime
    last_activity: datetime
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class SessionServer:
    """All that the server is made of."""

    place: Place
    session: OpenSession
    hub: HubApi
    life: Life
    application: web.Application

    @classmethod
    def from_environment(cls) -> SessionServer:
        """Put the server together."""
        place = Place.from_environment()
        template = AppTemplate.model_validate_json(os.environ["STREAMSPACE_TEMPLATE"])
        socket = Path(os.environ["STREAMSPACE_RUNTIME_DIR"], "streamer.sock")
        session = OpenSession(template.name, template.title, StreamerLink(socket))
        hub, now = HubApi.from_environment(), datetime.now(UTC)
        life = Life(now, now)
        policy = Policy.model_validate_json(os.environ["STREAMSPACE_POLICY"])
        proxies = [one for one in os.environ.get("STREAMSPACE_TRUSTED_PROXIES", "").split(",") if one]
        entry = PolicyEntry(policy, hub, place.second_factor, proxies)
        return cls(place, session, hub, life, make_application(place, session, hub, life, entry))

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.life.ended.set)
        # The proxy in front of us says whom it speaks for and over which protocol.
        server = HTTPServer(self.application, xheaders=True, ssl_options=internal_ssl(), max_body_size=LARGEST_BODY)
        server.listen(self.place.port, self.place.host)
        log.info("Serving %s at %s:%s%s", self.session.title, self.place.host, self.place.port, self.place.base_url)
        reports = asyncio.create_task(self._report_activity())
        await self.life.ended.wait()
        reports.cancel()
        server.stop()
        await asyncio.sleep(LAST_WORDS)
        await self.session.link.close()
        await self.hub.close()

    async def _report_activity(self) -> None:
        url, interval = os.environ.get("JUPYTERHUB_ACTIVITY_URL"), os.environ.get("JUPYTERHUB_ACTIVITY_INTERVAL")
        name = os.environ.get("JUPYTERHUB_SERVER_NAME", "")

        async def report(moment: datetime) -> None:
            self.life.last_activity = moment
            if url is None:
                return
            stamp = moment.isoformat()
            body = {"servers": {name: {"last_activity": stamp}}, "last_activity": stamp}
            try:
                await self.hub.request("POST", url.removeprefix(self.hub.url), body)
            except HubError as error:
                log.warning("JupyterHub was not told of the last activity: %s", error.message)

        await activity.follow(lambda: (self.session,), report, float(interval or activity.INTERVAL))


def make_application(place: Place, session: OpenSession, hub: HubApi, life: Life, entry: Entry) -> web.Application:
    """Return the application with every route there is; `entry` says what they ask of visitors."""
    hub_auth = HubOAuth(base_url=place.base_url)
    identity = HubIdentityProvider(hub_auth, this_server(), Shares(hub, this_server()))
    home = {"to": f"{place.base_url}streamspace/"}
    routes: list[tuple[str, Any, dict[str, Any]]] = [
        (r"/(?:|lab|tree)/?", Redirect, home),
        (r"/api/?", Version, {}),
        (r"/api/status", Status, {"life": life}),
        (r"/oauth_callback", OAuthCallback, {"hub_auth": hub_auth}),
        (r"/streamspace/api/v1/stop", Stop, {"hub": hub, "place": place, "life": life}),
        *only_session_routes(
            place.base_url, OnlySession(session), HubLinks(place.hub_home, "api/v1/stop"), HubTurn(hub)
        ),
    ]
    prefix = re.escape(place.base_url.rstrip("/"))
    return web.Application(
        [(prefix + pattern, handler, arguments) for pattern, handler, arguments in routes],
        default_handler_class=NotHere,
        base_url=place.base_url,
        # A new one each time: whoever comes back after a restart is signed in again by the hub without being asked.
        cookie_secret=secrets.token_bytes(32),
        xsrf_cookie_kwargs={"path": place.base_url},
        # tornado checks before it is known who asks; `JupyterHandler.prepare` checks afterwards, always.
        xsrf_cookies=False,
        allow_unauthenticated_access=False,
        # The Host header is the proxy's business.
        allow_remote_access=True,
        identity_provider=identity,
        authorizer=AllowAllAuthorizer(identity_provider=identity),
        headers={"X-JupyterHub-Version": jupyterhub_version},
        log_function=log_request,
        streamspace_entry=entry,
    )


def log_request(handler: web.RequestHandler) -> None:
    """Log a request without its query, which may hold a sign-in's secrets.

    JupyterHub has one too (`jupyterhub.log`); importing it loads the hub's database layer, half of our start.
    """
    request, status = handler.request, handler.get_status()
    if isinstance(handler, SessionLog) and status < 400:
        return  # who follows the log would fill it
    level = logging.INFO if status < 400 else logging.WARNING if status < 500 else logging.ERROR
    given = request.headers.get("X-Request-Id", "")
    fields = {"request_id": given} if REQUEST_ID.fullmatch(given) else {}
    log.log(
        level,
        "%d %s %s %.1f ms",
        status,
        request.method,
        request.path,
        1000 * request.request_time(),
        extra={"fields": fields},
    )


def main() -> int:
    """Run the server until it is told to end."""
    configure_logging("[%(levelname).1s %(asctime)s %(name)s] %(message)s")
    server = SessionServer.from_environment()
    asyncio.run(server.run())
    return 0
