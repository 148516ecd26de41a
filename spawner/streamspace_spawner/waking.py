"""Asks a session that is being woken whether it is as it was. Knows the session's API, and no spawner."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPError

PAUSE = 0.1
"""Seconds between two questions."""
LONGEST = 500
"""Characters of what a session says: it is a user's program that does."""
LARGEST = 1 << 16


async def how_it_woke(url: str, token: str, limit: float) -> str | None:
    """Return the sentence with which a session says how it woke; None when it says nothing.

    Args:
        url: of the session's status.
        token: the session's own.
        limit: seconds after which the user is let in all the same.
    """
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        desktop = await _desktop(url, token)
        restored = desktop.get("restored")
        if isinstance(restored, dict):
            return _plain(restored.get("said"))
        if desktop.get("state") in ("running", "failed"):
            return None
        await asyncio.sleep(PAUSE)
    return None


async def _desktop(url: str, token: str) -> dict[str, Any]:
    try:
        reply = await AsyncHTTPClient().fetch(
            url, headers={"Authorization": f"token {token}"}, request_timeout=5.0, follow_redirects=False
        )
        told = json.loads(reply.body) if len(reply.body) <= LARGEST else {}
        desktop = told.get("desktop") if isinstance(told, dict) else None
    except (HTTPError, OSError, ValueError, RecursionError):
        return {}
    return desktop if isinstance(desktop, dict) else {}


def _plain(said: object) -> str | None:
    if not isinstance(said, str) or not said:
        return None
    return "".join(letter if letter.isprintable() else " " for letter in said)[:LONGEST]
