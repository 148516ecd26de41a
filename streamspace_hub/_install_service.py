"""`install(c, service=...)`: has the hub start the service, and grants what is needed for it and no more."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from streamspace_hub._install import SERVICE_CUSTOM_SCOPES, InstallError, configured, grant_to_users

NAME = "streamspace"
URL = "http://127.0.0.1:10202"
OPTIONS = ("url", "database_url", "rate_limit", "admins", "admin_groups")

SERVICE_SCOPES = ["list:users", "read:servers", "read:users:groups"]
"""Its own token only reads. Whatever it starts or stops, it does with the token of who asks."""
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


def _service(c: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    environment = {
        "STREAMSPACE_DEFAULT_POLICY": _json(configured(c.StreamSpace, "default_policy", {})),
        "STREAMSPACE_QUOTAS": _json(configured(c.StreamSpace, "quotas", {})),
        "STREAMSPACE_DATABASE_URL": str(options.get("database_url", "")),
        "STREAMSPACE_RATE_LIMIT": str(options.get("rate_limit", "")),
        "STREAMSPACE_CATALOG_DIRS": ":".join(configured(c.StreamSpace, "catalog_dirs", [])),
    }
    return {
        "name": NAME,
        "url": str(options.get("url", URL)),
        # -P: it starts in the hub's folder, where a file may be called like a module of Python's.
        "command": [sys.executable, "-P", "-m", "streamspace_hub.service", "--end-with-parent"],
        "environment": {name: value for name, value in environment.items() if value},
        "display": False,
    }


def _json(value: Any) -> str:
    return json.dumps(value) if value else ""
