"""A real receiver of webhooks, on loopback, that checks signatures and keeps what it hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from streamspace_hub.service.webhooks import signature
from tests.support.hub import LIMIT

SECRET = b"0123456789abcdef01234567"


class Receiver:
    """Hears events; `hook` is what the service is told of it."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.hook: dict[str, str] = {}

    async def take(self, request: web.Request) -> web.Response:
        """Take what is posted."""
        body = await request.read()
        name, stamp = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
        assert request.headers["webhook-signature"] == signature(SECRET, name, stamp, body)
        self.heard.append(await request.json())
        return web.Response(status=204)

    def of(self, user: str) -> list[dict[str, Any]]:
        """Return what was heard of a user's sessions."""
        return [one for one in self.heard if one["data"]["user"] == user]

    async def until(self, state: str, user: str, name: str | None = None) -> None:
        """Wait until a session of a user's, or that of a name, was in a state."""
        async with asyncio.timeout(LIMIT):
            while not any(
                one["data"]["state"] == state and name in (None, one["data"]["name"]) for one in self.of(user)
            ):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def receiver(folder: Path) -> AsyncIterator[Receiver]:
    """Run a receiver; its secret is written into `folder`."""
    found, app = Receiver(), web.Application()
    app.router.add_post("/", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    secret = folder / "secret"
    secret.write_bytes(SECRET)
    found.hook = {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/", "secret_file": str(secret)}
    try:
        yield found
    finally:
        await runner.cleanup()
