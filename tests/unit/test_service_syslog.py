"""The audit log's copy to a syslog server: real sockets, plain and TLS, in order, and gone on with after an outage."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from streamspace_hub.model.api import AuditEvent, Outcome
from streamspace_hub.model.chain import ChainCheck
from streamspace_hub.service import syslog
from streamspace_hub.service.audit import Attempt, AuditLog
from streamspace_hub.service.database import Database
from streamspace_hub.service.metrics import Metrics
from streamspace_hub.service.settings import ServiceSettings, SettingsError
from streamspace_hub.service.syslog import Syslog

LIMIT = 60
HEADER = re.compile(r"<(\d+)>1 (\S+) (\S+) streamspace - (\S+) - \ufeff(.*)", re.DOTALL)


class Server:
    """Takes messages as RFC 5425 frames them."""

    def __init__(self, port: int = 0) -> None:
        self.taken: list[tuple[int, str, AuditEvent]] = []
        self.port = port
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self, path: Path | None = None, tls: ssl.SSLContext | None = None) -> None:
        if path is not None:
            self._server = await asyncio.start_unix_server(self._take, path)
            return
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int(await reader.readuntil(b" "))
                found = HEADER.fullmatch((await reader.readexactly(length)).decode())
                assert found is not None
                self.taken.append((int(found[1]), found[4], AuditEvent.model_validate_json(found[5])))

    async def until(self, count: int) -> list[AuditEvent]:
        async with asyncio.timeout(LIMIT):
            while len(self.taken) < count:
                await asyncio.sleep(0.02)
        return [event for _, _, event in self.taken]


@pytest.fixture
def log(database: Database) -> tuple[Database, AuditLog]:
    return database, AuditLog(database, Metrics())


@asynccontextmanager
async def copying(database: Database, url: str) -> AsyncIterator[None]:
    async def leads() -> bool:
        return True

    sender = Syslog(database, url, leads)
    await sender._place()  # what is written from here on is new
    task = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await sender.close()


def attempt(number: int, outcome: Outcome = Outcome.ALLOWED, **details: Any) -> Attempt:
    return Attempt("user:ann", f"session.try{number}", "ann/gimp", "127.0.0.1", "r", outcome, None, details)


async def test_lines_arrive_in_order_and_their_chain_is_whole(log: tuple[Database, AuditLog], tmp_path: Path) -> None:
    database, audit = log
    server = Server()
    await server.start(path=tmp_path / "log")
    async with copying(database, f"unix:{tmp_path}/log"):
        for number, outcome in enumerate(Outcome):
            await audit.write(attempt(number, outcome, text="line\nbreak, ü"))
        events = await server.until(3)
    await server.stop()
    chain = ChainCheck()
    assert all(chain.add(event) for event in events), chain.problem
    assert [(priority, what) for priority, what, _ in server.taken] == [
        (8 * 13 + 6, "session.try0"),
        (8 * 13 + 4, "session.try1"),
        (8 * 13 + 5, "session.try2"),
    ]
    assert events[0].details["text"] == "line\nbreak, ü"


async def test_it_goes_on_after_an_outage_and_a_restart(
    log: tuple[Database, AuditLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "RETRY", 0.05)
    database, audit = log
    first = Server()
    await first.start()
    url = f"tcp://127.0.0.1:{first.port}"
    async with copying(database, url):
        await audit.write(attempt(1))
        await first.until(1)
        await first.stop()
        await audit.write(attempt(2))
    await audit.write(attempt(3))
    second = Server(first.port)
    await second.start()
    async with copying(database, url):
        events = await second.until(2)
        assert [event.action for event in events] == ["session.try2", "session.try3"]
    await second.stop()


async def test_by_tls_to_a_server_that_is_known_and_to_no_other(
    log: tuple[Database, AuditLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "RETRY", 0.05)
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        (
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"),
            *("-keyout", key, "-out", certificate),
        ),
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    database, audit = log
    server = Server()
    await server.start(tls=context)
    url = f"tls://localhost:{server.port}"
    async with copying(database, url):
        await audit.write(attempt(1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await server.until(1)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with copying(database, url):
        assert [event.action for event in await server.until(1)] == ["session.try1"]
    await server.stop()


@pytest.mark.parametrize("url", ["udp://host:514", "tcp://host", "tls://user:secret@host:1", "unix:log"])
def test_an_address_that_is_none_is_refused_by_name(url: str) -> None:
    given = {"JUPYTERHUB_API_URL": "http://hub", "JUPYTERHUB_API_TOKEN": "t", "STREAMSPACE_SYSLOG": url}
    with pytest.raises(SettingsError, match=r"STREAMSPACE_SYSLOG: .*`tls://HOST:PORT`"):
        ServiceSettings.read(given)


def test_a_message_is_one_of_rfc_5424_whatever_the_host_is_called() -> None:
    event = AuditEvent(
        seq=1, time="2026-01-01T00:00:00.000000+00:00", actor=None, action="a" * 60, target=None, origin="x",
        outcome=Outcome.DENIED, reason=None, request_id="", details={}, previous="0" * 64, hash="1" * 64,
    )  # fmt: skip
    found = HEADER.fullmatch(syslog.message(event, "a host\n").decode())
    assert found is not None
    assert (found[3], found[4]) == ("a?host?", "a" * 32)
    assert json.loads(found[5])["seq"] == 1
