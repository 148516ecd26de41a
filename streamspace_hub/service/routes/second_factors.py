"""`users/{user}/factors` and `step-up`: second factors, and showing one before a session that asks for it is opened.

The first one a user sets up by themselves; each further one, and taking them away, takes one that was shown just now.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Response

from streamspace_hub.model.api import (
    KeyAnswer,
    KeyOptions,
    NewFactor,
    NewTotp,
    Outcome,
    SecondFactors,
    ShowCode,
    UserName,
)
from streamspace_hub.model.step_up import Proven, is_fresh
from streamspace_hub.service.documents import problems
from streamspace_hub.service.passkeys import site_of
from streamspace_hub.service.problems import ProblemError, retry_after
from streamspace_hub.service.requests import Asked, ByCaller, json_answer, tagged
from streamspace_hub.service.second_factors import FactorRefused, NoFactor, TooManyTries

router = APIRouter(tags=["second factors"])

JUST_NOW = 600
"""Seconds for which a factor that was shown lets its user change their factors."""


@router.get("/users/{user}/factors", response_model=SecondFactors, responses=problems(401, 403))
async def get_factors(asked: ByCaller, user: UserName) -> Response:
    """Show a user's second factors, without their secrets."""
    if not (asked.caller.is_admin or asked.caller.is_user(user)):
        raise await asked.denied("factors.read", user, "These are the second factors of somebody else.")
    return tagged(asked.request, await _factors(asked, user))


@router.post(
    "/users/{user}/factors/totp", response_model=NewTotp, status_code=201, responses=problems(400, 401, 403, 409, 413)
)
async def begin_totp(asked: ByCaller, user: UserName, wanted: NewFactor) -> Response:
    """Begin to set up an authenticator app: the secret for it."""
    await _permit(asked, user, "factors.add")
    try:
        return json_answer(await asked.context.factors.begin_totp(user, wanted.label), 201)
    except FactorRefused as refused:
        raise ProblemError("conflict", str(refused)) from None


@router.post(
    "/users/{user}/factors/totp/confirm",
    response_model=SecondFactors,
    responses=problems(400, 401, 403, 409, 413),
)
async def finish_totp(asked: ByCaller, user: UserName, shown: ShowCode) -> Response:
    """Finish it with a code that the app shows. It counts as shown for this sign-in."""
    await _permit(asked, user, "factors.add")
    return await _take(asked, "factors.add", "totp", asked.context.factors.finish_totp(user, shown.code))


@router.post("/step-up", response_model=SecondFactors, responses=problems(400, 401, 403, 409, 413))
async def show_code(asked: ByCaller, shown: ShowCode) -> Response:
    """Show a code of an authenticator app. It counts for the sign-in or token by which it is shown, and no other."""
    await _permit_showing(asked)
    return await _take(asked, "step-up", "totp", asked.context.factors.show_code(asked.caller.name, shown.code))


@router.post("/users/{user}/factors/webauthn", response_model=KeyOptions, responses=problems(400, 401, 403, 409, 413))
async def begin_key(asked: ByCaller, user: UserName) -> Response:
    """Begin to set up a security key: what the browser is told."""
    await _permit(asked, user, "factors.add")
    return await _options(asked.context.factors.ask_new_key(user, _site(asked)))


@router.post(
    "/users/{user}/factors/webauthn/confirm",
    response_model=SecondFactors,
    responses=problems(400, 401, 403, 409, 413),
)
async def finish_key(asked: ByCaller, user: UserName, given: KeyAnswer) -> Response:
    """Finish it with what the key has answered. It counts as shown for this sign-in."""
    await _permit(asked, user, "factors.add")
    taking = asked.context.factors.take_new_key(user, _site(asked), given.label, given.credential)
    return await _take(asked, "factors.add", "webauthn", taking)


@router.post("/step-up/webauthn", response_model=KeyOptions, responses=problems(400, 401, 403, 409, 413))
async def ask_key(asked: ByCaller) -> Response:
    """Begin to show a security key: what the browser is told."""
    await _permit_showing(asked)
    return await _options(asked.context.factors.ask_key(asked.caller.name, _site(asked)))


@router.post("/step-up/webauthn/confirm", response_model=SecondFactors, responses=problems(400, 401, 403, 409, 413))
async def show_key(asked: ByCaller, given: KeyAnswer) -> Response:
    """Show a security key, by what it has signed. It counts as a code does."""
    await _permit_showing(asked)
    showing = asked.context.factors.show_key(asked.caller.name, _site(asked), given.credential)
    return await _take(asked, "step-up", "webauthn", showing)


@router.delete("/users/{user}/factors", status_code=204, responses=problems(401, 403))
async def remove_factors(asked: ByCaller, user: UserName) -> Response:
    """Take all of a user's second factors away, e.g. because they are lost; for administrators, and for the user."""
    if not asked.caller.is_admin:
        await _permit(asked, user, "factors.remove")
    await asked.note("factors.remove", user, Outcome.ALLOWED)
    await asked.context.factors.remove_all(user)
    return Response(status_code=204)


async def _permit(asked: ByCaller, user: str, action: str) -> None:
    """Refuse changes of somebody else's factors, and those by whoever has not shown the ones that there are."""
    if not (asked.caller.is_user(user) and asked.caller.holds_for_user("control", user)):
        raise await asked.denied(action, user, "Second factors are for their user to change.")
    await _permit_showing(asked)
    if await asked.context.factors.of(user):
        at = await asked.context.hub.proven(asked.caller.token)
        if not is_fresh(at, JUST_NOW, time.time()):
            raise await asked.denied(action, user, "Show one of your second factors first (POST step-up).")


async def _permit_showing(asked: ByCaller) -> None:
    if asked.caller.kind != "user" or asked.caller.credential is None:
        raise await asked.denied("step-up", asked.caller.name, "Second factors are for users.")


def _site(asked: Asked) -> str:
    """Return the site that keys are for: where the browser has this service."""
    site = site_of(asked.request.headers.get("host", ""))
    if site is None:
        raise ProblemError("conflict", "Security keys need the hub to be opened by its name, not by an address.")
    return site


async def _options(asking: Awaitable[dict[str, Any]]) -> Response:
    try:
        return json_answer(KeyOptions(options=await asking))
    except FactorRefused as refused:
        raise ProblemError("conflict", str(refused)) from None


async def _take(asked: Asked, action: str, kind: str, showing: Awaitable[None]) -> Response:
    """Note how it went; what was right is told to the hub, which lets the user in for a while."""
    user, credential = asked.caller.name, asked.caller.credential
    assert credential is not None
    try:
        await showing
    except FactorRefused as refused:
        await asked.note(action, user, Outcome.DENIED, str(refused), kind=kind)
        if isinstance(refused, TooManyTries):
            raise ProblemError("too-many-requests", str(refused), headers=retry_after(refused.seconds)) from None
        raise ProblemError("conflict" if isinstance(refused, NoFactor) else "forbidden", str(refused)) from None
    await asked.note(action, user, Outcome.ALLOWED, kind=kind)
    await asked.context.hub.tell_proven(Proven(user=user, credential=credential, at=time.time()))
    return json_answer(await _factors(asked, user))


async def _factors(asked: Asked, user: str) -> SecondFactors:
    at = await asked.context.hub.proven(asked.caller.token) if asked.caller.is_user(user) else None
    shown = None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    return SecondFactors(user=user, factors=await asked.context.factors.of(user), shown_at=shown)
