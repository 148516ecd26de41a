"""Every difference between JupyterHub 5.x and 6.x that the spawners meet. Nothing else here; delete with 5.x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jupyterhub
from jupyterhub import orm
from jupyterhub.utils import isoformat, url_escape_path, url_path_join
from tornado import web

HUB_MAJOR: int = jupyterhub.version_info[0]
RETRY_AFTER = "10"
"""Seconds until one who was refused for want of room should ask again."""


def refusal(message: str, *, reason: str, status: int = 400, headers: Mapping[str, str] | None = None) -> web.HTTPError:
    """Return the exception with which the hub refuses a start and shows `message` to the user, without a traceback.

    Args:
        message: one or two plain sentences: what is wrong and what to do.
        reason: short label for the hub's metrics (6.x), in snake case.
        status: HTTP status of the answer to the request that asked for the start.
        headers: of that answer.
    """
    if HUB_MAJOR >= 6:
        from jupyterhub.spawner import SpawnException

        raised: web.HTTPError = SpawnException(message, reason=reason, status_code=status)
    else:
        # Not as tornado's `log_message` alone: that one is %-formatted.
        raised = web.HTTPError(status, "%s", message)
    # The hub looks for it, 6.x too where it tells how a start went.
    raised.jupyterhub_message = message  # type: ignore[attr-defined]
    again = {"Retry-After": RETRY_AFTER} if status == 429 else {}
    raised.headers = {**again, **(headers or {})}  # type: ignore[attr-defined] # the hub sends them
    return raised


def unwrap_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the user options proper.

    The body of a start request is the options on 5.x, and `{"display_name", "user_options"}` on 6.x. A client written
    for 6.x that meets a 5.x hub would silently get an ordinary server; so what it meant is found here.
    """
    inner = options.get("user_options")
    if HUB_MAJOR < 6 and isinstance(inner, Mapping) and set(options) <= {"display_name", "user_options"}:
        return inner
    return options


def server_model(spawner: Any) -> dict[str, Any]:
    """Return a server as the hub's API shows it (JupyterHub's REST API, `Server`), as far as sessions are read from it.

    JupyterHub's own way to this is a method of the handlers of its API, and servers are started from pages too.
    """
    row = spawner.orm_spawner
    return {
        "name": spawner.name,
        "display_name": getattr(row, "display_name", None),  # since JupyterHub 6
        "started": isoformat(row.started),
        "last_activity": isoformat(row.last_activity),
        "pending": spawner.pending,
        "ready": spawner.ready,
        "url": url_path_join(spawner.user.url, url_escape_path(spawner.name), "/"),
        "user_options": spawner.user_options,
    }


def who_asks(spawner: Any) -> str | None:
    """Return who has asked the hub to start a server, `user:NAME` or `service:NAME`; None if it does so by itself."""
    asking = getattr(spawner.handler, "current_user", None)
    kind = "service" if isinstance(asking, orm.Service) else "user"
    return f"{kind}:{asking.name}" if asking is not None else None
