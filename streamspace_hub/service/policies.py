"""What a user's sessions of an app may do, by all that this replica knows."""

from __future__ import annotations

from streamspace_hub.model import AppTemplate, resolve_policy
from streamspace_hub.model.layers import Who
from streamspace_hub.model.policy import ResolvedPolicy, policy_layers
from streamspace_hub.service.context import Context


async def policy_of(context: Context, app: AppTemplate, who: Who) -> ResolvedPolicy:
    """Return the policy of a user's sessions of `app`, and who has set each value."""
    settings, overrides = context.settings, await context.overrides.current()
    layers = policy_layers(settings.default_policy, app.policy, settings.policies, who)
    return resolve_policy(*layers, overrides.policy(who))
