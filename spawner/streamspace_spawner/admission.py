"""Whether a session may start, or wake, now: maintenance, quotas, and room on the hub. Starts nothing.

What others run is read off the hub's spawners, what was used was told by the service. All but `check_storage` is done
without a pause, so that of two that come at once one counts the other.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streamspace_hub.catalog import Catalog
from streamspace_hub.model import Resources
from streamspace_hub.model.quota import (
    Kind,
    Limit,
    Running,
    ever_fits,
    limits_of,
    need_of,
    refusal_of,
    storage_of,
    storage_refusal,
    together_of,
)
from streamspace_hub.model.rolling import Entry, budgets_together, grants_of, refusal
from streamspace_hub.model.waiting import Place, headers_of, sentence
from streamspace_spawner import queues
from streamspace_spawner.session import SessionPlan, SessionRefused

if TYPE_CHECKING:
    from streamspace_spawner.mixin import StreamSpaceMixin

PATIENCE = 5.0
"""Seconds that a start waits for files to be measured; one whose files take longer is let in."""


async def check_storage(spawner: StreamSpaceMixin, plan: SessionPlan) -> None:
    """Refuse a session of a user whose files take more than their quota.

    Raises:
        SessionRefused: they do.
    """
    limit = storage_limit(spawner)
    if limit is None:
        return
    used = await spawner.known_storage(patience=PATIENCE)
    # Who has removed files in the meantime is let in: what was too much is looked at again.
    if used is not None and storage_refusal(limit, used, plan.template.title):
        used = await spawner.known_storage(patience=PATIENCE, again=True)
    if used is not None and (message := storage_refusal(limit, used, plan.template.title)):
        raise SessionRefused(message, reason="quota", status=409)


def storage_limit(spawner: StreamSpaceMixin) -> Limit | None:
    """Return what the files of a spawner's user may take, in bytes; None: it is not limited."""
    who = spawner.who
    return storage_of(spawner.streamspace.user_quotas, who.name, who.groups, spawner.overrides.quotas)


def check(spawner: StreamSpaceMixin, plan: SessionPlan, catalog: Catalog, *, admitted: bool) -> None:
    """Refuse a session that may not start now.

    Args:
        spawner: of the server that is to be the session.
        plan: what it is to be.
        catalog: what the sessions beside it may be.
        admitted: whether it had its turn in the queues already.

    Raises:
        SessionRefused: it may not.
    """
    _check_maintenance(spawner, plan)
    _check_used(spawner, plan)
    _check_quota(spawner, plan, catalog, admitted=admitted)
    if spawner.streamspace.capacity and not admitted:
        _check_capacity(spawner, plan, catalog)


def _check_maintenance(spawner: StreamSpaceMixin, plan: SessionPlan) -> None:
    """Refuse any start during maintenance, of which the service has told."""
    announcement = spawner.board.get("announcement")
    message = announcement.refusal(plan.template.title, datetime.now(UTC)) if announcement else None
    if message:
        raise SessionRefused(message, reason="maintenance", status=503)


def _check_used(spawner: StreamSpaceMixin, plan: SessionPlan) -> None:
    """Refuse a session of a user who has used up hours or a budget, or whose group has."""
    quotas, admin, who, now = spawner.streamspace.user_quotas, spawner.overrides.quotas, spawner.who, time.time()
    # Told by the service, which has the ledger.
    told: dict[str, list[Entry]] = spawner.board.get("usage", {})
    currency = spawner.board.get("currency", "")
    wanted = _as_running(plan)
    for grant in [*grants_of(quotas, who.name, who.groups, admin), *budgets_together(quotas, who.groups, admin)]:
        whose = _members(spawner, grant.group) if grant.together else [who.name]
        entries = [entry for name in whose for entry in told.get(name, ())]
        if message := refusal(grant, entries, wanted, now, currency):
            raise SessionRefused(message, reason="quota", status=409)


