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
