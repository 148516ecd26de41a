"""From where sessions and the service may be opened: what proxies have seen counts, and no claim of a caller's."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.support.service import ADMIN, Api, ServiceHub, service_hub
from tests.support.session_paths import PAGES, REQUESTS, SOCKETS

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]

# The test stands for a proxy of its own in front of the hub's: what it says of callers is believed.
CONFIG = """
c.StreamSpace.trusted_proxies = ["127.0.0.0/8"]
c.StreamSpace.default_policy = {"deny_networks": ["203.0.113.0/24"]}
with open(run["folder"] + "/apps/vault.yaml", "w") as file:
    file.write("name: vault\\ntitle: Vault\\ncommand: [xterm]\\npolicy: {allow_networks: [198.51.100.0/24]}\\n")
"""
ALLOWED, ELSEWHERE, DENIED = "198.51.100.7", "192.0.2.7", "203.0.113.7"
PATHS = (*PAGES, *REQUESTS, *(("GET", path) for path in SOCKETS))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ServiceHub]:
    async with service_hub(config=CONFIG) as found:
        for app in ("vault", "test-app"):
            await found.hub.start_server(found.ann, app, {"app": app})
        yield found


def coming_from(*addresses: str) -> dict[str, str]:
    return {"X-Forwarded-For": ", ".join(addresses), "X-Real-IP": ALLOWED} if addresses else {}


async def answers(running: ServiceHub, app: str, *addresses: str) -> set[int]:
    """The answers of every way into a session to its owner, who comes from there."""
    url = f"{running.hub.url}/user/{running.ann}/{app}/streamspace/"
    headers = {"Authorization": f"token {await running.token(running.ann)}", **coming_from(*addresses)}
    found = set()
    async with aiohttp.ClientSession(headers=headers) as owner:
        for method, path in PATHS:
            async with owner.request(method, url + path, allow_redirects=False) as reply:
                found.add(reply.status)
        for path in ("ws", "rfb"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await owner.ws_connect(url + path)
            found.add(refused.value.status)
    return found


async def role(running: ServiceHub, app: str, *addresses: str) -> str:
    url = f"{running.hub.url}/user/{running.ann}/{app}/streamspace/ws"
    headers = {"Authorization": f"token {await running.token(running.ann)}", **coming_from(*addresses)}
    async with (
        aiohttp.ClientSession(headers=headers) as owner,
        owner.ws_connect(url, protocols=["streamspace.v1"]) as ws,
    ):
        return str((await ws.receive_json(timeout=20))["role"])


async def test_a_session_is_open_to_its_networks_by_no_other_way(running: ServiceHub) -> None:
    assert await role(running, "vault", ALLOWED) == "owner"
    # From elsewhere; with a claim in front of what the proxy has seen; and without a proxy of ours.
    for addresses in ((ELSEWHERE,), (ALLOWED, ELSEWHERE), ()):
        assert await answers(running, "vault", *addresses) == {403}, addresses
    assert await role(running, "test-app", ELSEWHERE) == "owner"
    assert await answers(running, "test-app", DENIED) == {403}


async def test_the_service_is_closed_to_denied_networks(running: ServiceHub) -> None:
    ann, admin = await running.api(running.ann), await running.api(ADMIN)
    assert (await ann("GET", "/apps", headers=coming_from(ELSEWHERE))).status_code == 200
    assert (await ann("GET", "/apps", headers=coming_from(DENIED, ELSEWHERE))).status_code == 200
    refused = await ann("GET", "/apps", headers=coming_from(ELSEWHERE, DENIED))
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        f"This may not be opened from your network ({DENIED}).",
    )
    assert (await Api(running.hub.url, None)("GET", "/health", headers=coming_from(DENIED))).status_code == 200
    lines = (await admin("GET", "/audit", params={"outcome": "denied"})).json()["events"]
    assert (DENIED, f"user:{running.ann}") in {(one["origin"], one["actor"]) for one in lines}
    # No picture of a session by way of the service either.
    for address, status in ((ELSEWHERE, 403), (ALLOWED, 503)):
        picture = await ann("GET", f"/sessions/{running.ann}/vault/thumbnail", headers=coming_from(address))
        assert picture.status_code == status, picture.text
    # Nor its log, which the session itself has refused above to who comes from elsewhere.
    assert (await ann("GET", f"/sessions/{running.ann}/vault/logs", headers=coming_from(ELSEWHERE))).status_code == 403
