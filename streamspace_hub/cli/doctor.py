"""`streamspace doctor`: what works and what does not, and what to do about it. Changes nothing."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from streamspace_hub.client import Client, ClientError, NotConfiguredError, Place, find_place

OLDEST, BEFORE = (5, 3), (7, 0)
"""Hubs that are supported: `jupyterhub>=5.3,<7`."""
PROGRAMS = {
    "Xtigervnc": ("X server", "apt-get install tigervnc-standalone-server"),
    "openbox": ("window manager", "apt-get install openbox"),
    "dbus-daemon": ("D-Bus", "apt-get install dbus"),
    "pulseaudio": ("sound server", "apt-get install pulseaudio"),
    "setxkbmap": ("keyboard layouts", "apt-get install x11-xkb-utils xkb-data"),
}
LEAST_STORAGE = 2**30
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    status: Literal["green", "red", "grey"]
    """`grey`: does not matter here, or could not be looked at."""
    found: str
    advice: str = ""

    @property
    def mark(self) -> str:
        """What the line begins with."""
        return {"green": "[ok]  ", "red": "[FAIL]", "grey": "[--]  "}[self.status]

    def as_dict(self) -> dict[str, Any]:
        """Return the line for a program."""
        return asdict(self)


def check_all() -> list[Check]:
    """Look at everything."""
    try:
        place = find_place()
    except NotConfiguredError as error:
        return [Check("hub", "grey", "not configured", str(error)), *_machine(required=True)]
    hub = _hub(place)
    lines = [hub]
    if hub.status == "green":
        lines += _service(place)
        lines += _hub_side(place)
    return [*lines, *_machine(required=urlsplit(place.url).hostname in LOOPBACK)]


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


def _hub_side(place: Place) -> Iterator[Check]:
    """Look at what `install` has set up in the hub, as far as this token shows it."""
    headers = {"Authorization": f"token {place.token}"}
    with httpx.Client(base_url=f"{place.url}/hub/api/", headers=headers, timeout=10) as hub:
        try:
            me = hub.get("user")
            turn, changes = (hub.get(f"streamspace/{name}").status_code for name in ("turn", "changes"))
        except httpx.HTTPError as error:
            yield Check("rights", "red", f"the hub does not answer ({type(error).__name__})", "Its log says more.")
            return
        if me.status_code == 200 and me.json().get("kind") == "user":
            yield _rights(place, me.json())
    match turn:
        case 404:
            found = "none; WebRTC goes where it finds a direct way, everything else by WebSocket"
            yield Check(
                "TURN", "grey", found, "Give the hub one, where WebRTC shall pass firewalls: install(c, turn=...)."
            )
        case 503:
            yield Check("TURN", "red", "the hub cannot make credentials", "Its log says why: turn_secret_file.")
        case _:
            yield Check("TURN", "green", "the hub makes credentials")
    if changes == 404:
        advice = "Call streamspace_hub.install(c, service=...) in the hub's configuration too."
        yield Check("changes", "grey", "the hub does not tell of them; the service finds them seconds later", advice)
    else:
        yield Check("changes", "green", "the hub tells the service at once")


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


def _storage(*, required: bool) -> Check:
    free = shutil.disk_usage(Path.home()).free
    found = f"{free / 2**30:.1f} GiB free in {Path.home()}"
    if required and free < LEAST_STORAGE:
        return Check("storage", "red", found, "Apps keep settings and files there: make room.")
    return Check("storage", "green" if required else "grey", found)


def _machine(*, required: bool) -> Iterator[Check]:
    """Look at this machine, on which sessions run if the hub does."""
    missing: Literal["red", "grey"] = "red" if required else "grey"
    yield _storage(required=required)
    for program, (name, advice) in PROGRAMS.items():
        path = shutil.which(program)
        if path:
            yield Check(name, "green", path)
        else:
            yield Check(name, missing, f"{program} is not on this machine", advice if required else "")
    for module, (name, advice) in {
        "av": ("H.264 encoder", 'pip install "streamspace-hub[session]"'),
        "aiortc": ("WebRTC", 'pip install "streamspace-hub[session]"'),
    }.items():
        if importlib.util.find_spec(module):
            yield Check(name, "green", f"Python package {module}")
        else:
            yield Check(name, missing, f"the Python package {module} is not here", advice if required else "")
