"""The pages, their files, and the way in: whoever has not signed in is sent to the hub."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from pathlib import Path
from types import MappingProxyType

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from streamspace_hub.model.api import Outcome
from streamspace_hub.service.authentication import UnknownToken
from streamspace_hub.service.context import Context
from streamspace_hub.service.hub import HubError
from streamspace_hub.service.identity import Caller
from streamspace_hub.service.problems import ProblemError, retry_after
from streamspace_hub.service.requests import Asking, InContext, network_refusal, origin_of
from streamspace_hub.service.signin import (
    COOKIE,
    FLOW_SECONDS,
    SignIn,
    flow_cookie,
    is_opened,
    is_ours,
    proof_of,
)

router = APIRouter(include_in_schema=False)

STATIC = Path(__file__).parents[1] / "static"
TYPES = {".js": "text/javascript", ".css": "text/css"}
FOREVER = "public, max-age=31536000, immutable"
COOKIE_SECONDS = 14 * 24 * 3600
"""The hub ends tokens earlier: when the user signs out, or after `oauth_token_expires_in`."""
RETRY = 5
"""Seconds after which a hub that does not answer may be there again."""
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # Icons of apps are data; pictures of sessions are fetched by script.
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>My desktops</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="static/pages.css?v={css}">
<script type="application/json" id="streamspace-page">{config}</script>
<script type="module" src="static/pages.js?v={js}"></script>
</head>
<body><div id="root"></div><noscript>This page needs JavaScript.</noscript></body>
</html>
"""
PLAIN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>StreamSpace</title><link rel="icon" href="data:,"></head>
<body><h1>{title}</h1><p>{text}</p><p><a href="{link}">{label}</a></p></body></html>
"""


@router.get("/")
async def my_desktops(request: Request, context: InContext) -> Response:
    """Show the page to whoever has signed in; send everybody else to do so."""
    return await _page(request, context, "")


@router.get("/step-up")
async def step_up(request: Request, context: InContext, to: str = "") -> Response:
    """Show the page on which second factors are shown and set up; it goes on to the session at the path `to`."""
    ours = is_ours(to, f"{context.settings.base_url}user/")
    return await _page(request, context, "step-up", {"to": to if ours else None})


async def _page(request: Request, context: InContext, path: str, more: Mapping[str, object] | None = None) -> Response:
    prefix = context.settings.prefix
    if not is_opened(request.headers):
        return _plain(
            context, "Not shown here", "This page is opened in a tab of its own, and not by other pages.", 403
        )
    token = request.cookies.get(COOKIE, "")
    try:
        caller = await _known(request, context, token)
    except UnknownToken:
        return _to_the_hub(request, context, path)
    except ProblemError as problem:
        return _plain(context, problem.title, problem.detail, problem.status, problem.headers)
    service = context.settings.service_name
    refused = None if caller.may_enter(service) else f"This account does not hold access:services!service={service}."
    if refused := refused or network_refusal(request, context):
        await Asking(request, context, caller).note("authenticate", None, Outcome.DENIED, refused)
        return _plain(context, "Not permitted", refused, 403)
    versions = {kind: _version(f"pages.{kind}") for kind in ("css", "js")}
    if versions["js"] is None:
        return _plain(context, "Not built", "The pages are not built: run `make build`.", 503)
    config = {
        "api": prefix.rstrip("/"),
        "proof": proof_of(context.settings.api_token.get_secret_value(), token),
        "user": caller.name,
        "admin": caller.is_admin,
        "pictures": _pictures(context, caller),
        "traces": context.traces.on,
        "shares": caller.may_share(caller.name, ""),
        "sharedWithYou": caller.may_read_shared(caller.name),
        "hubHome": _hub(context, "home"),
        "signOut": _hub(context, "logout"),
        "home": prefix,
        "view": path,
        **(more or {}),
    }
    page = PAGE.format(config=_script_json(config), css=versions["css"], js=versions["js"])
    return _html(page, 200, {"Content-Security-Policy": CONTENT_SECURITY_POLICY})


@router.get("/oauth_callback")
async def come_back(request: Request, context: InContext, state: str = "", code: str = "", error: str = "") -> Response:
    """Take what the hub says of who it is, and go to where they wanted to."""
    flow = SignIn.of(state, request.cookies)
    if flow is None or not is_ours(flow.to, context.settings.prefix):
        text = "This sign-in was not begun in this browser, or took too long. Begin again."
        return _plain(context, "Not signed in", text, 400)
    if error or not code:
        return _plain(context, "Not signed in", f"The hub says: {error or 'nothing'}.", 403)
    secret = context.settings.api_token.get_secret_value()
    try:
        token = await context.hub.token_for_code(
            flow.form(code, context.settings.client_id, secret, context.settings.callback)
        )
    except HubError as refused:
        if refused.status < 500:
            return _plain(context, "Not signed in", refused.message, 403)
        # What has begun is kept: the same address is good for as long as the hub's code is.
        text = f"{refused.message} Load this page again in a moment."
        return _plain(context, "Not signed in", text, 503, retry_after(RETRY))
    answer = RedirectResponse(flow.to, 302)
    _set_cookie(answer, request, context, COOKIE, token, COOKIE_SECONDS)
    answer.delete_cookie(flow_cookie(state), path=context.settings.prefix)
    return answer


@router.get("/static/{name}")
async def static(name: str, v: str = "") -> Response:
    """Send a file of the pages. Open to all: it holds nothing of anybody's."""
    file, known = STATIC / name, _version(name)
    if known is None or file.parent != STATIC:
        raise ProblemError("not-found", "There is no such file.")
    # Small, and in the system's cache: reading it takes less than asking a thread to.
    body = file.read_bytes()
    kind = TYPES.get(file.suffix, "application/octet-stream")
    return Response(body, media_type=kind, headers={"Cache-Control": FOREVER if v == known else "no-cache"})


