"""TURN credentials under a real hub: who gets them, how a viewer does, and that the secret stays with the hub."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator

import aiohttp
import psutil
import pytest
import pytest_asyncio

from tests.support.hub import TempHub, new_user, processes_of, temp_hub

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]

SECRET = "a-secret-of-this-test"
URLS = ["turn:turn.example.org:3478", "turns:turn.example.org:443?transport=tcp"]
CONFIG = f"""
import os
with open(run["folder"] + "/turn-secret", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
    file.write({SECRET!r})
c.StreamSpace.turn_urls = {URLS!r}
c.StreamSpace.turn_secret_file = run["folder"] + "/turn-secret"
c.StreamSpace.turn_ttl = 600
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[TempHub]:
    async with temp_hub(new_user(), extra=CONFIG) as running:
        yield running


async def test_a_viewer_gets_short_lived_credentials_that_the_turn_server_will_know(hub: TempHub) -> None:
    user = hub.users[0]
    async with hub.session(user, "one"):
        token = await hub.user_token(user)
        async with aiohttp.ClientSession(headers={"Authorization": f"token {token}"}) as client:
            url = f"{hub.url}/user/{user}/one/streamspace/ws"
            async with client.ws_connect(url, protocols=["streamspace.v1"]) as ws:
                hello = await ws.receive_json(timeout=20)
        (server,) = hello["ice_servers"]
        assert server["urls"] == URLS
        expires, _, name = server["username"].partition(":")
        assert name == user
        assert 500 < int(expires) - time.time() <= 600
        digest = hmac.digest(SECRET.encode(), server["username"].encode(), hashlib.sha1)
        assert server["credential"] == base64.b64encode(digest).decode()

        (runtime,) = (hub.folder / "run").glob("*")
        pids = processes_of(runtime.name)
        assert pids
        for pid in pids:
            environment = psutil.Process(pid).environ()
            assert SECRET not in str(environment)
            assert "turn-secret" not in str(environment)
        for log in [hub.folder / "hub.log", *runtime.glob("*.log")]:
            text = log.read_text(errors="replace")
            assert SECRET not in text
            assert server["credential"] not in text


async def test_only_who_may_open_a_running_session_of_his_own_gets_credentials(hub: TempHub) -> None:
    user = hub.users[0]
    everything = await hub.user_token(user)
    reply = await hub.api("GET", "/streamspace/turn", token=everything)
    assert reply.status_code == 403, "no server runs"
    async with hub.session(user, "two"):
        assert (await hub.api("GET", "/streamspace/turn", token=everything)).status_code == 200
        assert (await hub.api("GET", "/streamspace/turn")).status_code == 403, "a service"
        assert (await hub.api("GET", "/streamspace/turn", token="nonsense")).status_code == 403
        narrow = await hub.api("POST", f"/users/{user}/tokens", json={"scopes": ["read:users!user"]})
        assert narrow.status_code == 201, narrow.text
        assert (await hub.api("GET", "/streamspace/turn", token=narrow.json()["token"])).status_code == 403
