"""What the shell offers for names: the hub's apps, and sessions. Where there is nothing to ask, it offers nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import typer

from streamspace_hub.client import NotConfiguredError, find_place
from streamspace_hub.client.exchange import options

PATIENCE = 2.0
"""Seconds that somebody who has pressed the tabulator may be kept waiting, for each answer."""


def app_names(incomplete: str) -> list[tuple[str, str]]:
    """Return the names of apps that begin so, with their titles."""
    return [(one["name"], one["title"]) for one in _listed("apps", "apps") if one["name"].startswith(incomplete)]


def session_names(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the names of sessions that begin so, of `--user` or else one's own, with what they run."""
    user = ctx.params.get("user") or _answer("user").get("name")
    found = _listed("sessions", "sessions", user=user, limit=200) if user else ()
    return [(one["name"], f"{one['title']}, {one['state']}") for one in found if one["name"].startswith(incomplete)]


def _listed(path: str, of: str, **query: Any) -> Iterator[dict[str, Any]]:
    yield from _answer(path, **query).get(of, [])


def _answer(path: str, **query: Any) -> dict[str, Any]:
    """Return what the service answers; nothing where it does not: a sentence would stand in the line being typed."""
    try:
        place = find_place()
        with httpx.Client(base_url=place.api, **{**options(place.token), "timeout": PATIENCE}) as client:
            reply = client.get(path, params=query)
            return dict(reply.json()) if reply.is_success else {}
    except (NotConfiguredError, httpx.HTTPError, ValueError):
        return {}
