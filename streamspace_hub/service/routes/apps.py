"""`apps`: what can be launched."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import StringConstraints

from streamspace_hub.catalog import CatalogEntry
from streamspace_hub.model import Category
from streamspace_hub.model.api import App, AppList
from streamspace_hub.model.app import LINE_PATTERN, MIME_PATTERN
from streamspace_hub.service.documents import problems
from streamspace_hub.service.problems import ProblemError
from streamspace_hub.service.requests import ByCaller, tagged
from streamspace_hub.service.routes.settings import stored_settings

router = APIRouter(tags=["apps"])

Search = Annotated[str, StringConstraints(pattern=LINE_PATTERN, max_length=100)]


@router.get("/apps", response_model=AppList, responses=problems(401, 403))
async def list_apps(
    asked: ByCaller,
    search: Annotated[Search | None, Query(description="Text in name, title or description, in any case.")] = None,
    category: Annotated[Category | None, Query(description="Only apps of this section.")] = None,
    mime_type: Annotated[str | None, Query(pattern=MIME_PATTERN, max_length=255, description="Opens these.")] = None,
) -> Response:
    """List the apps, the caller's favourites first."""
    favorites = await _favorites(asked)
    apps = [app(entry, favorites) for entry in asked.context.catalog.apps.values()]
    found = [one for one in apps if _wanted(one, search, category, mime_type)]
    found.sort(key=lambda one: favorites.index(one.name) if one.favorite else len(favorites))
    return tagged(asked.request, AppList(apps=found, total=len(found)))


@router.get("/apps/{name}", response_model=App, responses=problems(401, 403, 404))
async def get_app(asked: ByCaller, name: str) -> Response:
    """Show one app."""
    entry = asked.context.catalog.apps.get(name)
    if entry is None:
        raise ProblemError("not-found", "There is no such app; `GET apps` lists those that there are.")
    return tagged(asked.request, app(entry, await _favorites(asked)))


async def _favorites(asked: ByCaller) -> list[str]:
    return (
        (await stored_settings(asked.context.database, asked.caller.name)).favorites
        if asked.caller.kind == "user"
        else []
    )


def app(entry: CatalogEntry, favorites: list[str]) -> App:
    """Return a template as the API shows it."""
    template = entry.template
    icon = base64.b64encode(entry.icon_svg.encode()).decode()
    return App(
        name=template.name,
        title=template.title,
        description=template.description,
        categories=template.categories,
        mime_types=template.mime_types,
        icon=f"data:image/svg+xml;base64,{icon}",
        favorite=template.name in favorites,
    )


def _wanted(one: App, search: str | None, category: Category | None, mime_type: str | None) -> bool:
    text = f"{one.name}\n{one.title}\n{one.description}".casefold()
    return (
        (search is None or search.casefold() in text)
        and (category is None or category in one.categories)
        and (mime_type is None or any(_opens(own, mime_type) for own in one.mime_types))
    )


def _opens(own: str, asked: str) -> bool:
    return own == asked or (own.endswith("/*") and asked.startswith(own[:-1]))
