"""The audit log's copy elsewhere: each line to a syslog server, in order, from where it had come to.

Messages are of RFC 5424, counted in octets on TCP (RFC 6587) and TLS (RFC 5425); their text is the line as JSON, so
that a copy can be checked by its chain. Syslog acknowledges nothing: what a server had taken when it was killed may be
lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

from sqlalchemy import select

from streamspace_hub.model.api import AuditEvent, Outcome
from streamspace_hub.service.audit import audit_event
from streamspace_hub.service.database import Database, Unreachable
from streamspace_hub.service.heads import locked_head
from streamspace_hub.service.tables import AuditRow, WebhookRow

TICK, RETRY, PATIENCE = 0.5, 5.0, 10.0
BATCH = 200
LOG_AUDIT = 13
"""The facility (RFC 5424, table 1)."""
SEVERITY = {Outcome.ALLOWED: 6, Outcome.FAILED: 5, Outcome.DENIED: 4}
UNPRINTABLE = re.compile(r"[^!-~]")

log = logging.getLogger("streamspace.syslog")


def message(event: AuditEvent, host: str) -> bytes:
    """Return a line of the audit log as a message of RFC 5424."""
    priority = 8 * LOG_AUDIT + SEVERITY[event.outcome]
    where, what = (UNPRINTABLE.sub("?", text)[:length] or "-" for text, length in ((host, 255), (event.action, 32)))
    return f"<{priority}>1 {event.time} {where} streamspace - {what} - \ufeff{event.model_dump_json()}".encode()


class Syslog:
    """Sends, at the replica that leads. `url`: `tcp://HOST:PORT`, `tls://HOST:PORT` or `unix:/PATH`; empty: nowhere."""

    def __init__(self, database: Database, url: str, leads: Callable[[], Awaitable[bool]]) -> None:
        self._database = database
        self._url = url
        self._leads = leads
        self._name = f"syslog-{hashlib.sha256(url.encode()).hexdigest()[:24]}"
        self._host = socket.gethostname()
        self._link: _Link | None = None

    @property
    def name(self) -> str | None:
        """What the server is called in the database; None: there is none."""
        return self._name if self._url else None

    async def run(self) -> None:
        """Go on until cancelled; what could not be sent is sent later."""
        while self._url:
            pause = TICK
            try:
                if await self._leads():
                    await self._send_new()
            except (OSError, ssl.SSLError, TimeoutError) as error:
                log.warning("the audit log's copy waits: %s", error)
                await self._hang_up()
                pause = RETRY
            except Unreachable as error:
                log.warning("the database is away: %s", type(error).__name__)
                pause = RETRY
            except Exception:
                log.exception("copying the audit log failed")
                pause = RETRY
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """Close the connection."""
        await self._hang_up()

    async def _send_new(self) -> None:
        while lines := await self._after(await self._place()):
            if self._link is None or self._link.is_over:
                await self._hang_up()
                self._link = await asyncio.wait_for(_Link.open(self._url), PATIENCE)
            for line in lines:
                await asyncio.wait_for(self._link.send(message(line, self._host)), PATIENCE)
            async with self._database.writing() as session:
                (await session.get_one(WebhookRow, self._name, with_for_update=True)).seq = lines[-1].seq

    async def _place(self) -> int:
        """Return how far the server has come; a new one begins with what happens from now on."""
        async with self._database.reading() as session:
            place = await session.get(WebhookRow, self._name)
        if place is not None:
            return place.seq
        async with self._database.writing() as session:
            head = await locked_head(session, "audit")
            session.add(WebhookRow(name=self._name, seq=head.seq, failures=0, next_try=0.0))
            return head.seq

    async def _after(self, seq: int) -> list[AuditEvent]:
        query = select(AuditRow).where(AuditRow.seq > seq).order_by(AuditRow.seq).limit(BATCH)
        async with self._database.reading() as session:
            return [audit_event(row) for row in (await session.execute(query)).scalars()]

    async def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()


class _Link:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        # A server says nothing: what can be read is its end, which would otherwise show one message too late.
        self._end = asyncio.create_task(reader.read(1))

    @classmethod
    async def open(cls, url: str) -> _Link:
        if url.startswith("unix:"):
            return cls(*await asyncio.open_unix_connection(url.removeprefix("unix:")))
        place = urlsplit(url)
        tls = ssl.create_default_context() if place.scheme == "tls" else None
        return cls(*await asyncio.open_connection(place.hostname, place.port, ssl=tls))

    @property
    def is_over(self) -> bool:
        """Whether the server has hung up."""
        return self._end.done()

    async def send(self, text: bytes) -> None:
        """Send a message, preceded by its length."""
        if self.is_over:
            raise ConnectionResetError("the server has hung up")
        self._writer.write(b"%d %s" % (len(text), text))
        await self._writer.drain()

    async def close(self) -> None:
        """Hang up."""
        self._end.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await self._end
        self._writer.close()
        with suppress(OSError, ssl.SSLError):
            await self._writer.wait_closed()