def _check_quota(spawner: StreamSpaceMixin, plan: SessionPlan, catalog: Catalog, *, admitted: bool) -> None:
    """Refuse a session that the user's quota, or that of a group of theirs, has no room for."""
    quotas, admin, who = spawner.streamspace.user_quotas, spawner.overrides.quotas, spawner.who
    own = limits_of(quotas, who.name, who.groups, admin)
    _fit(spawner, plan, own, _others(spawner, [spawner.user], catalog), ("user", who.name), admitted=admitted)
    for group in sorted(who.groups):
        if limits := together_of(quotas, group, admin):
            members = set(_members(spawner, group))
            users = [user for user in _users(spawner) if user.name in members]
            running = _others(spawner, users, catalog)
            _fit(spawner, plan, limits, running, ("group", group), admitted=admitted)


def _fit(  # noqa: PLR0913 - what fits where
    spawner: StreamSpaceMixin,
    plan: SessionPlan,
    limits: dict[Kind, Limit],
    running: Sequence[Running],
    scope: tuple[queues.Kind, str],
    *,
    admitted: bool,
) -> None:
    """Refuse a session that has no room within `limits`, or is not next in their queue."""
    wanted, now = _as_running(plan), time.monotonic()
    # Who needs no GPU does not wait behind those who do, where only GPUs are limited.
    limits = {kind: limit for kind, limit in limits.items() if need_of(kind, wanted.resources)}
    if not limits:
        return
    line = queues.line(*scope, kept=plan.queue)
    message = refusal_of(limits, running, wanted)
    if plan.queue and not admitted and ever_fits(limits, wanted):
        place = line.ask(_asker(spawner), fits=message is None, now=now)
        if place is not None:
            raise _waits(plan, place, message or "Others came before.")
        return
    if message:
        raise SessionRefused(message, reason="quota", status=409)
    if not admitted and (others := line.others(_asker(spawner), now)):
        origin = next(iter(limits.values())).origin
        text = f"{plan.template.title} cannot start: {others} wait for room in {origin}. Wait in the queue, too."
        raise SessionRefused(text, reason="quota", status=409)


def _check_capacity(spawner: StreamSpaceMixin, plan: SessionPlan, catalog: Catalog) -> None:
    """Refuse a session that the hub has no room for, or that is not next in the queue."""
    capacity, needs = spawner.streamspace.hub_capacity, plan.template.resources
    if not capacity.ever_fits(needs):
        text = f"{plan.template.title} needs more than this hub has. An administrator can tell more."
        raise SessionRefused(text, reason="capacity", status=409)
    running = _others(spawner, _users(spawner), catalog)
    place = queues.line("hub").ask(_asker(spawner), fits=capacity.fits(running, needs), now=time.monotonic())
    if place is not None:
        raise _waits(plan, place)


def _waits(plan: SessionPlan, place: Place, why: str = "") -> SessionRefused:
    text = sentence(plan.template.title, place, why)
    return SessionRefused(text, reason="queue", status=429, headers=headers_of(place))


def _as_running(plan: SessionPlan) -> Running:
    return Running(plan.template.title, plan.template.resources)


def _asker(spawner: StreamSpaceMixin) -> tuple[str, str]:
    return spawner.user.name, spawner.name


def _members(spawner: StreamSpaceMixin, name: str | None) -> list[str]:
    """Return the members of a group of the spawner's user."""
    return [user.name for group in spawner.user.groups if group.name == name for user in group.users]


def _users(spawner: StreamSpaceMixin) -> Collection[Any]:
    """Return the users that the hub has loaded: all who run something."""
    found: Collection[Any] = getattr(spawner.handler, "users", {}).values()
    return found or [spawner.user]


def _others(spawner: StreamSpaceMixin, users: Iterable[Any], catalog: Catalog) -> list[Running]:
    """Return the sessions of some users beside the one that is to start."""
    others = (one for user in users for one in user.spawners.values() if one is not spawner and one.active)
    return [found for one in others if (found := _running(one, catalog))]


def _running(spawner: Any, catalog: Catalog) -> Running | None:
    """Return the session that another server is; None for an ordinary one."""
    plan = getattr(spawner, "plan", None)
    if plan is not None:
        return _as_running(plan)
    # Found again by a hub that was restarted.
    app = (getattr(spawner, "session_state", None) or {}).get("app")
    if app is None:
        return None
    template = catalog.apps[app].template if app in catalog.apps else None
    return Running(template.title, template.resources) if template else Running(app, Resources())
