"""Webhooks to a real receiver: signed, in order, tried again, and gone on with after a restart."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select

from streamspace_hub.model.prices import Prices
from streamspace_hub.model.quota import Quotas
from streamspace_hub.model.webhook import Webhook
from streamspace_hub.service import webhooks
from streamspace_hub.service.audit import AuditLog
from streamspace_hub.service.budgets import Budgets
from streamspace_hub.service.database import Database
from streamspace_hub.service.event_log import EventLog
from streamspace_hub.service.heads import locked_head
from streamspace_hub.service.lags import lags
from streamspace_hub.service.metrics import Lag, Metrics
from streamspace_hub.service.overrides import OverrideStore
from streamspace_hub.service.settings import ServiceSettings, SettingsError
from streamspace_hub.service.tables import EventRow, UsageRow, WatchedRow, WebhookRow
from streamspace_hub.service.webhooks import Webhooks, forget_events, pause_after, signature

SECRET = b"0123456789abcdef01234567"
LIMIT = 60


class Receiver:
    """Takes what is posted, or answers as it is told."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.known: set[str] = set()
        self.answers: list[int] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        message_id, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        signed = hmac.new(SECRET, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
        assert request.headers["webhook-signature"] == "v1," + base64.b64encode(signed).decode()
        assert abs(time.time() - int(stamp)) < LIMIT
        self.ids.append(message_id)
        if self.answers and (status := self.answers.pop(0)) != 200:
            return web.Response(status=status)
        if message_id not in self.known:  # what was taken while the sender ended comes once more
            self.known.add(message_id)
            self.taken.append(json.loads(body))
        return web.Response(status=204)

    async def until(self, count: int) -> list[str]:
        async with asyncio.timeout(LIMIT):
            while len(self.taken) < count:
                await asyncio.sleep(0.02)
        return [one["data"]["name"] for one in self.taken]


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_post("/hook", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield found
    await runner.cleanup()


@asynccontextmanager
async def serving(database: Database, hook: Webhook, *, leads: bool = True) -> AsyncIterator[None]:
    async def answer() -> bool:
        return leads

    sender = Webhooks(database, [hook], answer)
    task = asyncio.create_task(sender.run())
    async with asyncio.timeout(LIMIT):
        while leads and not await has_begun(database, hook):
            await asyncio.sleep(0.02)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sender.close()


async def has_begun(database: Database, hook: Webhook) -> bool:
    """Whether a webhook has its place: what happens from then on is told."""
    async with database.reading() as session:
        return await session.get(WebhookRow, hook.name) is not None


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(webhooks, "TICK", 0.02)
    monkeypatch.setattr(webhooks, "pause_after", lambda failures: 0.01)
    file = tmp_path / "secret"
    file.write_bytes(SECRET + b"\n")
    return file


async def happen(database: Database, *names: str) -> None:
    async with database.writing() as session:
        head = await locked_head(session, "events")
        for name in names:
            head.seq += 1
            session.add(
                EventRow(seq=head.seq, at=time.time(), user="ann", name=name, kind="session", data={"name": name})
            )


async def test_events_arrive_in_order_from_the_beginning_of_the_webhook_on(database: Database, secret: Path) -> None:
    await happen(database, "before")
    async with receiver() as there:
        hook = Webhook(url=there.url, secret_file=secret)
        async with serving(database, hook):
            await happen(database, "a", "b")
            await happen(database, "c")
            assert await there.until(3) == ["a", "b", "c"]
        await happen(database, "d")
        async with serving(database, hook):  # as after a restart
            assert await there.until(4) == ["a", "b", "c", "d"]


async def test_what_is_not_taken_is_tried_again_before_anything_else(database: Database, secret: Path) -> None:
    async with receiver() as there:
        there.answers = [500, 302, 404, 200, 200]
        async with serving(database, Webhook(url=there.url, secret_file=secret)):
            await happen(database, "a", "b")
            assert await there.until(2) == ["a", "b"]
        assert there.ids == [there.ids[0]] * 4 + [there.ids[-1]], "each try has the id of its event"


async def test_a_replica_that_does_not_lead_sends_nothing(database: Database, secret: Path) -> None:
    async with receiver() as there:
        hook = Webhook(url=there.url, secret_file=secret)
        async with serving(database, hook, leads=False):
            async with serving(database, hook):
                await happen(database, "a")
                await there.until(1)
            await happen(database, "b")
            await asyncio.sleep(0.5)
        assert len(there.ids) == 1


async def test_a_budget_that_runs_out_is_told_to_the_receiver_once(database: Database, secret: Path) -> None:
    quotas = Quotas.model_validate({"users": {"ann": {"budget": {"amount": 10, "days": 1}}}})
    prices, metrics, now = Prices(currency="EUR", session_hour=1), Metrics(), time.time()
    audit = AuditLog(database, metrics, EventLog())
    budgets = Budgets(database, audit, quotas, OverrideStore(database), prices, "here", lambda: None)
    async with database.writing() as session:
        session.add(WatchedRow(user="ann", asked=0, groups=[]))
        row = UsageRow(user="ann", name="one", started=now, app="gimp", ended=None, cores=1, memory=1, gpus=0)
        session.add(row)
    async with receiver() as there, serving(database, Webhook(url=there.url, secret_file=secret)):
        for hours in (8, 8.5, 10):
            await budgets.look(now + hours * 3600)
        await happen(database, "after")
        async with asyncio.timeout(LIMIT):
            while len(there.taken) < 3:
                await asyncio.sleep(0.02)
        told = [(one["type"], one["data"].get("threshold"), one["data"].get("used")) for one in there.taken]
        assert told == [("budget", 80, 8.0), ("budget", 100, 10.0), ("session", None, None)]
        assert there.taken[1]["data"]["free_at"]
    page = metrics.page({}).decode()
    assert 'streamspace_service_budget_alerts_total{threshold="80"} 1.0' in page
    assert 'streamspace_service_budget_alerts_total{threshold="100"} 1.0' in page


async def test_events_wait_for_a_webhook_that_is_away_for_a_week(database: Database, secret: Path) -> None:
    async with receiver() as there:
        hook = Webhook(url=there.url, secret_file=secret)
        async with serving(database, hook):
            await happen(database, "a", "b")
            await there.until(2)
            async with asyncio.timeout(LIMIT):
                while (await lags(database, [hook.name], None))["webhook-1"] != Lag(0, 0.0):
                    await asyncio.sleep(0.02)
    await happen(database, "c", "d")
    lag = (await lags(database, [hook.name], None))["webhook-1"]
    assert lag.waiting == 2
    assert 0 <= lag.seconds < LIMIT

    async def forget(hooks: list[str], days: float) -> tuple[int, list[str]]:
        async with database.writing() as session:
            dropped = await forget_events(session, hooks, time.time() + days * 86400)
            return dropped, list((await session.execute(select(EventRow.name).order_by(EventRow.seq))).scalars())

    assert await forget([hook.name], 0.9) == (0, ["a", "b", "c", "d"])
    assert await forget([hook.name], 1.1) == (0, ["c", "d"]), "it has taken the others"
    assert await forget([hook.name], 6.9) == (0, ["c", "d"])
    assert await forget([hook.name], 7.1) == (2, [])
    await happen(database, "e")
    assert await forget([], 1.1) == (0, []), "nobody waits for them"


def test_tries_become_seldomer_and_never_end() -> None:
    assert [pause_after(failures) for failures in (1, 2, 3, 9, 10, 1000)] == [2, 4, 8, 512, 600, 600]


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification's own libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('[{"url": "ftp://x", "secret_file": "/s"}]', "STREAMSPACE_WEBHOOKS: "),
        ('[{"url": "http://user:pw@x/", "secret_file": "/s"}]', "STREAMSPACE_WEBHOOKS: "),
        ('[{"url": "http://x/"}]', "STREAMSPACE_WEBHOOKS: "),
        ("{", "STREAMSPACE_WEBHOOKS: must be JSON"),
    ],
)
def test_a_webhook_that_cannot_work_is_refused_by_name(value: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        ServiceSettings.read(
            {"JUPYTERHUB_API_URL": "http://hub", "JUPYTERHUB_API_TOKEN": "t", "STREAMSPACE_WEBHOOKS": value}
        )


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), (b"short", "needs 24 bytes or more")])
def test_a_secret_that_is_none_is_refused(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    hooks = json.dumps([{"url": "http://x/", "secret_file": str(file)}])
    with pytest.raises(SettingsError, match=f"STREAMSPACE_WEBHOOKS: .*{words}"):
        ServiceSettings.read(
            {"JUPYTERHUB_API_URL": "http://hub", "JUPYTERHUB_API_TOKEN": "t", "STREAMSPACE_WEBHOOKS": hooks}
        )
