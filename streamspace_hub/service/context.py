"""What one replica's handlers share, put together once. Holds no state that another replica would miss."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from streamspace_hub.catalog import Catalog, load_catalog
from streamspace_hub.model.rolling import longest_window
from streamspace_hub.service.announcing import Announcing
from streamspace_hub.service.audit import AuditLog
from streamspace_hub.service.authentication import Authentication
from streamspace_hub.service.book import Book
from streamspace_hub.service.budgets import Budgets
from streamspace_hub.service.changes import HubChanges
from streamspace_hub.service.database import Database
from streamspace_hub.service.event_log import EventLog
from streamspace_hub.service.events import EventFeed
from streamspace_hub.service.hours import HubHours
from streamspace_hub.service.hub import Hub
from streamspace_hub.service.keys import Keys
from streamspace_hub.service.metrics import Metrics
from streamspace_hub.service.mirror import Mirror
from streamspace_hub.service.overrides import HubOverrides, OverrideStore
from streamspace_hub.service.refusals import Refusals
from streamspace_hub.service.replicas import Replicas
from streamspace_hub.service.runs import Runs
from streamspace_hub.service.second_factors import SecondFactors
from streamspace_hub.service.session_link import SessionLink
from streamspace_hub.service.settings import ServiceSettings
from streamspace_hub.service.shared import SharedWith
from streamspace_hub.service.sleeping import Sleeping
from streamspace_hub.service.steps import for_good
from streamspace_hub.service.syslog import Syslog
from streamspace_hub.service.thumbnails import Thumbnails
from streamspace_hub.service.waiters import Waiters
from streamspace_hub.service.watcher import Watcher
from streamspace_hub.service.webhooks import Webhooks
from streamspace_hub.telemetry.tracing import Traces


@dataclass
class Context:
    """One replica."""

    settings: ServiceSettings
    catalog: Catalog
    database: Database
    hub: Hub
    audit: AuditLog
    authentication: Authentication
    shared: SharedWith
    keys: Keys
    waiters: Waiters
    mirror: Mirror
    feed: EventFeed
    metrics: Metrics
    traces: Traces
    watcher: Watcher
    refusals: Refusals
    runs: Runs
    changes: HubChanges
    thumbnails: Thumbnails
    webhooks: Webhooks
    hours: HubHours
    budgets: Budgets
    link: SessionLink
    sleeping: Sleeping
    announcing: Announcing
    overrides: OverrideStore
    hub_overrides: HubOverrides
    syslog: Syslog
    factors: SecondFactors
    replicas: Replicas

    @property
    def titles(self) -> Mapping[str, str]:
        """Titles of the apps by name."""
        return {name: entry.template.title for name, entry in self.catalog.apps.items()}

    async def start(self) -> list[asyncio.Task[None]]:
        """Bring the database up to date and start what runs beside the requests."""
        await self.database.upgrade()
        await self.replicas.look()  # before there are requests to be counted
        loops = (
            self.watcher.follow,
            self.watcher.run,
            self.feed.run,
            self.changes.run,
            self.refusals.run,
            self.runs.run,
            self.webhooks.run,
            self.hours.run,
            self.budgets.run,
            self.sleeping.run,
            self.announcing.run,
            self.hub_overrides.run,
            self.syslog.run,
            self.replicas.run,
        )
        return [asyncio.create_task(for_good(loop)) for loop in loops]

    async def close(self, tasks: list[asyncio.Task[None]]) -> None:
        """End what `start` has started, and all connections."""
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self.webhooks.close()
        await self.syslog.close()
        await self.thumbnails.close()
        await self.link.close()
        await self.hub.close()
        if tasks:
            await self.replicas.leave()
        await self.database.close()
        await asyncio.to_thread(self.traces.close)


def make_context(settings: ServiceSettings) -> Context:
    """Return a replica that has not connected to anything yet."""
    worker = secrets.token_hex(8)
    catalog = load_catalog(settings.catalog_dirs)
    templates = {name: entry.template for name, entry in catalog.apps.items()}
    database = Database(settings.database_url.get_secret_value())
    token = settings.api_token.get_secret_value()
    traces = Traces("service", settings.traces_endpoint)
    overrides = OverrideStore(database)

    def limits_storage() -> bool:
        return settings.quotas.limit_storage or overrides.known.quotas.limit_storage

    hub = Hub(settings.api_url, token, traces, limits_storage)
    link = SessionLink(settings.proxy_url, token)
    metrics = Metrics()
    audit = AuditLog(database, metrics, EventLog(settings.events))
    feed = EventFeed(database, metrics)

    async def days() -> int:
        return max(longest_window(settings.quotas), longest_window((await overrides.current()).quotas))

    hours = HubHours(database, hub, settings.prices, days)
    budgets = Budgets(
        database=database,
        audit=audit,
        quotas=settings.quotas,
        overrides=overrides,
        prices=settings.prices,
        worker=worker,
        on_event=feed.poke,
    )
    hub_overrides = HubOverrides(overrides, hub, hours.note_all)
    announcing = Announcing(database, hub, link, worker)
    replicas = Replicas(database, worker)
    metrics.replicas.set_function(lambda: replicas.count)

    def written(user: str) -> None:
        feed.poke()
        hours.note(user)
        announcing.note()

    def hub_found() -> None:
        hours.note_all()
        announcing.note_hub()
        hub_overrides.note_hub()
        runs.note()
        refusals.look()

    book = Book(templates)
    mirror = Mirror(database, hub, audit, book, written)
    watcher = Watcher(database, hub, mirror, worker, [hook.name for hook in settings.webhooks], metrics)
    runs = Runs(database, hub, book, watcher.leads, hours.note)

    def changed(user: str, begun: Mapping[str, Any] | None) -> None:
        watcher.hurry(user, begun)
        runs.note()

    refusals = Refusals(database, hub, audit, watcher.leads)
    sleeping = Sleeping(
        database=database,
        hub=hub,
        mirror=mirror,
        audit=audit,
        link=link,
        catalog=catalog,
        rules=settings.sleep,
        overrides=overrides,
        token=token,
        actor=f"service:{settings.service_name}",
        worker=worker,
    )
    return Context(
        settings=settings,
        catalog=catalog,
        database=database,
        hub=hub,
        audit=audit,
        authentication=Authentication(hub, settings.rate_limit, lambda: replicas.count),
        shared=SharedWith(hub),
        keys=Keys(database, worker),
        waiters=Waiters(database),
        mirror=mirror,
        feed=feed,
        metrics=metrics,
        traces=traces,
        watcher=watcher,
        changes=HubChanges(hub, changed, hub_found, refusals.look),
        refusals=refusals,
        runs=runs,
        thumbnails=Thumbnails(settings.proxy_url),
        webhooks=Webhooks(database, settings.webhooks, watcher.leads),
        hours=hours,
        budgets=budgets,
        link=link,
        sleeping=sleeping,
        announcing=announcing,
        overrides=overrides,
        hub_overrides=hub_overrides,
        syslog=Syslog(database, settings.syslog, watcher.leads),
        factors=SecondFactors(database, hub),
        replicas=replicas,
    )
