"""The viewer page and its files, served here so that the page loads while the streamer starts, or is dead."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from html import escape
from http.client import responses
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.httputil import url_concat

from streamspace_hub.model import Role
from streamspace_proxy.extension.bridge import BridgeHandler
from streamspace_proxy.extension.handlers import StepUpNeeded, error_page, sentence_for
from streamspace_proxy.extension.sessions import OpenSession, SessionFinder

STATIC = Path(__file__).parent.parent / "static"

# `blob:` images: cursors are made in the page. Frames: only our own origin (JupyterLab's tab).
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self' ws: wss:",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="same-origin">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="static/viewer.css?v={css}">
<script type="application/json" id="streamspace-config">{config}</script>
<script type="module" src="static/viewer.js?v={js}"></script>
</head>
<body></body>
</html>
"""


@dataclass(frozen=True)
class HubLinks:
    """Ways from the viewer page into the hub."""

    home_url: str
    stop_url: str
    """Where the page POSTs, relative to itself, to stop the session."""


class ViewerPage(BridgeHandler):
    """`GET` of a session's page."""

    def initialize(self, sessions: SessionFinder, hub: HubLinks | None = None) -> None:
        """Take the sessions, and the hub's links where there is a hub."""
        super().initialize(sessions)
        self._hub = hub

    @property
    def content_security_policy(self) -> str:
        """Return our own policy: this page has no inline script and loads nothing foreign."""
        return CONTENT_SECURITY_POLICY

    async def turn_away(self) -> None:
        """Send whoever is not signed in to sign in."""
        self.redirect(JupyterHandler.get_login_url(self))

    async def ask_for_second_factor(self, needed: StepUpNeeded) -> None:
        """Send a tab to where it is shown; what is inside of another page, e.g. JupyterLab's, gets a link to a tab."""
        address = url_concat(needed.page, {"to": self.request.uri or ""})
        if self.request.headers.get("Sec-Fetch-Dest", "document") == "document":
            self.redirect(address)
            return
        self.set_status(403)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(error_page("A second factor", needed.message, link=(address, "Show it in a new tab")))

    def get_login_url(self) -> str:
        """Return where to sign in."""
        provider = self.identity_provider
        own = getattr(provider, "login_url_for", None)
        return str(own(self) if own else JupyterHandler.get_login_url(self))

    @web.authenticated
    async def get(self, name: str) -> None:
        """Render the page."""
        session = self.find(name)
        js, css = version_of(STATIC / "viewer.js"), version_of(STATIC / "viewer.css")
        if js is None:
            raise web.HTTPError(503, "The viewer is not built: run `make build`, then load this page again.")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        config = script_json(self._config(session))
        self.finish(_PAGE.format(title=escape(session.title), css=css or "0", js=js, config=config))

    def _config(self, session: OpenSession) -> dict[str, object]:
        role = self.viewer_asked_for().role
        return {
            "app": {"name": session.app, "title": session.title},
            "hub": asdict(self._hub) if self._hub and self.viewer.role is Role.OWNER else None,
            "view": role is Role.VIEWER,
            # The page sends it back as X-XSRFToken; from cookies it could not tell which of several paths' is ours.
            "xsrf": self.xsrf_token.decode(),
        }

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with a page: a person is looking."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(error_page("This session cannot be shown", sentence_for(error, status_code)))


class PublicHandler(JupyterHandler):
    """A handler that gives away nothing, and so asks nobody who they are (not even when the hub cannot answer)."""

    async def prepare(self, *, _redirect_to_login: bool = True) -> None:
        """Let everybody in."""
        self.current_user = None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with a small page."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(error_page(responses.get(status_code, "Error"), sentence_for(error, status_code)))


class StaticFiles(PublicHandler, web.StaticFileHandler):
    """The viewer's scripts and styles.

    Open to all, as Jupyter's own are: they hold nothing of a session, and a browser fetches module scripts in a mode
    in which the hub's cross-site check takes no cookie.
    """

    def get_cache_time(self, path: str, modified: object, mime_type: str) -> int:
        """Leave caching to `set_extra_headers`."""
        return 0

    def set_extra_headers(self, path: str) -> None:
        """Let caches keep what is named with its content's hash for good, and nothing else unasked."""
        named = self.get_argument("v", None)
        known = named is not None and named == version_of(STATIC / path)
        self.set_header("Cache-Control", "public, max-age=31536000, immutable" if known else "no-cache")

    @allow_unauthenticated
    async def get(self, path: str, include_body: bool = True) -> None:
        """Send the file, the same for every session."""
        await web.StaticFileHandler.get(self, path, include_body)

    @allow_unauthenticated
    async def head(self, path: str) -> None:
        """Send the file's headers."""
        await web.StaticFileHandler.get(self, path, include_body=False)


class Redirect(PublicHandler):
    """Redirects, with the query kept. `{}` in the address stands for what the route's pattern captured."""

    def initialize(self, to: str) -> None:
        """Take the address."""
        self._to = to

    @allow_unauthenticated
    async def get(self, captured: str = "") -> None:
        """Redirect."""
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(self._to.replace("{}", captured) + query)


def script_json(value: object) -> str:
    """Return JSON that is safe between script tags, whatever strings it holds (HTML, "Restrictions on scripts")."""
    return json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def version_of(file: Path) -> str | None:
    """Return a short hash of the file's content, None if there is no such file."""
    try:
        return _hash(file, file.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=64)
def _hash(file: Path, _modified: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
