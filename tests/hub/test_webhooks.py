"""Webhooks of the service as the hub runs it, from a session's start to what a receiver gets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from streamspace_hub.service.webhooks import signature
from tests.support.hub import LIMIT
from tests.support.service import service_hub

pytestmark = [pytest.mark.hub, pytest.mark.x11]

SECRET = b"0123456789abcdef01234567"


def mine(heard: list[dict[str, Any]], user: str) -> list[dict[str, Any]]:
    return [one for one in heard if one["data"]["user"] == user]


async def test_a_receiver_hears_of_a_session_from_its_start_to_its_end(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        name, stamp = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
        assert request.headers["webhook-signature"] == signature(SECRET, name, stamp, body)
        heard.append(await request.json())
        return web.Response(status=204)

    async def until(state: str, user: str) -> None:
        async with asyncio.timeout(LIMIT):
            while state not in [one["data"]["state"] for one in mine(heard, user)]:
                await asyncio.sleep(0.05)

    app = web.Application()
    app.router.add_post("/", take)
    receiver = web.AppRunner(app)
    await receiver.setup()
    await web.TCPSite(receiver, "127.0.0.1", 0).start()
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    hook = {"url": f"http://127.0.0.1:{receiver.addresses[0][1]}/", "secret_file": str(secret)}
    try:
        async with service_hub(webhooks=[hook]) as running:
            # The webhook begins with what happens once the service leads, which nothing tells from outside.
            async with asyncio.timeout(LIMIT):
                while not heard:
                    async with running.hub.session(running.bob, "before"):
                        pass
            async with running.hub.session(running.ann, "one"):
                await until("running", running.ann)
            await until("stopped", running.ann)
            states = [one["data"]["state"] for one in mine(heard, running.ann)]
            assert [state for state in states if state != "stopping"] == ["starting", "running", "stopped"]
            assert {one["type"] for one in heard} == {"session"}
    finally:
        await receiver.cleanup()
