"""What handlers ask of a request: who sends it, what it may not hold, which version it has seen."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from streamspace_hub.model.api import FieldProblem, Outcome
from streamspace_hub.model.networks import origin, refusal_of
from streamspace_hub.service.audit import Attempt
from streamspace_hub.service.authentication import Purpose, UnknownToken
from streamspace_hub.service.context import Context
from streamspace_hub.service.identity import Caller
from streamspace_hub.service.problems import ProblemError
from streamspace_hub.service.signin import COOKIE, PROOF_HEADER, is_proof

DEFAULT_SERVER = "~"
"""Stands for a user's default server, whose name is empty, in paths."""

_documented = HTTPBearer(
    auto_error=False, scheme_name="hub_token", description="An API token of the hub: `Authorization: Bearer TOKEN`."
)


def context_of(request: Request) -> Context:
    """Return this replica's context."""
    context: Context = request.app.state.context
    return context


InContext = Annotated[Context, Depends(context_of)]


def origin_of(request: Request) -> str:
    """Return the address that a request comes from: what the proxies in front of us have seen, or the peer's."""
    peer = request.client.host if request.client else "unknown"
    trusted = context_of(request).settings.trusted_proxies
    return origin(peer, ",".join(request.headers.getlist("x-forwarded-for")), trusted)[:64]


def network_refusal(request: Request, context: Context) -> str | None:
    """Return why a request may not come from where it comes from: the hub's own policy holds for the service, too."""
    policy = context.settings.default_policy
    return refusal_of(origin_of(request), policy.allow_networks or (), policy.deny_networks or ())


@dataclass(frozen=True)
class Asking:
    """A request, who sends it, and what answers it."""

    request: Request
    context: Context
    caller: Caller | None
    """None until the hub has told."""

    def attempt(
        self, action: str, target: str | None, outcome: Outcome, reason: str | None = None, **details: Any
    ) -> Attempt:
        """Return what the audit log is to say of this request."""
        return Attempt(
            actor=self.caller.actor if self.caller else None,
            action=action,
            target=target,
            origin=origin_of(self.request),
            request_id=self.request.state.request_id,
            outcome=outcome,
            reason=reason,
            details=details,
        )

    async def note(
        self, action: str, target: str | None, outcome: Outcome, reason: str | None = None, **details: Any
    ) -> None:
        """Write a line into the audit log."""
        await self.context.audit.write(self.attempt(action, target, outcome, reason, **details))

    async def denied(self, action: str, target: str | None, reason: str) -> ProblemError:
        """Write down that something was denied; return the answer to raise."""
        await self.note(action, target, Outcome.DENIED, reason)
        return ProblemError("forbidden", reason)


@dataclass(frozen=True)
class Asked(Asking):
    """A request of somebody known."""

    caller: Caller


async def asked(request: Request, context: InContext, _: Annotated[object, Depends(_documented)] = None) -> Asked:
    """Return the request with its sender."""
    return await _sent(request, context, "request")


async def looked(request: Request, context: InContext, _: Annotated[object, Depends(_documented)] = None) -> Asked:
    """Return the request for a picture with its sender."""
    return await _sent(request, context, "look")


async def _sent(request: Request, context: Context, purpose: Purpose) -> Asked:
    """Find out who sends a request; a token that the hub does not know, or that may not come in, is noted."""
    token = _shown_token(request, context)
    try:
        caller = await context.authentication.caller(token, origin_of(request), purpose)
    except UnknownToken as unknown:
        await Asking(request, context, None).note("authenticate", None, Outcome.DENIED, unknown.detail)
        raise
    known = Asked(request, context, caller)
    service = context.settings.service_name
    lacking = None if caller.may_enter(service) else f"This token does not hold access:services!service={service}."
    if reason := lacking or network_refusal(request, context):
        raise await known.denied("authenticate", None, reason)
    return known


def _shown_token(request: Request, context: Context) -> str:
    """Return the token of a request: from its header, else from the cookie of one who has signed in on our pages."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token") and token.strip():
        return token.strip()
    kept = request.cookies.get(COOKIE, "")
    if not kept or scheme:
        raise ProblemError(
            "unauthenticated",
            "Send an API token of the hub: `Authorization: Bearer TOKEN`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    secret = context.settings.api_token.get_secret_value()
    if not is_proof(secret, kept, request.headers.get(PROOF_HEADER, "")):
        raise ProblemError("forbidden", f"A request by cookie needs {PROOF_HEADER}, which stands in the page.")
    return kept


ByCaller = Annotated[Asked, Depends(asked)]
ByLooker = Annotated[Asked, Depends(looked)]


async def no_unknown_query(request: Request) -> None:
    """Refuse query parameters that the route does not know, by name."""
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        accepted = f"Accepted here: {', '.join(sorted(known))}." if known else "None is accepted here."
        errors = [FieldProblem(field=name, message=f"there is no such parameter. {accepted}") for name in unknown]
        raise ProblemError("invalid", f"Unknown query parameter: {', '.join(unknown)}. {accepted}", errors=errors)


def server_name(segment: str) -> str:
    """Return the name of the server that a path's segment stands for."""
    return "" if segment == DEFAULT_SERVER else segment


def etag_of(body: str) -> str:
    """Return the entity tag of a body (RFC 9110 section 8.8.3)."""
    return f'"{hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'


def tagged(request: Request, model: BaseModel) -> Response:
    """Return the answer to a GET: with an ETag, or 304 when the caller has it already."""
    body = model.model_dump_json()
    tag = etag_of(body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if _matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _matches(header: str, tag: str) -> bool:
    # Weak comparison: a proxy may have weakened the tag.
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in header.split(","))


def check_version(request: Request, current: str) -> None:
    """Refuse a change of something by one who has not seen its current version, whose tag is `current`."""
    if not _matches(request.headers.get("if-match", ""), current):
        raise ProblemError(
            "changed", "It was changed by somebody else meanwhile; read it again.", headers={"ETag": current}
        )


def json_answer(model: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a model as JSON."""
    return Response(model.model_dump_json(), status, headers, "application/json")
