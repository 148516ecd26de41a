"""A server that holds nothing but the bridge, in front of one streamer: Jupyter's own sign-in, and our routes.

`python -m tests.support.bridge_server SOCKET PORT PATIENCE [TITLE [TURN SETTINGS AS JSON]]`; the token is `secret`,
the app's name `gimp`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path

from jupyter_server.auth import AllowAllAuthorizer, IdentityProvider
from streamspace_proxy.extension.routes import here_routes
from streamspace_proxy.extension.sessions import OpenSession
from streamspace_proxy.extension.streamer_link import StreamerLink
from streamspace_proxy.extension.turn import OwnTurn, TurnSource
from tornado import web

from streamspace_hub.model.turn import TurnSettings

TOKEN = "secret"
BASE, OTHER_BASE = "/base/", "/other/"
"""To a browser these are two hubs behind one host name. The bridge itself, and its cookies, are those of the first."""
FORWARDED = "desk.localhost"
"""A name for this machine that a browser elsewhere can be made to look up: a secure context without TLS, too."""
TITLE = 'GIMP </script><script>alert("x")</script>'


class OneApp:
    """The finder of the one session."""

    def __init__(self, session: OpenSession) -> None:
        self.session = session

    def find(self, name: str) -> OpenSession | None:
        return self.session if name == self.session.app else None

    def all(self) -> Iterable[OpenSession]:
        return (self.session,)


def make_application(link: StreamerLink, title: str, turn: TurnSource | None = None) -> web.Application:
    identity = IdentityProvider(token=TOKEN, cookie_options={"path": "/"})
    sessions = OneApp(OpenSession("gimp", title, link))
    return web.Application(
        [
            (f"{base[:-1]}{pattern}", handler, given)
            for base in (BASE, OTHER_BASE)
            for pattern, handler, given in here_routes(base, sessions, turn)
        ],
        base_url=BASE,
        identity_provider=identity,
        authorizer=AllowAllAuthorizer(identity_provider=identity),
        cookie_secret=b"x" * 32,
        xsrf_cookies=False,
        login_url=f"{BASE}login",
        local_hostnames=["localhost", FORWARDED],
    )


async def serve(socket: str, port: int, patience: float, title: str = TITLE, turn: str = "") -> None:
    source = OwnTurn(TurnSettings.model_validate_json(turn)) if turn else None
    make_application(StreamerLink(Path(socket), patience), title, source).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]))
