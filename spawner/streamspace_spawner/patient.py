"""For a KubeSpawner: what the API server cannot answer for the moment is asked again.

KubeSpawner asks again after a time-out only. A busy API server answers 429, one that is being replaced 5xx, or nothing;
all of that passes by itself. What it refuses (4xx) does not. Knows no session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeAlias

from aiohttp import ClientError
from kubernetes_asyncio.client import ApiException

PASSING = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses that say "not now" (Kubernetes API conventions, "HTTP status codes")."""
FIRST_DELAY, LONGEST_DELAY = 0.2, 5.0
"""Seconds between attempts to read what there is."""
Trouble: TypeAlias = "ApiException | ClientError | OSError"


def passes(trouble: BaseException) -> bool:
    """Return whether the API server may well answer otherwise in a moment."""
    return (
        trouble.status in PASSING if isinstance(trouble, ApiException) else isinstance(trouble, ClientError | OSError)
    )


def said(trouble: Trouble) -> str:
    """Return in a few words what the API server has said, e.g. `HTTP 429 Too Many Requests`."""
    if isinstance(trouble, ApiException):
        return f"HTTP {trouble.status} {trouble.reason or ''}".strip()
    return "no answer"


class PatientRequests:
    """Asks again for as long as KubeSpawner does after time-outs (`k8s_api_request_retry_timeout`)."""

    trouble: Trouble | None = None
    """What the API server said when it was last asked to create something; None: it has done it."""

    def note_trouble(self, trouble: Trouble) -> None:
        """Note that something could not be created for the moment, and is asked for again."""

    async def _make_create_pod_request(self, pod: Any, request_timeout: float) -> bool:
        return await self._creating(super()._make_create_pod_request(pod, request_timeout))  # type: ignore[misc]

    async def _make_create_pvc_request(self, pvc: Any, request_timeout: float) -> bool:
        return await self._creating(super()._make_create_pvc_request(pvc, request_timeout))  # type: ignore[misc]

    async def _make_create_resource_request(self, kind: str, manifest: Any) -> bool:
        return await self._creating(super()._make_create_resource_request(kind, manifest))  # type: ignore[misc]

    async def _ensure_not_exists(self, kind: str, name: str) -> bool:
        return await _asked(super()._ensure_not_exists(kind, name)) is True  # type: ignore[misc]

    async def _make_delete_pod_request(self, *arguments: Any) -> bool:
        return await _asked(super()._make_delete_pod_request(*arguments)) is True  # type: ignore[misc]

    async def _make_delete_pvc_request(self, *arguments: Any) -> bool:
        return await _asked(super()._make_delete_pvc_request(*arguments)) is True  # type: ignore[misc]

    async def _creating(self, request: Awaitable[bool]) -> bool:
        answer = await _asked(request)
        if isinstance(answer, bool):
            self.trouble = None
            return answer
        self.trouble = answer
        self.note_trouble(answer)
        return False

    async def _start_reflector(self, kind: str, reflector_class: Any, replace: bool = False, **kwargs: Any) -> Any:
        """Start a reflector; where what there is cannot be read for the moment, read it again.

        A hub that has just started would take the servers that it cannot see for ended ones.
        """
        loop, delay = asyncio.get_running_loop(), FIRST_DELAY
        deadline = loop.time() + self.k8s_api_request_retry_timeout  # type: ignore[attr-defined]
        while True:
            try:
                return await super()._start_reflector(kind, reflector_class, replace, **kwargs)  # type: ignore[misc]
            except Exception as error:
                self._forget_failed(kind)
                if not passes(error) or loop.time() + delay > deadline:
                    raise
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    def _forget_failed(self, kind: str) -> None:
        """Forget a reflector that has never read anything: it would be taken for one that knows of no pods."""
        reflectors = type(self).reflectors  # type: ignore[attr-defined]
        key = self._get_reflector_key(kind)  # type: ignore[attr-defined]
        loaded = reflectors[key].first_load_future if key in reflectors else None
        if loaded is not None and loaded.done() and loaded.exception() is not None:
            del reflectors[key]


async def _asked(request: Awaitable[bool]) -> bool | Trouble:
    """Return the answer of a request, or what keeps the API server from giving one for the moment."""
    try:
        return await request
    except (ApiException, ClientError, OSError) as trouble:
        if not passes(trouble):
            raise
        return trouble
