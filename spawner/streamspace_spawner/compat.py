"""Every difference between JupyterHub 5.x and 6.x that the spawners meet. Nothing else here; delete with 5.x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jupyterhub
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
        raised.jupyterhub_message = message  # type: ignore[attr-defined] # the hub looks for it
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
