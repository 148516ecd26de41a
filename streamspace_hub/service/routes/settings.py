"""`users/{user}/settings`: what a user has chosen for themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response
from sqlalchemy.exc import IntegrityError

from streamspace_hub.model.api import FieldProblem, Outcome, Settings, UserName
from streamspace_hub.model.layers import Who
from streamspace_hub.model.sleep import Ladder, SleepChoice, refusal_of, resolve
from streamspace_hub.service.database import Database
from streamspace_hub.service.documents import problems
from streamspace_hub.service.problems import ProblemError
from streamspace_hub.service.requests import ByCaller, check_version, etag_of, tagged
from streamspace_hub.service.tables import SettingsRow

router = APIRouter(tags=["settings"])


async def stored_settings(database: Database, user: str) -> Settings:
    """Return what a user has chosen; the defaults before they have."""
    async with database.reading() as session:
        row = await session.get(SettingsRow, user)
    return Settings() if row is None else Settings.model_validate(row.values)


@router.get("/users/{user}/settings", response_model=Settings, responses=problems(401, 403))
async def get_settings(asked: ByCaller, user: UserName) -> Response:
    """Show a user's settings."""
    if not (asked.caller.is_admin or asked.caller.holds_for_user("view", user)):
        raise await asked.denied("settings.read", user, "These are the settings of somebody else.")
    return tagged(asked.request, await stored_settings(asked.context.database, user))


@router.put("/users/{user}/settings", response_model=Settings, responses=problems(400, 401, 403, 412, 413))
async def put_settings(
    asked: ByCaller,
    user: UserName,
    settings: Settings,
    if_match: Annotated[str, Header(description="The ETag of the settings as you have read them.")],
) -> Response:
    """Replace a user's settings, if nobody else has changed them since they were read."""
    if not (asked.caller.is_admin or asked.caller.holds_for_user("control", user)):
        raise await asked.denied("settings.write", user, "These are the settings of somebody else.")
    await _check_choice(asked, user, settings.sleep)
    values = settings.model_dump(mode="json")
    what = asked.attempt("settings.write", user, Outcome.ALLOWED, **values)
    try:
        async with asked.context.database.writing() as session:
            row = await session.get(SettingsRow, user, with_for_update=True)
            now = Settings() if row is None else Settings.model_validate(row.values)
            check_version(asked.request, etag_of(now.model_dump_json()))
            if row is None:
                session.add(SettingsRow(user=user, values=values))
            else:
                row.values = values
            line = await asked.context.audit.add(session, what)
    except IntegrityError:  # the first settings of this user, from two sides at once
        raise ProblemError("changed", "They were changed by somebody else meanwhile; read them again.") from None
    asked.context.audit.publish(line)
    return tagged(asked.request, settings)


async def _check_choice(asked: ByCaller, user: str, choice: SleepChoice) -> None:
    """Refuse times of sleep beyond what the user may choose; an app's own may be shorter still, and then holds."""
    if choice == SleepChoice():
        return
    model = await asked.context.hub.user(user)
    groups = model.groups if model is not None else ()
    who, overrides = Who(user, groups), await asked.context.overrides.current()
    refused = refusal_of(choice, resolve(asked.context.settings.sleep, Ladder(), who, admin=overrides.sleep(who)))
    if refused is not None:
        field, message = f"sleep.{refused[0]}", refused[1]
        raise ProblemError("invalid", f"{field}: {message}", errors=[FieldProblem(field=field, message=message)])
