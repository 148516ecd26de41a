"""Webhooks: each event of a session is posted to some addresses, signed, in order, until it is taken.

The form is that of Standard Webhooks (https://www.standardwebhooks.com): headers `webhook-id`, `webhook-timestamp` and
`webhook-signature`. How far each address has come stands in the database, so that a replica that is killed loses
nothing; an event may arrive twice then, with the same id.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

import httpx
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from streamspace_hub.model.webhook import Webhook
from streamspace_hub.service.database import Database, Unreachable
from streamspace_hub.service.heads import locked_head
from streamspace_hub.service.tables import EventRow, WebhookRow

TICK = 0.5
PATIENCE = 10.0
"""Seconds that a receiver may take to answer."""
LONGEST = 600.0
BATCH = 50
KEEP_EVENTS = 24 * 3600.0
"""Seconds for which subscribers can ask for events again."""
KEEP_UNDELIVERED = 7 * KEEP_EVENTS
"""Seconds for which an event is kept that a webhook has not taken."""

log = logging.getLogger("streamspace.webhooks")


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header that shows a receiver that a message is ours and was not changed."""
    digest = hmac.digest(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def pause_after(failures: int) -> float:
    """Return the seconds until the next try after that many failures in a row."""
    return min(LONGEST, 2.0 ** min(failures, 20))


async def forget_events(session: AsyncSession, hooks: Sequence[str], now: float) -> int:
    """Forget events that are old, and that each of the webhooks `hooks` has taken; return how many one had not.

    What one has not taken is kept for longer.
    """
    old = delete(EventRow).where(EventRow.at < now - KEEP_EVENTS)
    if not hooks:
        await session.execute(old)
        return 0
    places = (await session.execute(select(WebhookRow.seq).where(WebhookRow.name.in_(hooks)))).scalars().all()
    await session.execute(old.where(EventRow.seq <= min(places, default=0)))
    dropped = await session.execute(delete(EventRow).where(EventRow.at < now - KEEP_UNDELIVERED))
    return int(dropped.rowcount)  # type: ignore[attr-defined] # a DELETE has one


class Webhooks:
    """Delivers, at the replica that leads."""

    def __init__(self, database: Database, hooks: Sequence[Webhook], leads: Callable[[], Awaitable[bool]]) -> None:
        self._database = database
        self._hooks = [(hook, hook.secret()) for hook in hooks]
        self._leads = leads
        self._client = httpx.AsyncClient(timeout=PATIENCE, trust_env=False, follow_redirects=False)

    @property
    def names(self) -> list[str]:
        """What the webhooks are called in the database."""
        return [hook.name for hook, _ in self._hooks]

    async def run(self) -> None:
        """Go on until cancelled."""
        await asyncio.gather(*(self._serve(hook, secret) for hook, secret in self._hooks))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _serve(self, hook: Webhook, secret: bytes) -> None:
        while True:
            try:
                if await self._leads():
                    await self._deliver(hook, secret)
            except Unreachable as error:
                log.warning("webhooks wait for the database: %s", type(error).__name__)
            except Exception:
                log.exception("a webhook failed")
            await asyncio.sleep(TICK)

    async def _deliver(self, hook: Webhook, secret: bytes) -> None:
        place = await self._place(hook)
        if place.next_try > time.time():
            return
        for row in await self._after(place.seq):
            answer = await self._post(hook, secret, row)
            taken = answer is not None and 200 <= answer < 300
            async with self._database.writing() as session:
                now = await session.get_one(WebhookRow, hook.name, with_for_update=True)
                if taken:
                    now.seq, now.failures, now.next_try = row.seq, 0, 0.0
                else:
                    now.failures += 1
                    now.next_try = time.time() + pause_after(now.failures)
                    log.warning("a webhook was not taken: %s, try %d", answer or "no answer", now.failures)
            if not taken:
                return

    async def _place(self, hook: Webhook) -> WebhookRow:
        """Return how far a receiver has come; a new one begins with what happens from now on."""
        async with self._database.reading() as session:
            place = await session.get(WebhookRow, hook.name)
        if place is not None:
            return place
        async with self._database.writing() as session:
            head = await locked_head(session, "events")
            place = WebhookRow(name=hook.name, seq=head.seq, failures=0, next_try=0.0)
            session.add(place)
        return place

    async def _after(self, seq: int) -> list[EventRow]:
        query = select(EventRow).where(EventRow.seq > seq).order_by(EventRow.seq).limit(BATCH)
        async with self._database.reading() as session:
            return list((await session.execute(query)).scalars())

    async def _post(self, hook: Webhook, secret: bytes, row: EventRow) -> int | None:
        message_id, timestamp = f"streamspace-{row.seq}", int(time.time())
        body = json.dumps({"type": row.kind, "timestamp": row.at, "data": row.data}).encode()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(secret, message_id, timestamp, body),
        }
        try:
            return (await self._client.post(hook.url, content=body, headers=headers)).status_code
        except httpx.HTTPError:
            return None
