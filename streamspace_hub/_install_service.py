"""`install(c, service=...)`: has the hub start the service, and grants what is needed for it and no more."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from streamspace_hub._install import SERVICE_CUSTOM_SCOPES, InstallError, configured, grant_to_users

NAME = "streamspace"
URL = "http://127.0.0.1:10202"
SERVICE_NAME = "OTEL_SERVICE_NAME"
OPTIONS = (
    "url",
    "database_url",
    "rate_limit",
    "admins",
    "admin_groups",
    "proxy_url",
    "prices",
    "webhooks",
    "syslog",
    "events",
)

SERVICE_SCOPES = ["list:users", "read:servers", "read:users:groups", "delete:servers", "custom:streamspace:sleep"]
"""Its own token reads, and puts to sleep and stops what the ladder of sleep says. Whatever somebody asks the hub for is
done with their own token."""
PAGE_SCOPES = [
    f"access:services!service={NAME}",
    "custom:streamspace:view",
    "custom:streamspace:control",
    "custom:streamspace:admin",
    "servers",
    "access:servers",
    "shares",
    "read:users:name",
    "read:groups:name",
]
"""What its pages may do for whoever signs in there, as far as they may do it themselves."""
ADMIN_SCOPES = [
    "custom:streamspace:admin",
    f"access:services!service={NAME}",
    "list:users",
    "read:servers",
    "delete:servers",
]


def add_service(c: Any, options: Mapping[str, Any]) -> None:
    """Add the service, its role, the role of its administrators, and every user's right to use it.

    Raises:
        InstallError: an option is unknown or of no use.
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise InstallError(f"StreamSpace: service has no option {unknown[0]!r}; it takes {', '.join(OPTIONS)}.")
    services = list(configured(c.JupyterHub, "services", []))
    if all(service.get("name") != NAME for service in services):
        c.JupyterHub.services = [*services, _service(c, options)]
    _tell_changes(c)
    c.JupyterHub.custom_scopes = {**SERVICE_CUSTOM_SCOPES, **configured(c.JupyterHub, "custom_scopes", {})}
    grant_to_users(c, [f"access:services!service={NAME}"])
    roles = [dict(role) for role in configured(c.JupyterHub, "load_roles", [])]
    names = {role.get("name") for role in roles}
    for role in (
        {"name": "streamspace-service", "services": [NAME], "scopes": SERVICE_SCOPES},
        {
            "name": "streamspace-admin",
            "users": list(options.get("admins", [])),
            "groups": list(options.get("admin_groups", [])),
            "scopes": ADMIN_SCOPES,
        },
    ):
        if role["name"] not in names:
            roles.append(role)
    c.JupyterHub.load_roles = roles


def _tell_changes(c: Any) -> None:
    """Have the hub tell the service at once whose servers have changed, and hear what it needs for starts and sleep."""
    from streamspace_hub import asleep, changes, from_service, journal, refusals, runs, step_up, storage, turned_away

    ours = [
        (changes.PATH, changes.ChangesHandler),
        *from_service.HANDLERS,
        *asleep.handlers(),
        *step_up.handlers(),
        *storage.handlers(),
        *turned_away.handlers(),
        (runs.PATH, runs.RunsHandler),
        (refusals.PATH, refusals.RefusalsHandler),
    ]
    others = [one for one in configured(c.JupyterHub, "extra_handlers", []) if one[0] not in dict(ours)]
    c.JupyterHub.extra_handlers = [*others, *ours]
    # What handlers and spawners share: tornado gives its handlers another dictionary than the hub gives its users.
    settings = configured(c.JupyterHub, "tornado_settings", {})
    board = {journal.ENTRY: journal.Journal(), refusals.ENTRY: refusals.Refusals()}
    c.JupyterHub.tornado_settings = {changes.BOARD: board, **settings}


def _service(c: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    environment = {
        "STREAMSPACE_DEFAULT_POLICY": _json(configured(c.StreamSpace, "default_policy", {})),
        "STREAMSPACE_POLICIES": _json(configured(c.StreamSpace, "policies", {})),
        "STREAMSPACE_QUOTAS": _json(configured(c.StreamSpace, "quotas", {})),
        "STREAMSPACE_PRICES": _json(options.get("prices")),
        "STREAMSPACE_WEBHOOKS": _json(options.get("webhooks")),
        "STREAMSPACE_SYSLOG": str(options.get("syslog", "")),
        "STREAMSPACE_EVENTS": str(options.get("events", "")),
        **_traces(c),
        "STREAMSPACE_SLEEP": _json(configured(c.StreamSpace, "sleep", {})),
        "STREAMSPACE_DATABASE_URL": str(options.get("database_url", "")),
        "STREAMSPACE_PROXY_URL": str(options.get("proxy_url", _proxy_url(c))),
        "STREAMSPACE_RATE_LIMIT": str(options.get("rate_limit", "")),
        "STREAMSPACE_TRUSTED_PROXIES": ",".join(configured(c.StreamSpace, "trusted_proxies", [])),
        "STREAMSPACE_CATALOG_DIRS": ":".join(configured(c.StreamSpace, "catalog_dirs", [])),
    }
    return {
        "name": NAME,
        "url": str(options.get("url", URL)),
        # -P: it starts in the hub's folder, where a file may be called like a module of Python's.
        "command": [sys.executable, "-P", "-m", "streamspace_hub.service", "--end-with-parent"],
        "environment": {name: value for name, value in environment.items() if value},
        "oauth_client_allowed_scopes": PAGE_SCOPES,
        # It is a part of the hub, as JupyterLab is.
        "oauth_no_confirm": True,
        "display": False,
    }


def _proxy_url(c: Any) -> str:
    """Return where the proxy is, as seen by a service on the hub's machine; nothing if it can't be told."""
    if in_cluster := os.environ.get("PROXY_PUBLIC_SERVICE_HOST"):  # Zero-to-JupyterHub's service of that name
        return f"http://{in_cluster}:{os.environ.get('PROXY_PUBLIC_SERVICE_PORT', '80')}"
    if configured(c.JupyterHub, "ssl_cert", ""):
        return ""  # its name is in the certificate
    given = urlsplit(str(configured(c.JupyterHub, "bind_url", "") or "http://:8000"))
    host = configured(c.JupyterHub, "ip", "") or given.hostname or ""
    port = configured(c.JupyterHub, "port", 0) or given.port or (443 if given.scheme == "https" else 80)
    if given.scheme != "http":
        return ""
    host = "127.0.0.1" if host in ("", "0.0.0.0", "*", "::") else host  # noqa: S104 - compared, not bound to
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _traces(c: Any) -> dict[str, str]:
    """Return what has the service send its traces where the hub does; the hub keeps its own environment to itself."""
    told = {name: value for name, value in os.environ.items() if name.startswith("OTEL_") and name != SERVICE_NAME}
    if base := configured(c.StreamSpace, "traces_endpoint", ""):
        told.pop("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", None)
        told["OTEL_EXPORTER_OTLP_ENDPOINT"] = base
    return told


def _json(value: Any) -> str:
    return json.dumps(value) if value else ""
