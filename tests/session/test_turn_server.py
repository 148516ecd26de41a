"""What a real TURN server makes of our credentials: they open a relay until they expire, and no longer."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aioice import stun, turn

from streamspace_hub.cli.doctor_turn import check_relay, check_relays
from streamspace_hub.model.turn import TurnSettings, mint_turn
from tests.support.coturn import SECRET, TURNSERVER, Coturn, coturn

pytestmark = pytest.mark.skipif(not TURNSERVER.exists(), reason="no coturn")
SETTINGS = TurnSettings(turn_urls=("turn:turn.example.org",), turn_secret_file="/x", turn_ttl=600)
LOOPBACK = "127.0.0.1"


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def server() -> Iterator[Coturn]:
    with (
        tempfile.TemporaryDirectory(prefix="ss-", dir="/tmp") as folder,
        coturn(Path(folder), [LOOPBACK], LOOPBACK, free_port(), free_port()) as running,
    ):
        yield running


async def allocate(server: Coturn, age: float, secret: bytes = SECRET) -> None:
    """Open a relay with a credential that was minted `age` seconds ago, and close it."""
    (ice,) = mint_turn(SETTINGS, secret, "ann", time.time() - age).ice_servers
    transport, _ = await turn.create_turn_endpoint(
        asyncio.DatagramProtocol,
        server_addr=(LOOPBACK, server.port),
        username=ice.username,
        password=ice.credential,
    )
    transport.close()


@pytest.mark.parametrize("age", [0, SETTINGS.turn_ttl - 60])
async def test_a_credential_opens_a_relay_as_long_as_it_holds(server: Coturn, age: float) -> None:
    await allocate(server, age)


async def test_an_expired_credential_opens_none(server: Coturn) -> None:
    with pytest.raises(stun.TransactionFailed, match="401"):
        await allocate(server, SETTINGS.turn_ttl + 1)


async def test_a_credential_of_another_secret_opens_none(server: Coturn) -> None:
    with pytest.raises(stun.TransactionFailed, match="401"):
        await allocate(server, 0, b"another secret")


def test_the_doctor_asks_for_a_relay_and_says_what_to_do(server: Coturn) -> None:
    urls = (f"turn:127.0.0.1:{server.port}", f"turn:127.0.0.1:{server.port}?transport=tcp")
    settings = SETTINGS.model_copy(update={"turn_urls": urls})
    good = list(check_relays(mint_turn(settings, SECRET, "ann", time.time())))
    assert [line.status for line in good] == ["green", "green"], good
    assert all(line.found.startswith("it gives relays at 127.0.0.1:") for line in good)

    (wrong,) = mint_turn(settings, b"another secret", "ann", time.time()).ice_servers
    refused = check_relay(urls[0], wrong.username, wrong.credential)
    assert (refused.status, "401" in refused.found, "static-auth-secret" in refused.advice) == ("red", True, True)
    strange = check_relay(f"turns:127.0.0.1:{server.tls_port}", wrong.username, wrong.credential)
    assert (strange.status, "certificate" in strange.found, "Browsers" in strange.advice) == ("red", True, True), (
        strange
    )
    away = check_relay(f"turn:127.0.0.1:{free_port()}?transport=tcp", wrong.username, wrong.credential)
    assert (away.status, "cannot be reached" in away.found, "firewalls" in away.advice) == ("red", True, True)
