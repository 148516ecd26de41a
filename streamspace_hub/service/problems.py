"""Errors as RFC 9457 problem details: one exception, and the sentences of the usual ones. Knows no framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streamspace_hub.model.api import FieldProblem, Problem, QueuePlace

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:streamspace:problem:"

TITLES: Mapping[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be understood"),
    "unauthenticated": (401, "Not signed in"),
    "forbidden": (403, "Not permitted"),
    "not-found": (404, "Not found"),
    "method-not-allowed": (405, "This method is not offered here"),
    "conflict": (409, "Not possible in this state"),
    "changed": (412, "Changed meanwhile"),
    "too-large": (413, "Too large"),
    "invalid": (422, "A field is not accepted"),
    "idempotency-key-reused": (422, "Idempotency key used for another request"),
    "too-many-requests": (429, "Too many requests"),
    "queued": (429, "No room at present"),
    "internal": (500, "Something went wrong here"),
    "hub-unavailable": (502, "The hub does not answer"),
    "unavailable": (503, "Not available for the moment"),
}
"""Each kind of problem: its status and title."""


class ProblemError(Exception):
    """A request that can't be answered as it wants; `detail` is a sentence for the user."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        queue: QueuePlace | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.status, self.title = TITLES[kind]
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.queue = queue

    def body(self, request_id: str | None) -> Problem:
        """Return what is sent."""
        return Problem(
            type=TYPE_PREFIX + self.kind,
            title=self.title,
            status=self.status,
            detail=self.detail,
            request_id=request_id,
            errors=self.errors,
            queue=self.queue,
        )


def retry_after(seconds: float) -> dict[str, str]:
    """Return the header that asks the caller to wait, at least a second."""
    return {"Retry-After": str(max(1, round(seconds + 0.5)))}
