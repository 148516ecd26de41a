"""Small pictures of sessions, fetched from their streamers through the hub's proxy, for those who may see the screens.

They are asked for with the caller's own token, so that the session decides once more who may look. However many look,
a session is asked once in `FRESH` seconds; when nobody looks, nobody asks.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

FRESH = 2.0
LIMIT = 5.0
"""Seconds that a session may take to answer."""
LARGEST = 256 * 1024
MOST = 1000
"""Sessions whose last picture is kept."""
KIND = "image/jpeg"

log = logging.getLogger("streamspace.service")


@dataclass
class _Kept:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    at: float = -FRESH
    picture: bytes | None = None


class Thumbnails:
    """What one replica knows of pictures."""

    def __init__(self, proxy_url: str, now: Callable[[], float] = time.monotonic) -> None:
        self._client = httpx.AsyncClient(
            base_url=proxy_url or "http://none", timeout=LIMIT, trust_env=False, limits=httpx.Limits(max_connections=50)
        )
        self.offered = bool(proxy_url)
        """Whether it is known where the hub's proxy is."""
        self._now = now
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def get(self, url: str, token: str) -> bytes | None:
        """Return a JPEG of the session whose page is at the path `url`; None when there is none now."""
        kept = self._kept.setdefault(url, _Kept())
        self._kept.move_to_end(url)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
        async with kept.lock:
            if self._now() - kept.at >= FRESH:
                kept.picture = await self._fetch(url, token)
                kept.at = self._now()
            return kept.picture

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _fetch(self, url: str, token: str) -> bytes | None:
        try:
            reply = await self._client.get(f"{url}api/v1/thumbnail", headers={"Authorization": f"token {token}"})
        except httpx.HTTPError as error:
            log.info("no picture of %s: %s", url, type(error).__name__)
            return None
        fits = reply.headers.get("Content-Type") == KIND and len(reply.content) <= LARGEST
        if reply.status_code == 200 and fits:
            return reply.content
        log.info("no picture of %s: it answered %d", url, reply.status_code)
        return None
