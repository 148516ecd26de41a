"""`c.StreamSpace`: what an admin sets once for all sessions, whatever the spawner."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from traitlets import Bool, Dict, Integer, List, TraitError, Unicode, validate
from traitlets.config import LoggingConfigurable

from streamspace_hub.model import PolicyDefaults
from streamspace_hub.model.explain import explain
from streamspace_hub.model.networks import TrustedProxies
from streamspace_hub.model.policy import Policies
from streamspace_hub.model.quota import Quotas
from streamspace_hub.model.sleep import SleepRules
from streamspace_hub.model.waiting import Capacity

MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "default_policy": PolicyDefaults,
    "policies": Policies,
    "quotas": Quotas,
    "capacity": Capacity,
    "sleep": SleepRules,
}
"""What the settings that are mappings must fit."""


class StreamSpace(LoggingConfigurable):
    """Settings of StreamSpace that hold for every session of this hub."""

    catalog_dirs = List(
        Unicode(),
        config=True,
        help="""
        Folders with app templates of your own, searched after the built-in catalog.

        A template (`*.yaml`) with the name of a built-in app replaces it; among folders, a later one wins::

            c.StreamSpace.catalog_dirs = ["/etc/streamspace/apps"]

        Templates are read again when they change; the hub need not be restarted.
        """,
    )

    default_policy = Dict(
        config=True,
        help="""
        What sessions may do unless their app's template says otherwise.

        The fields are those of a template's `policy`; what is left out keeps the built-in default::

            c.StreamSpace.default_policy = {"clipboard": "in", "max_fps": 30}
        """,
    )

    policies = Dict(
        config=True,
        help="""
        What sessions of groups and single users may do: wins over `default_policy` and the app's template.

        Groups are the hub's; who is in several gets what any of them allows::

            c.StreamSpace.policies = {
                "groups": {"exam": {"clipboard": "none"}, "staff": {"clipboard": "both", "microphone": True}},
                "users": {"ann": {"max_fps": 120}},
            }
        """,
    )

    quotas = Dict(
        config=True,
        help="""
        How much the sessions of one user may take together: `sessions`, `cpu` (cores), `memory` and `gpus`, at once,
        and `session_hours`, `gpu_hours` and `budget` in a rolling window; `storage` is what the user's files may take.

        Each limit is taken from the user's own quota, else from the most generous of their groups', else the default;
        what is said nowhere is not limited::

            c.StreamSpace.quotas = {
                "default": {"sessions": 3, "memory": "8G", "session_hours": {"hours": 20, "days": 7}},
                "groups": {"staff": {"sessions": 10, "memory": "64G"}},
                "users": {"ann": {"cpu": 16}},
                "together": {"staff": {"sessions": 50, "budget": {"amount": 500, "days": 30}}},  # all members together
            }

        Cores and memory count by the limits (else the guarantees) of the apps' templates. Checked at each start.
        """,
    )

    capacity = Dict(
        config=True,
        help="""
        What all sessions of this hub may take together: `sessions`, `cpu` (cores), `memory` and `gpus`, as of `quotas`.

        Who comes when there is no room is told their place in a queue, and keeps it by asking again::

            c.StreamSpace.capacity = {"sessions": 40, "memory": "512G"}

        JupyterHub's `active_server_limit` counts ordinary servers, too, and has no queue.
        """,
    )

    sleep = Dict(
        config=True,
        help="""
        After how long a session that nobody uses is frozen, hibernated, stopped and taken off the list.

        Times are seconds, 0 for never; what is said nowhere does not happen::

            c.StreamSpace.sleep = {
                "default": {"freeze_after": 3600, "stop_after": 86400},
                "groups": {"staff": {"stop_after": 0}},
                "longest": {"freeze_after": 14400},  # users may choose up to that
                "timezone": "Europe/Berlin",
            }

        The service carries it out (`install(c, service=True)`); `streamspace_hub.install(c)` reads it: set it before
        that call.
        """,
    )

    memory_sleep = Bool(
        False,
        config=True,
        help="""
        Whether sessions may sleep with their memory, on disk in the user's files.

        It has a price, which docs/explanation/sleep.md tells: in such a session `sudo` does not work, and the image
        holds all that was in memory, passwords that were typed included, encrypted. In pods it needs capabilities,
        which Pod Security allows at `privileged` alone::

            c.StreamSpace.memory_sleep = True

        The service puts sessions to sleep (`install(c, service=True)`).
        """,
    )

    turn_urls = List(
        Unicode(),
        config=True,
        help="""
        Addresses of a TURN server, through which WebRTC reaches viewers that no direct way leads to.

        Browsers take the first that answers; TLS on port 443 passes nearly every firewall::

            c.StreamSpace.turn_urls = ["turn:turn.example.org", "turns:turn.example.org:443?transport=tcp"]

        `streamspace_hub.install(c)` reads it: set it before that call.
        """,
    )

    turn_secret_file = Unicode(
        config=True,
        help="""
        File with the TURN server's secret (coturn: `static-auth-secret`), readable by the hub and nobody else.

        The hub makes short-lived credentials from it; the secret itself reaches neither sessions nor viewers::

            c.StreamSpace.turn_secret_file = "/etc/jupyterhub/turn-secret"
        """,
    )

    turn_ttl = Integer(
        43_200,
        config=True,
        help="""
        Seconds that TURN credentials hold, 60 to 86400. A session renews its own when half of that is over.
        """,
    )

    trusted_proxies = List(
        Unicode(),
        config=True,
        help="""
        Networks of the proxies in front of this hub, with the hub's own: what they say of where a request comes from.

        The networks of policies (`allow_networks`, `deny_networks`) are enforced by that, and the audit log tells it.
        Unset, only the hub's own proxy is believed, which sees those that connect to it::

            c.StreamSpace.trusted_proxies = ["127.0.0.0/8", "10.4.0.0/16"]

        `streamspace_hub.install(c)` reads it: set it before that call.
        """,
    )

    traces_endpoint = Unicode(
        config=True,
        help="""
        Where traces of starts are sent, by OTLP over HTTP: the URL of a collector, without `/v1/traces`.

        Empty: where OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`) in the hub's environment say, else
        there are none. Needs `streamspace-hub[tracing]` in the hub and in sessions' images::

            c.StreamSpace.traces_endpoint = "http://collector.observability:4318"

        `streamspace_hub.install(c)` reads it: set it before that call.
        """,
    )

    json_logs = Bool(
        False,
        config=True,
        help="""
        Whether the hub and the parts of sessions log a JSON object on each line, as the service always does.

        `streamspace_hub.install(c)` reads it: set it before that call.
        """,
    )

    @validate("traces_endpoint")
    def _plain_url(self, proposal: Mapping[str, Any]) -> str:
        url: str = proposal["value"]
        if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname or "@" in url):
            raise TraitError(
                f"StreamSpace.traces_endpoint: {url!r} must be an http:// or https:// URL without a password, such as "
                "'http://collector:4318'"
            )
        return url

    @validate("trusted_proxies")
    def _networks(self, proposal: Mapping[str, Any]) -> list[str]:
        networks: list[str] = proposal["value"]
        try:
            TrustedProxies.model_validate({"trusted_proxies": networks})
        except ValidationError as error:
            complaint = explain(error, TrustedProxies)[0]
            raise TraitError(f"StreamSpace.{complaint.field}: {complaint.message}") from None
        return networks

    @validate("catalog_dirs")
    def _absolute_folders(self, proposal: Mapping[str, Any]) -> list[str]:
        folders: list[str] = proposal["value"]
        for folder in folders:
            if not Path(folder).is_absolute() or ":" in folder:
                raise TraitError(f"StreamSpace.catalog_dirs: {folder!r} must be an absolute path without ':'")
        return folders

    @validate("default_policy", "policies", "quotas", "capacity", "sleep")
    def _known_fields(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = proposal["value"]
        name: str = proposal["trait"].name
        model = MODELS[name]
        try:
            model.model_validate(fields)
        except ValidationError as error:
            complaint = explain(error, model)[0]
            raise TraitError(f"StreamSpace.{name}: {complaint.field}: {complaint.message}") from None
        return fields

    @property
    def user_quotas(self) -> Quotas:
        """`quotas` as a model."""
        return Quotas.model_validate(self.quotas)

    @property
    def hub_capacity(self) -> Capacity:
        """`capacity` as a model."""
        return Capacity.model_validate(self.capacity)

    @property
    def group_policies(self) -> Policies:
        """`policies` as a model."""
        return Policies.model_validate(self.policies)

    @property
    def policy_defaults(self) -> PolicyDefaults:
        """`default_policy` as a model."""
        return PolicyDefaults.model_validate(self.default_policy)
