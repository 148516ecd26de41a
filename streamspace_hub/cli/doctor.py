"""`streamspace doctor`: what works and what does not, and what to do about it. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from streamspace_hub.cli.check import Check
from streamspace_hub.cli.doctor_machine import check_machine
from streamspace_hub.cli.doctor_turn import check_relays
from streamspace_hub.client import Client, ClientError, NotConfiguredError, Place, find_place
from streamspace_hub.model.turn import IceGrant

OLDEST, BEFORE = (5, 3), (7, 0)
"""Hubs that are supported: `jupyterhub>=5.3,<7`."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_all() -> list[Check]:
    """Look at everything."""
    try:
        place = find_place()
    except NotConfiguredError as error:
        return [Check("hub", "grey", "not configured", str(error)), *check_machine(required=True)]
    hub = _hub(place)
    lines = [hub]
    if hub.status == "green":
        lines += _service(place)
        lines += check_hub_side(place)
    return [*lines, *check_machine(required=urlsplit(place.url).hostname in LOOPBACK)]


def _hub(place: Place) -> Check:
    try:
        reply = httpx.get(f"{place.url}/hub/api/", timeout=10)
        text = str(reply.json()["version"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return Check(
            "hub", "red", f"{place.url} does not answer as a JupyterHub ({type(error).__name__})",
            "Set STREAMSPACE_URL to the hub's address, without /hub.",
        )  # fmt: skip
    numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
    if not OLDEST <= numbers < BEFORE:
        return Check("hub", "red", f"JupyterHub {text}", "Use JupyterHub 5.3 to 6.x.")
    return Check("hub", "green", f"JupyterHub {text} at {place.url}")


def _service(place: Place) -> Iterator[Check]:
    with Client(place.url, place.token) as client:
        try:
            health = client.health()
        except ClientError as error:
            yield Check("service", "red", str(error), "Turn it on: streamspace_hub.install(c, service=True).")
            return
        if health.status != "ok":
            missing = "its database" if not health.database else "the hub, from where it runs"
            yield Check("service", "red", f"{health.version} does not reach {missing}", "Its log says more.")
            return
        yield Check("service", "green", f"{health.version}, database and hub answer")
        try:
            me = client.whoami()
            apps = client.apps()
        except ClientError as error:
            yield Check("token", "red", str(error), f"Make a token at {place.url}/hub/token")
            return
        yield Check("token", "green", f"{me.kind} {me.name}" + (", administrator of sessions" if me.admin else ""))
        yield Check("catalog", "green" if apps else "red", f"{len(apps)} apps")


def check_hub_side(place: Place) -> Iterator[Check]:
    """Look at what `install` has set up in the hub, as far as this token shows it."""
    headers = {"Authorization": f"token {place.token}"}
    with httpx.Client(base_url=f"{place.url}/hub/api/", headers=headers, timeout=10) as hub:
        try:
            me = hub.get("user")
            proxy, turn = (hub.get(path) for path in ("proxy", "streamspace/turn"))
            with hub.stream("GET", "streamspace/changes") as changes:  # has no end for those who may read it
                pass
        except httpx.HTTPError as error:
            yield Check("rights", "red", f"the hub does not answer ({type(error).__name__})", "Its log says more.")
            return
        if me.status_code == 200 and me.json().get("kind") == "user":
            yield _rights(place, me.json())
    yield read_proxy(place, proxy)
    yield from read_turn(turn)
    if changes.status_code == 404:
        advice = "Call streamspace_hub.install(c, service=...) in the hub's configuration too."
        yield Check("changes", "grey", "the hub does not tell of them; the service finds them seconds later", advice)
    else:
        yield Check("changes", "green", "the hub tells the service at once")


def read_proxy(place: Place, reply: httpx.Response) -> Check:
    """Read what the hub says of its proxy (`GET /hub/api/proxy`), for which it has asked that one."""
    match reply.status_code:
        case 200:
            return Check("proxy", "green", "the hub reaches its API")
        case 401 | 403:
            found = f"{place.url} leads to the hub; whether the hub reaches its proxy, its administrators see"
            return Check("proxy", "grey", found)
    return Check(
        "proxy", "red", f"the hub does not reach its proxy's API (HTTP {reply.status_code}); no session can be opened",
        "See that configurable-http-proxy runs, and that c.ConfigurableHTTPProxy.api_url and auth_token are its own; "
        "the hub's log says more.",
    )  # fmt: skip


def read_turn(reply: httpx.Response) -> Iterator[Check]:
    """Read what the hub says of TURN, and try what it grants."""
    match reply.status_code:
        case 404:
            found = "none; WebRTC goes where it finds a direct way, everything else by WebSocket"
            advice = "Give the hub one, where WebRTC shall pass firewalls: install(c, turn=...)."
            yield Check("TURN", "grey", found, advice)
        case 503:
            yield Check("TURN", "red", "the hub cannot make credentials", "Its log says why: turn_secret_file.")
        case 200:
            try:
                grant = IceGrant.model_validate_json(reply.content)
            except ValidationError:
                yield Check("TURN", "red", "the hub's answer is none of ours", "Use the same version here and there.")
                return
            yield Check("TURN", "green", "the hub makes credentials")
            yield from check_relays(grant)
        case _:
            found = "the hub makes credentials for those with a running session; they were not tried"
            yield Check("TURN", "grey", found, "Start any session, and run this again.")


def _rights(place: Place, me: Mapping[str, Any]) -> Check:
    held, name = set(me.get("scopes", [])), me["name"]
    wanted = ("servers", "access:servers", "custom:streamspace:control")
    missing = [scope for scope in wanted if held.isdisjoint({scope, f"{scope}!user={name}"})]
    if missing:
        advice = (
            f"Make a token at {place.url}/hub/token without choosing scopes; if that lacks them too, the hub's "
            "configuration does not call streamspace_hub.install(c), or takes them from the role `user`."
        )
        return Check("rights", "red", f"this token lacks {', '.join(missing)}", advice)
    return Check("rights", "green", "start, stop and use your own sessions")
