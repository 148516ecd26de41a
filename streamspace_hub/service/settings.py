"""What the service is told by its environment, checked. Starts nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from streamspace_hub.model import PolicyDefaults
from streamspace_hub.model.app import SYSLOG_PATTERN
from streamspace_hub.model.explain import explain
from streamspace_hub.model.networks import Networks
from streamspace_hub.model.policy import Policies
from streamspace_hub.model.prices import Prices
from streamspace_hub.model.quota import Quotas
from streamspace_hub.model.rolling import has_budgets
from streamspace_hub.model.sleep import SleepRules
from streamspace_hub.model.webhook import Webhook
from streamspace_hub.telemetry.tracing import endpoint

DEFAULT_DATABASE = "sqlite+aiosqlite:///streamspace.sqlite"
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}

VARIABLES = {
    "api_url": "JUPYTERHUB_API_URL",
    "api_token": "JUPYTERHUB_API_TOKEN",
    "base_url": "JUPYTERHUB_BASE_URL",
    "prefix": "JUPYTERHUB_SERVICE_PREFIX",
    "listen": "JUPYTERHUB_SERVICE_URL",
    "service_name": "JUPYTERHUB_SERVICE_NAME",
    "client_id": "JUPYTERHUB_CLIENT_ID",
    "hub_host": "JUPYTERHUB_HOST",
    "oauth_callback": "JUPYTERHUB_OAUTH_CALLBACK_URL",
    "database_url": "STREAMSPACE_DATABASE_URL",
    "catalog_dirs": "STREAMSPACE_CATALOG_DIRS",
    "rate_limit": "STREAMSPACE_RATE_LIMIT",
    "proxy_url": "STREAMSPACE_PROXY_URL",
    "default_policy": "STREAMSPACE_DEFAULT_POLICY",
    "policies": "STREAMSPACE_POLICIES",
    "quotas": "STREAMSPACE_QUOTAS",
    "prices": "STREAMSPACE_PRICES",
    "webhooks": "STREAMSPACE_WEBHOOKS",
    "sleep": "STREAMSPACE_SLEEP",
    "syslog": "STREAMSPACE_SYSLOG",
    "events": "STREAMSPACE_EVENTS",
    "trusted_proxies": "STREAMSPACE_TRUSTED_PROXIES",
}
"""Where each setting comes from; docs/reference/service.md."""


class SettingsError(ValueError):
    """A variable is missing or has a value that can't be used; the text is a sentence."""


class ServiceSettings(BaseModel):
    """One replica's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_url: str = Field(pattern=r"^https?://.+", description="The hub's REST API.")
    api_token: SecretStr = Field(min_length=1, description="The service's own token.")
    base_url: str = Field(default="/", pattern=r"^/", description="The hub's base URL.")
    prefix: str = Field(
        default="/services/streamspace/", pattern=r"^/.*/$", description="Where the service is mounted."
    )
    listen: str = Field(default="http://127.0.0.1:10202", pattern=r"^http://", description="Where it listens.")
    service_name: str = Field(default="streamspace", min_length=1, description="Its name in the hub.")
    client_id: str = Field(default="service-streamspace", min_length=1, description="Its OAuth client.")
    hub_host: str = Field(default="", description="Origin of the hub where services have domains of their own.")
    oauth_callback: str = Field(default="", description="Where the hub sends who has signed in, if not below `prefix`.")
    database_url: SecretStr = Field(default=SecretStr(DEFAULT_DATABASE))
    catalog_dirs: tuple[Path, ...] = ()
    default_policy: PolicyDefaults = Field(default_factory=PolicyDefaults, description="The hub's, as JSON.")
    policies: Policies = Field(default_factory=Policies, description="The hub's, as JSON.")
    quotas: Quotas = Field(default_factory=Quotas, description="The hub's, as JSON.")
    prices: Prices = Field(default_factory=Prices, description="What use costs, as JSON.")
    proxy_url: str = Field(
        default="", pattern=r"^(https?://.+)?$", description="The hub's proxy as seen from here: where sessions are."
    )
    sleep: SleepRules = Field(default_factory=SleepRules, description="The hub's, as JSON.")
    webhooks: tuple[Webhook, ...] = Field(default=(), description="Who is told of events, as JSON.")
    syslog: str = Field(default="", pattern=SYSLOG_PATTERN, description="Where the audit log is copied to.")
    events: str = Field(
        default="", pattern=r"^(/.*)?$", description="File that configures who hears of audit events, absolute."
    )
    traces_endpoint: str = Field(default="", description="Where traces go, whole; OpenTelemetry's variables say it.")
    trusted_proxies: Networks = Field(default=(), description="Proxies that are believed where a request comes from.")
    rate_limit: int = Field(default=600, ge=1, le=1_000_000, description="Requests a minute for each token.")

    @field_validator("database_url")
    @classmethod
    def _with_our_driver(cls, url: SecretStr) -> SecretStr:
        scheme, separator, rest = url.get_secret_value().partition("://")
        dialect = scheme.partition("+")[0]
        if not separator or dialect not in DRIVERS:
            raise ValueError("must begin with `sqlite:///` or `postgresql://`")
        return SecretStr(f"{DRIVERS[dialect]}://{rest}")

    @property
    def host(self) -> str:
        """Address to listen on."""
        return urlsplit(self.listen).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        """Port to listen on."""
        return urlsplit(self.listen).port or 80

    @property
    def callback(self) -> str:
        """The OAuth client's `redirect_uri`."""
        return self.oauth_callback or f"{self.prefix}oauth_callback"

    @property
    def api_prefix(self) -> str:
        """Path of the REST API, without a slash at its end."""
        return f"{self.prefix}api/v1"

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the settings in `environ`; raises `SettingsError`, which names the variable."""
        given: dict[str, object] = {
            field: environ[name] for field, name in VARIABLES.items() if environ.get(name, "") != ""
        }
        given["traces_endpoint"] = endpoint(environ)
        if "catalog_dirs" in given:
            given["catalog_dirs"] = [folder for folder in str(given["catalog_dirs"]).split(":") if folder]
        if "trusted_proxies" in given:
            given["trusted_proxies"] = [one.strip() for one in str(given["trusted_proxies"]).split(",")]
        if "api_token" not in given or "api_url" not in given:
            raise SettingsError(
                "JUPYTERHUB_API_URL and JUPYTERHUB_API_TOKEN are missing: the hub sets them for a service that it "
                "starts; one that is started otherwise needs both."
            )
        for field in ("default_policy", "policies", "quotas", "prices", "webhooks", "sleep"):
            if field in given:
                try:
                    given[field] = json.loads(str(given[field]))
                except ValueError:
                    raise SettingsError(f"{VARIABLES[field]}: must be JSON.") from None
        try:
            settings = cls.model_validate(given)
            for webhook in settings.webhooks:
                webhook.secret()
        except ValidationError as error:
            complaint = explain(error, cls)[0]
            name = VARIABLES[str(complaint.location[0])]
            # Not the value: a database's URL may hold a password.
            shown = complaint.message if name not in SECRET else "cannot be used; " + complaint.message
            raise SettingsError(f"{name}: {shown}") from None
        except ValueError as error:
            raise SettingsError(f"{VARIABLES['webhooks']}: {error}") from None
        if has_budgets(settings.quotas) and not settings.prices.costs_something:
            raise SettingsError(
                f'{VARIABLES["prices"]}: must hold a price above 0, e.g. {{"core_hour": 0.02}}: '
                f"{VARIABLES['quotas']} has a budget."
            )
        return settings


SECRET = ("JUPYTERHUB_API_TOKEN", "STREAMSPACE_DATABASE_URL")
