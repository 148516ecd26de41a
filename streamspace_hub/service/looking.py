"""What a session's policy asks of those to whom the service shows something of it: as the session does at its door."""

from __future__ import annotations

from streamspace_hub.model import Policy
from streamspace_hub.model.layers import Who
from streamspace_hub.model.networks import refusal_of
from streamspace_hub.service.policies import policy_of
from streamspace_hub.service.problems import ProblemError
from streamspace_hub.service.requests import Asked, origin_of
from streamspace_hub.service.tables import WatchedRow


async def policy_at_the_door(asked: Asked, action: str, user: str, name: str, app: str) -> Policy:
    """Return the policy of a session of `app`; refuse a request from where it lets nobody in.

    The session cannot do that itself for what it is asked by us: it sees our address.
    """
    entry = asked.context.catalog.apps.get(app)
    if entry is None:
        raise ProblemError("not-found", "There is no such app any more.")
    async with asked.context.database.reading() as session:
        watched = await session.get(WatchedRow, user)
    who = Who(user, watched.groups if watched else ())
    policy = (await policy_of(asked.context, entry.template, who)).policy
    if reason := refusal_of(origin_of(asked.request), policy.allow_networks, policy.deny_networks):
        raise await asked.denied(action, f"{user}/{name}", reason)
    return policy
