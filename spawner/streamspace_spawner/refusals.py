"""Why a session's pod is not started, as the sentence that the user reads. Knows no spawner."""

from __future__ import annotations

import json

from kubernetes_asyncio.client import ApiException
from tornado import web

from streamspace_spawner.compat import refusal


def ended_at_start(title: str) -> web.HTTPError:
    """Return the refusal of a start in which a container of the pod ended."""
    return refusal(
        f"{title} ended while it was starting. Try again; its pod's log says why it ended.",
        reason="session_ended",
        status=503,
    )


def not_in_time(title: str, seconds: float, last: str) -> web.HTTPError:
    """Return the refusal of a start that took more than `seconds`; `last` is what the user was told last."""
    return refusal(
        f"{title} did not start within {seconds:g} seconds, and was given up. The last that was heard of it: {last}",
        reason="timeout",
        status=503,
    )


def not_answered(title: str, said: str) -> web.HTTPError:
    """Return the refusal of a start that the API server has not taken, however often it was asked; it `said` that."""
    return refusal(
        f"The cluster did not take {title}, though it was asked again and again: its API server says {said}. "
        "Try again in some minutes.",
        reason="cluster_busy",
        status=503,
    )


def not_configured(sentence: str) -> web.HTTPError:
    """Return the refusal for a setting that cannot be right; `sentence` names it."""
    return refusal(f"{sentence} An administrator has to change it.", reason="configuration", status=503)


def refused_by_cluster(error: ApiException, title: str) -> web.HTTPError:
    """Return the refusal of a start whose pod or volume claim the API server did not take."""
    try:
        message = str(json.loads(error.body or "")["message"])
    except (TypeError, ValueError, KeyError):
        message = error.reason or f"status {error.status}"
    if error.status == 403 and "exceeded quota" in message:
        sentence = f"There is no room for {title} at present: what this hub may use of the cluster is used up. "
        sentence += "Stop another session, or try again later."
        return refusal(sentence, reason="quota", status=503)
    sentence = f"The cluster refused to start {title}. An administrator can tell why: {message}"
    return refusal(sentence, reason="cluster_refused", status=503)
