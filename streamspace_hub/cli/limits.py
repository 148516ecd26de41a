"""A limit of a user as a line of a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from streamspace_hub.model.api import QuotaLimit

NAMES: Mapping[str, str] = {
    "sessions": "sessions",
    "cpu": "cores",
    "memory": "memory",
    "gpus": "GPUs",
    "session_hours": "session-hours",
    "gpu_hours": "GPU-hours",
    "storage": "files",
    "budget": "budget",
}
SOURCES: Mapping[str, str] = {
    "user": "user",
    "group": "group",
    "hub": "hub",
    "admin": "administrator",
    "admin for group": "administrator, for group",
    "admin for user": "administrator, for user",
}


def limit_row(limit: QuotaLimit) -> tuple[str, str, str, str, str]:
    """Return what it limits, how much is used, of how much, whose it is, and when some of one used up is free."""
    days = "" if limit.days is None else f" in {limit.days} d"
    whose = SOURCES[limit.source] if limit.group is None else f"{SOURCES[limit.source]} {limit.group}"
    together = ", together" if limit.together else ""
    used, amount = _shown(limit, limit.used), _shown(limit, limit.limit)
    return NAMES[limit.kind] + days, used, amount, whose + together, limit.free_at or ""


def _shown(limit: QuotaLimit, amount: float) -> str:
    if limit.kind in ("memory", "storage"):
        return f"{amount / 2**30:.3g} GiB"
    if limit.kind == "budget":
        return f"{amount:.2f} {limit.currency or ''}".rstrip()
    return f"{amount:.4g}"