async def _known(request: Request, context: Context, token: str) -> Caller:
    if not token:
        raise UnknownToken
    return await context.authentication.caller(token, origin_of(request))


def _pictures(context: Context, caller: Caller) -> str:
    """Return whose sessions the page shows pictures of: what would be denied is not even asked for."""
    if not context.thumbnails.offered:
        return "none"
    return "all" if {"access:servers", "custom:streamspace:view"} <= caller.scopes else "own"


def _to_the_hub(request: Request, context: Context, path: str) -> Response:
    flow = SignIn.begin(context.settings.prefix + path + (f"?{request.url.query}" if request.url.query else ""))
    authorize = _hub(context, "api/oauth2/authorize")
    answer = RedirectResponse(flow.address(authorize, context.settings.client_id, context.settings.callback), 302)
    _set_cookie(answer, request, context, *flow.cookie, FLOW_SECONDS)
    return answer


def _set_cookie(answer: Response, request: Request, context: Context, name: str, value: str, seconds: int) -> None:
    # What the browser speaks is what the first proxy says.
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme).partition(",")[0].strip()
    answer.set_cookie(
        name,
        value,
        max_age=seconds,
        path=context.settings.prefix,
        secure=scheme == "https",
        httponly=True,
        samesite="lax",
    )


def _hub(context: Context, path: str) -> str:
    return f"{context.settings.hub_host}{context.settings.base_url}hub/{path}"


def _plain(
    context: Context, title: str, text: str, status: int, headers: Mapping[str, str] = MappingProxyType({})
) -> Response:
    link = escape(context.settings.prefix, quote=True)
    return _html(PLAIN.format(title=escape(title), text=escape(text), link=link, label="Try again"), status, headers)


def _html(body: str, status: int, headers: Mapping[str, str]) -> Response:
    return Response(body, status, {"Cache-Control": "no-store", **headers}, "text/html; charset=utf-8")


def _script_json(value: object) -> str:
    """Return JSON that is safe between script tags, whatever it holds (HTML, "Restrictions on scripts")."""
    return json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@lru_cache(maxsize=16)
def _version(name: str) -> str | None:
    """Return a short hash of a file's content, None if there is no such file; files don't change while we run."""
    try:
        return hashlib.sha256((STATIC / Path(name).name).read_bytes()).hexdigest()[:16]
    except OSError:
        return None
